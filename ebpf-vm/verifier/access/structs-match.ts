// Whether a pointer to one struct may stand for a pointer to another: the same type, or its first member, and so on inwards.

import type { Btf } from '../../../base/btf/btf.ts'
import { isStruct, nameOfType, skipModifiers } from '../btf-types.ts'

export function structsMatch(
  btf: Btf,
  id: number,
  offset: number,
  wanted: Btf,
  wantedId: number,
  strict: boolean,
): boolean {
  const equal = (a: number): boolean => {
    if (btf === wanted && a === wantedId) return true
    const name = nameOfType(btf, a)
    return name !== '' && name === nameOfType(wanted, wantedId)
  }
  if (offset === 0 && equal(id)) return true
  if (strict) return false
  let type = skipModifiers(btf, id)
  for (let depth = 0; depth < 32; depth++) {
    if (!isStruct(type)) return false
    const inner = type.members.find((member) => {
      const at = member.bitOffset / 8
      const size = btf.sizeOf(member.type)
      return !member.bits && at <= offset && offset < at + size
    })
    if (!inner) return false
    offset -= inner.bitOffset / 8
    type = skipModifiers(btf, inner.type)
    if (type.kind === 'array') {
      const element = skipModifiers(btf, type.type)
      const size = btf.sizeOf(element.id)
      if (size <= 0) return false
      offset %= size
      type = element
    }
    if (offset === 0 && equal(type.id)) return true
  }
  return false
}
