// What the verifier asks of BTF: names, kinds and shapes of types.

import type { Btf } from '../../base/btf/btf.ts'
import type { BtfOf, BtfType } from '../../base/btf/types.ts'

/** Name of a type, '' where it has none or the id is not valid. */
export function nameOfType(btf: Btf, id: number): string {
  return id > 0 && id < btf.count ? btf.type(id).name : ''
}

/** Through modifiers (const, volatile, restrict, type_tag) but not typedefs. */
export function skipModifiers(btf: Btf, id: number): BtfType {
  let type = btf.type(id)
  while (
    type.kind === 'const' ||
    type.kind === 'volatile' ||
    type.kind === 'restrict' ||
    type.kind === 'type_tag' ||
    type.kind === 'typedef'
  )
    type = btf.type(type.type)
  return type
}

/** Id of the type behind modifiers and typedefs. */
export function resolveId(btf: Btf, id: number): number {
  return id === 0 ? 0 : skipModifiers(btf, id).id
}

export function isStruct(type: BtfType): type is BtfOf<'struct' | 'union'> {
  return type.kind === 'struct' || type.kind === 'union'
}

/** Type tags (`user`, `rcu`, `percpu`, `kptr`, …) between a pointer and what it points to. */
export function tagsOf(btf: Btf, id: number): string[] {
  const tags: string[] = []
  let type = btf.type(id)
  while (
    type.kind === 'const' ||
    type.kind === 'volatile' ||
    type.kind === 'restrict' ||
    type.kind === 'type_tag' ||
    type.kind === 'typedef'
  ) {
    if (type.kind === 'type_tag') tags.push(type.name)
    type = btf.type(type.type)
  }
  return tags
}
