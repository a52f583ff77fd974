// Which C type the records of a buffer have. A ring buffer or perf event array does not say so itself; by convention the object's BTF
// has a struct (or typedef) that goes by the map's name: for a map `events` the first of `events_event`, `events_t`, `event`, `event_t`
// that is there, for one `execs` … `exec`, then `event`. A C source keeps such a type in its BTF by a variable of it in a section that
// is not loaded:  const struct event *event_type SEC(".types");

import type { Btf } from '../base/btf/btf.ts'
import { UserError } from '../base/errors.ts'
import { suggest } from './suggest.ts'

function findType(btf: Btf, name: string): number {
  return btf.find(name, 'struct', 'union') || btf.find(name, 'typedef')
}

/** Type id for the records of `map`, 0 where the object has none. */
export function eventTypeOf(btf: Btf | undefined, map: string): number {
  if (!btf) return 0
  const singular = map.replace(/s$/, '')
  for (const name of [`${map}_event`, `${map}_t`, singular, `${singular}_t`, 'event']) {
    const id = findType(btf, name)
    if (id !== 0 && btf.sizeOf(id) > 0) return id
  }
  return 0
}

/** The type that a person named: `event` or `struct event`. Throws UserError where the object has none of that name. */
export function eventTypeNamed(btf: Btf | undefined, name: string): number {
  const plain = name.replace(/^(struct|union)\s+/, '')
  const id = btf ? findType(btf, plain) : 0
  if (id !== 0) return id
  const known = btf ? [...btf.types()].flatMap((type) => (type.kind === 'struct' ? [type.name] : [])) : []
  throw new UserError(`event type '${name}': the object's BTF has no such struct${suggest(plain, known)}`)
}
