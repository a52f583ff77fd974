// Finds in a candidate type of the kernel what the object's access means: members by name through anonymous structs and unions,
// array elements by index, enum values by name without flavour.

import type { Btf } from '../../../base/btf/btf.ts'
import {
  type Accessor,
  type AccessSpec,
  emptySpec,
  isComposite,
  isEnum,
  isFlexible,
  MAX_DEPTH,
  sizeOrFail,
} from './access.ts'
import { fieldsCompatible, typesCompatible, typesMatch } from './compat.ts'
import { CoreError, familyOf } from './kinds.ts'
import { sameEssentialName } from './names.ts'

/** The candidate's access, or undefined where the candidate does not have it. Throws CoreError where libbpf gives up. */
export function matchAccess(local: AccessSpec, btf: Btf, candidate: number): AccessSpec | undefined {
  const spec = emptySpec(btf, candidate, local.kind)
  switch (familyOf(local.kind)) {
    case 'type': {
      const relation = local.kind === 'type_matches' ? typesMatch : typesCompatible
      return relation({ btf: local.btf, id: local.rootType }, { btf, id: candidate }) ? spec : undefined
    }
    case 'enumval':
      return matchEnumValue(local.accessors[0]!.name!, spec)
    case 'field':
      return matchField(local, spec)
  }
}

function matchEnumValue(name: string, spec: AccessSpec): AccessSpec | undefined {
  const type = spec.btf.resolve(spec.rootType)
  if (!isEnum(type)) return undefined
  const index = type.values.findIndex((value) => sameEssentialName(value.name, name))
  if (index < 0) return undefined
  spec.accessors.push({ type: type.id, index, name: type.values[index]!.name })
  spec.raw.push(index)
  return spec
}

function matchField(local: AccessSpec, spec: AccessSpec): AccessSpec | undefined {
  const { btf } = spec
  let at = btf.resolve(spec.rootType).id
  for (const [i, step] of local.accessors.entries()) {
    if (step.name !== undefined) {
      const next = matchMember(local.btf, step, at, spec)
      if (next === undefined) return undefined
      at = btf.resolve(next).id
      continue
    }
    // The first index counts whole root types; later ones are elements of the array that the access stands at.
    if (i > 0) {
      const array = btf.resolve(at)
      if (array.kind !== 'array') return undefined
      if (!isFlexible(btf, spec.accessors.at(-1), array) && step.index >= array.length) return undefined
      at = btf.resolve(array.type).id
    }
    if (spec.raw.length === MAX_DEPTH) throw new CoreError('access nests too deep')
    spec.accessors.push({ type: at, index: step.index, name: undefined })
    spec.raw.push(step.index)
    spec.bitOffset += step.index * sizeOrFail(btf, at) * 8
  }
  return spec
}

/** Walks to the member of that name in type `at`, looking through anonymous members; returns the member's type. */
function matchMember(localBtf: Btf, step: Accessor, at: number, spec: AccessSpec): number | undefined {
  const type = spec.btf.resolve(at)
  const localType = localBtf.type(step.type)
  if (!isComposite(type) || !isComposite(localType)) return undefined
  const localMember = localType.members[step.index]!
  for (const [index, member] of type.members.entries()) {
    if (member.name !== '' && member.name !== step.name) continue
    if (spec.raw.length === MAX_DEPTH) throw new CoreError('access nests too deep')
    spec.raw.push(index)
    spec.bitOffset += member.bitOffset
    if (member.name === '') {
      const found = matchMember(localBtf, step, member.type, spec)
      if (found !== undefined) return found
      spec.raw.pop()
      spec.bitOffset -= member.bitOffset
      continue
    }
    const compatible = fieldsCompatible({ btf: localBtf, id: localMember.type }, { btf: spec.btf, id: member.type })
    if (!compatible) return undefined
    spec.accessors.push({ type: type.id, index, name: member.name })
    return member.type
  }
  return undefined
}
