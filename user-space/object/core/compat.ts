// When two types are the same for CO-RE. Three relations, each laxer or stricter for its purpose, as libbpf has them:
//   fieldsCompatible  a field may be read through the other's declaration
//   typesCompatible   type_exists, type_size, type ids and externs: kinds agree all the way down, names do not matter
//   typesMatch        type_matches: names, sizes, signedness and members agree

import type { Btf } from '../../../base/btf/btf.ts'
import type { BtfType } from '../../../base/btf/types.ts'
import { type AnyEnum, type Composite, isComposite, isEnum } from './access.ts'
import { CoreError } from './kinds.ts'
import { sameEssentialName } from './names.ts'

const MAX_RECURSION = 32

/** One type in one BTF. */
interface Side {
  readonly btf: Btf
  readonly id: number
}

/** Kinds agree; enum and enum64 are one. */
export const sameKind = (a: BtfType, b: BtfType): boolean => a.kind === b.kind || (isEnum(a) && isEnum(b))

export function fieldsCompatible(local: Side, target: Side): boolean {
  const a = local.btf.resolve(local.id)
  const b = target.btf.resolve(target.id)
  if (isComposite(a) && isComposite(b)) return true
  if (!sameKind(a, b)) return false
  switch (a.kind) {
    case 'ptr':
    case 'float':
      return true
    case 'fwd':
    case 'enum':
    case 'enum64':
      return a.name === '' || b.name === '' || sameEssentialName(a.name, b.name)
    case 'int':
      return a.bitOffset === 0 && (b as typeof a).bitOffset === 0
    case 'array':
      return fieldsCompatible({ btf: local.btf, id: a.type }, { btf: target.btf, id: (b as typeof a).type })
    default:
      return false
  }
}

/** The caller has matched the names of the roots. Throws CoreError when the types nest too deep. */
export function typesCompatible(local: Side, target: Side, level: number = MAX_RECURSION): boolean {
  if (!sameKind(local.btf.type(local.id), target.btf.type(target.id))) return false
  let a = local.id
  let b = target.id
  for (let depth = 0; depth < MAX_RECURSION; depth++) {
    const ta = local.btf.resolve(a)
    const tb = target.btf.resolve(b)
    if (!sameKind(ta, tb)) return false
    switch (ta.kind) {
      case 'void':
      case 'struct':
      case 'union':
      case 'enum':
      case 'enum64':
      case 'fwd':
        return true
      case 'int':
        return ta.bitOffset === 0 && (tb as typeof ta).bitOffset === 0
      case 'ptr':
      case 'array':
        a = ta.type
        b = (tb as typeof ta).type
        continue
      case 'func_proto': {
        const other = tb as typeof ta
        if (ta.params.length !== other.params.length) return false
        if (ta.params.length > 0 && level <= 0) throw new CoreError('types nest too deep')
        for (const [i, param] of ta.params.entries()) {
          const la = { btf: local.btf, id: local.btf.resolve(param.type).id }
          const lb = { btf: target.btf, id: target.btf.resolve(other.params[i]!.type).id }
          if (!typesCompatible(la, lb, level - 1)) return false
        }
        a = ta.returnType
        b = other.returnType
        continue
      }
      default:
        return false
    }
  }
  throw new CoreError('types nest too deep')
}

export function typesMatch(local: Side, target: Side, behindPointer = false, level: number = MAX_RECURSION): boolean {
  if (level <= 0) throw new CoreError('types nest too deep')
  let a = local.id
  let b = target.id
  for (let depth = 0; depth < MAX_RECURSION; depth++) {
    const ta = local.btf.resolve(a)
    const tb = target.btf.resolve(b)
    if (!namesMatch(ta.name, tb.name)) return false
    switch (ta.kind) {
      case 'void':
        return tb.kind === 'void'
      case 'fwd':
        if (tb.kind === 'fwd') return ta.union === tb.union
        return behindPointer && tb.kind === (ta.union ? 'union' : 'struct')
      case 'enum':
      case 'enum64':
        return isEnum(tb) && enumsMatch(ta, tb)
      case 'struct':
      case 'union':
        if (behindPointer) return ta.kind === tb.kind || (tb.kind === 'fwd' && tb.union === (ta.kind === 'union'))
        return isComposite(tb) && ta.kind === tb.kind && membersMatch(local.btf, ta, target.btf, tb, level)
      case 'int':
        return tb.kind === 'int' && ta.size === tb.size && ta.signed === tb.signed
      case 'ptr':
        if (tb.kind !== 'ptr') return false
        behindPointer = true
        a = ta.type
        b = tb.type
        continue
      case 'array':
        if (tb.kind !== 'array' || ta.length !== tb.length) return false
        a = ta.type
        b = tb.type
        continue
      case 'func_proto': {
        if (tb.kind !== 'func_proto' || ta.params.length !== tb.params.length) return false
        for (const [i, param] of ta.params.entries()) {
          const lb = { btf: target.btf, id: tb.params[i]!.type }
          if (!typesMatch({ btf: local.btf, id: param.type }, lb, behindPointer, level - 1)) return false
        }
        a = ta.returnType
        b = tb.returnType
        continue
      }
      default:
        return false
    }
  }
  throw new CoreError('types nest too deep')
}

/** An anonymous target matches only an anonymous local name. */
const namesMatch = (local: string, target: string): boolean =>
  target === '' ? local === '' : sameEssentialName(local, target)

/** Every local value's name is there; the numbers may differ. */
function enumsMatch(local: AnyEnum, target: AnyEnum): boolean {
  if (local.size !== target.size || local.values.length > target.values.length) return false
  return local.values.every((value) => target.values.some((other) => namesMatch(value.name, other.name)))
}

function membersMatch(localBtf: Btf, local: Composite, targetBtf: Btf, target: Composite, level: number): boolean {
  if (local.members.length > target.members.length) return false
  return local.members.every((member) =>
    target.members.some(
      (other) =>
        namesMatch(member.name, other.name) &&
        typesMatch({ btf: localBtf, id: member.type }, { btf: targetBtf, id: other.type }, false, level - 1),
    ),
  )
}
