// A relocation's access, resolved against one BTF: which members and elements it walks through and which bit it arrives at.
// Made from the access string for the object's own types (parseAccess) and by matching names for a kernel's (match.ts).

import type { Btf } from '../../../base/btf/btf.ts'
import type { BtfOf, BtfType } from '../../../base/btf/types.ts'
import { CORE_KIND, CoreError, type CoreKind, type CoreRelocation, familyOf } from './kinds.ts'

/** Deeper accesses are refused, as libbpf does. */
export const MAX_DEPTH = 64

/** One step that a person wrote: a named member of struct `type`, or (name undefined) element `index` of an array of `type`. */
export interface Accessor {
  type: number
  index: number
  name: string | undefined
}

export interface AccessSpec {
  readonly btf: Btf
  readonly rootType: number
  readonly kind: CoreKind
  /** Named members and array elements, anonymous members left out. */
  readonly accessors: Accessor[]
  /** Every index, those of anonymous members included. */
  readonly raw: number[]
  bitOffset: number
}

export const emptySpec = (btf: Btf, rootType: number, kind: CoreKind): AccessSpec => ({
  btf,
  rootType,
  kind,
  accessors: [],
  raw: [],
  bitOffset: 0,
})

export type Composite = BtfOf<'struct' | 'union'>
export type AnyEnum = BtfOf<'enum'> | BtfOf<'enum64'>

export const isComposite = (type: BtfType): type is Composite => type.kind === 'struct' || type.kind === 'union'
export const isEnum = (type: BtfType): type is AnyEnum => type.kind === 'enum' || type.kind === 'enum64'

/** An array of no declared length at the end of a struct: any index is within it. */
export function isFlexible(btf: Btf, holder: Accessor | undefined, array: BtfOf<'array'>): boolean {
  if (!holder || holder.name === undefined || array.length > 0) return false
  const type = btf.type(holder.type)
  return isComposite(type) && holder.index === type.members.length - 1
}

/** Bytes of one value of the type; throws CoreError where it has no size. */
export function sizeOrFail(btf: Btf, id: number): number {
  const size = btf.sizeOf(id)
  if (size < 0) throw new CoreError(`type [${id}] has no size`)
  return size
}

/** The access as the object's own BTF has it. Throws CoreError where string and types do not fit each other. */
export function parseAccess(btf: Btf, relocation: CoreRelocation): AccessSpec {
  const { kind, type: rootType, access } = relocation
  const spec = emptySpec(btf, rootType, kind)
  const bad = (): never => {
    const root = btf.type(rootType)
    throw new CoreError(`parsing [${rootType}] ${root.kind} ${root.name || '<anon>'} + ${access || '<?>'} failed: -22`)
  }
  if (familyOf(kind) === 'type') return access === '0' ? spec : bad()
  if (!/^\d+(:\d+)*$/.test(access)) bad()
  const raw = access.split(':').map(Number)
  if (raw.length > MAX_DEPTH) bad()
  spec.raw.push(...raw)
  let type = btf.resolve(rootType)
  if (familyOf(kind) === 'enumval') {
    const value = isEnum(type) && raw.length === 1 ? type.values[raw[0]!] : undefined
    if (!value) return bad()
    spec.accessors.push({ type: type.id, index: raw[0]!, name: value.name })
    return spec
  }
  spec.accessors.push({ type: type.id, index: raw[0]!, name: undefined })
  spec.bitOffset = raw[0]! * sizeOrFail(btf, type.id) * 8
  for (const index of raw.slice(1)) {
    if (isComposite(type)) {
      const member = type.members[index]
      if (!member) return bad()
      spec.bitOffset += member.bitOffset
      if (member.name !== '') spec.accessors.push({ type: type.id, index, name: member.name })
      type = btf.resolve(member.type)
    } else if (type.kind === 'array') {
      if (!isFlexible(btf, spec.accessors.at(-1), type) && index >= type.length) bad()
      const element = btf.resolve(type.type)
      spec.accessors.push({ type: element.id, index, name: undefined })
      spec.bitOffset += index * sizeOrFail(btf, element.id) * 8
      type = element
    } else bad()
  }
  return spec
}

/** libbpf's text of an access: `<byte_off> [12] struct task_struct.pid (0:3 @ offset 24)`. */
export function formatAccess(spec: AccessSpec): string {
  const root = spec.btf.type(spec.rootType)
  const head = `<${CORE_KIND[spec.kind].word}> [${spec.rootType}] ${root.kind} ${root.name || '<anon>'}`
  const family = familyOf(spec.kind)
  if (family === 'type') return head
  if (family === 'enumval') {
    const type = spec.btf.resolve(spec.rootType)
    const value = isEnum(type) ? type.values[spec.raw[0] ?? -1] : undefined
    return value ? `${head}::${value.name} = ${value.value}` : head
  }
  let path = ''
  spec.accessors.forEach((step, i) => {
    if (step.name !== undefined) path += `.${step.name}`
    else if (i > 0 || step.index > 0) path += `[${step.index}]`
  })
  const bit = spec.bitOffset % 8
  const offset = Math.floor(spec.bitOffset / 8) + (bit ? `.${bit}` : '')
  return `${head}${path} (${spec.raw.join(':')} @ offset ${offset})`
}
