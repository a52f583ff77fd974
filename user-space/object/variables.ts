// Global variables of a spec as plain properties: reading one decodes the section's bytes by its BTF type, assigning encodes into
// them; struct members that are not given keep what they hold.

import type { Btf } from '../../base/btf/btf.ts'
import { BtfValues } from '../../base/btf/value.ts'
import { UserError } from '../../base/errors.ts'
import { suggest } from '../suggest.ts'
import type { MapSpec, VariableSpec } from './spec.ts'

/** An object with one accessor per variable; assigning to an unknown name is a UserError. `where` names the object. */
export function variableAccessors(
  btf: Btf | undefined,
  maps: readonly MapSpec[],
  variables: readonly VariableSpec[],
  where: string,
): Record<string, unknown> {
  const accessors: Record<string, unknown> = {}
  const values = btf && new BtfValues(btf)
  for (const { name, map, offset, type } of variables) {
    // Of two static variables of one name the first counts.
    if (!values || Object.hasOwn(accessors, name)) continue
    const { bytes } = maps.find((each) => each.name === map)!.data!
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    Object.defineProperty(accessors, name, {
      enumerable: true,
      get: () => values.codec(type).read(view, offset),
      set: (value: unknown) => values.codec(type).write(view, offset, value, `${where}: variable '${name}'`),
    })
  }
  return new Proxy(accessors, {
    set(target, key, value) {
      if (typeof key === 'string' && !Object.hasOwn(target, key)) {
        throw new UserError(`${where}: no global variable '${key}'${suggest(key, Object.keys(target))}`)
      }
      return Reflect.set(target, key, value)
    },
  })
}
