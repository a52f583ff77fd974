// What a relocation comes to: the value the compiler put in, the value for this kernel, or that there is none and the instruction
// must be poisoned. All candidates that match have to agree.

import type { Btf } from '../../../base/btf/btf.ts'
import type { BtfType } from '../../../base/btf/types.ts'
import { type AccessSpec, formatAccess, isComposite, isEnum, parseAccess, sizeOrFail } from './access.ts'
import type { Candidate, CandidateFinder } from './candidates.ts'
import { CORE_KIND, CoreError, type CoreRelocation, type FieldKind, familyOf, type TypeKind } from './kinds.ts'
import { matchAccess } from './match.ts'

export type Resolution =
  | { readonly kind: 'poison' }
  | {
      readonly kind: 'value'
      readonly original: bigint
      readonly value: bigint
      /** The instruction must hold `original` now. */
      readonly validate: boolean
      /** Bytes of the field here and there (0: no load or store to adjust). */
      readonly originalSize: number
      readonly size: number
      /** The sizes differ and a load of the other size would give another value. */
      readonly unsafeSize: boolean
    }

const POISON: Resolution = { kind: 'poison' }

/** Throws CoreError, with libbpf's words, where libbpf refuses the object. */
export function resolve(local: Btf, relocation: CoreRelocation, finder: CandidateFinder): Resolution {
  const spec = parseAccess(local, relocation)
  if (relocation.kind === 'type_id_local') {
    const id = BigInt(relocation.type)
    return { ...plain(id, id), validate: false }
  }
  if (local.type(relocation.type).name === '') {
    const { word, code } = CORE_KIND[relocation.kind]
    throw new CoreError(`<${word}> (${code}) relocation doesn't support anonymous types`)
  }
  const matching: Candidate[] = []
  let agreed: { resolution: Resolution; bitOffset: number } | undefined
  for (const candidate of finder.find(relocation.type)) {
    const target = matchAccess(spec, candidate.btf, candidate.id)
    if (!target) continue
    const resolution = compute(spec, target)
    if (agreed && agreed.bitOffset !== target.bitOffset) {
      throw new CoreError(`field offset ambiguity: ${target.bitOffset} != ${agreed.bitOffset}`)
    }
    if (agreed && !sameDecision(resolution, agreed.resolution)) {
      throw new CoreError(`relocation decision ambiguity: ${decision(resolution)} != ${decision(agreed.resolution)}`)
    }
    agreed ??= { resolution, bitOffset: target.bitOffset }
    matching.push(candidate)
  }
  if (!agreed) return compute(spec, undefined)
  finder.narrow(relocation.type, matching)
  return agreed.resolution
}

const decision = (r: Resolution): string => (r.kind === 'poison' ? 'failure 0' : `success ${r.value}`)
const sameDecision = (a: Resolution, b: Resolution): boolean => decision(a) === decision(b)

const plain = (original: bigint, value: bigint): Extract<Resolution, { kind: 'value' }> => ({
  kind: 'value',
  original,
  value,
  validate: true,
  originalSize: 0,
  size: 0,
  unsafeSize: false,
})

/** `target` is undefined where no candidate has what is asked for. */
function compute(local: AccessSpec, target: AccessSpec | undefined): Resolution {
  switch (familyOf(local.kind)) {
    case 'field':
      return computeField(local, target)
    case 'type': {
      const kind = local.kind as TypeKind
      const value = target ? typeValue(kind, target) : 0n
      return { ...plain(typeValue(kind, local), value), validate: kind !== 'type_id_target' }
    }
    case 'enumval': {
      if (local.kind === 'enumval_exists') return plain(1n, target ? 1n : 0n)
      return target ? plain(enumValue(local), enumValue(target)) : POISON
    }
  }
}

function typeValue(kind: TypeKind, spec: AccessSpec): bigint {
  switch (kind) {
    case 'type_id_local':
    case 'type_id_target':
      return BigInt(spec.rootType)
    case 'type_exists':
    case 'type_matches':
      return 1n
    case 'type_size':
      return BigInt(sizeOrFail(spec.btf, spec.rootType))
  }
}

function enumValue(spec: AccessSpec): bigint {
  const step = spec.accessors[0]!
  const type = spec.btf.type(step.type)
  return BigInt.asUintN(64, BigInt(isEnum(type) ? type.values[step.index]!.value : 0))
}

interface FieldValue {
  readonly value: bigint
  readonly size: number
  readonly type: number
  readonly validate: boolean
}

function computeField(local: AccessSpec, target: AccessSpec | undefined): Resolution {
  const kind = local.kind as FieldKind
  if (kind === 'field_exists') return plain(1n, target ? 1n : 0n)
  if (!target) return POISON
  const before = fieldValue(kind, local)
  const after = fieldValue(kind, target)
  const unsafeSize =
    before.size !== after.size && !zeroExtends(local.btf.resolve(before.type), target.btf.resolve(after.type))
  return {
    kind: 'value',
    original: before.value,
    value: after.value,
    validate: before.validate,
    originalSize: before.size,
    size: after.size,
    unsafeSize,
  }
}

/** A load of the kernel's size keeps the value: both are pointers, or both unsigned integers. */
function zeroExtends(a: BtfType, b: BtfType): boolean {
  return (a.kind === 'ptr' && b.kind === 'ptr') || (a.kind === 'int' && b.kind === 'int' && !a.signed && !b.signed)
}

function fieldValue(kind: Exclude<FieldKind, 'field_exists'>, spec: AccessSpec): FieldValue {
  const { btf } = spec
  const step = spec.accessors.at(-1)!
  if (step.name === undefined) {
    const size = sizeOrFail(btf, step.type)
    if (kind === 'field_byte_size') return { value: BigInt(size), size: 0, type: 0, validate: true }
    if (kind !== 'field_byte_offset') {
      throw new CoreError(`relo ${CORE_KIND[kind].code} can't be applied to array access`)
    }
    return { value: BigInt(Math.floor(spec.bitOffset / 8)), size, type: step.type, validate: true }
  }
  const holder = btf.type(step.type)
  const member = isComposite(holder) ? holder.members[step.index]! : undefined
  if (!member) throw new CoreError(`type [${step.type}] has no members`)
  const type = btf.resolve(member.type)
  const bitfield = member.bits > 0
  const { byteOffset, byteSize } = bitfield
    ? smallestLoad(spec.bitOffset, member.bits, sizeOrFail(btf, type.id), kind)
    : { byteOffset: Math.floor(spec.bitOffset / 8), byteSize: sizeOrFail(btf, type.id) }
  const bits = bitfield ? member.bits : byteSize * 8
  // Where compilers may differ about how to load a bitfield, the value they put in is not checked.
  const result = (value: number, validate = !bitfield): FieldValue => ({
    value: BigInt(value),
    size: 0,
    type: 0,
    validate,
  })
  switch (kind) {
    case 'field_byte_offset':
      return bitfield ? result(byteOffset) : { ...result(byteOffset), size: byteSize, type: type.id }
    case 'field_byte_size':
      return result(byteSize)
    case 'field_signed':
      return result((isEnum(type) || type.kind === 'int') && type.signed ? 1 : 0, true)
    case 'field_lshift_u64':
      return result(64 - (spec.bitOffset + bits - byteOffset * 8))
    case 'field_rshift_u64':
      return result(64 - bits, true)
  }
}

/** The smallest aligned load, of at least the declared type's size, that holds the whole bitfield. */
function smallestLoad(bitOffset: number, bits: number, typeSize: number, kind: FieldKind) {
  let byteSize = typeSize
  const aligned = (): number => Math.floor(bitOffset / 8 / byteSize) * byteSize
  while (bitOffset + bits - aligned() * 8 > byteSize * 8) {
    if (byteSize >= 8) throw new CoreError(`relo ${CORE_KIND[kind].code} can't be satisfied for bitfield`)
    byteSize *= 2
  }
  return { byteOffset: aligned(), byteSize }
}

/** What libbpf's log says of a relocation whose instruction was poisoned. */
export const describeRelocation = (local: Btf, relocation: CoreRelocation): string =>
  formatAccess(parseAccess(local, relocation))
