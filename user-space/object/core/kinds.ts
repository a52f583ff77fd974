// The kinds of CO-RE relocations (enum bpf_core_relo_kind), with libbpf's word for each and what it is about.

export type CoreFamily = 'field' | 'type' | 'enumval'

// biome-ignore format: one kind a line
export const CORE_KIND = {
  field_byte_offset: { code: 0, word: 'byte_off', family: 'field' },
  field_byte_size: { code: 1, word: 'byte_sz', family: 'field' },
  field_exists: { code: 2, word: 'field_exists', family: 'field' },
  field_signed: { code: 3, word: 'signed', family: 'field' },
  field_lshift_u64: { code: 4, word: 'lshift_u64', family: 'field' },
  field_rshift_u64: { code: 5, word: 'rshift_u64', family: 'field' },
  type_id_local: { code: 6, word: 'local_type_id', family: 'type' },
  type_id_target: { code: 7, word: 'target_type_id', family: 'type' },
  type_exists: { code: 8, word: 'type_exists', family: 'type' },
  type_size: { code: 9, word: 'type_size', family: 'type' },
  enumval_exists: { code: 10, word: 'enumval_exists', family: 'enumval' },
  enumval_value: { code: 11, word: 'enumval_value', family: 'enumval' },
  type_matches: { code: 12, word: 'type_matches', family: 'type' },
} as const satisfies Record<string, { code: number; word: string; family: CoreFamily }>

export type CoreKind = keyof typeof CORE_KIND
type KindOf<F extends CoreFamily> = { [K in CoreKind]: (typeof CORE_KIND)[K]['family'] extends F ? K : never }[CoreKind]
export type FieldKind = KindOf<'field'>
export type TypeKind = KindOf<'type'>

/** One record of .BTF.ext: the instruction, the local root type, the access within it. */
export interface CoreRelocation {
  /** Slot, relative to the function it stands in. */
  readonly insn: number
  readonly kind: CoreKind
  /** Type id in the object's BTF. */
  readonly type: number
  /** `0:2:1`: indices of members and array elements; the index of the value for enums; `0` for types. */
  readonly access: string
  /** Position in its section's list: libbpf's messages count so. */
  readonly index: number
}

export function coreKindOf(code: number): CoreKind | undefined {
  return (Object.keys(CORE_KIND) as CoreKind[]).find((kind) => CORE_KIND[kind].code === code)
}

export const familyOf = (kind: CoreKind): CoreFamily => CORE_KIND[kind].family

/** A relocation that libbpf gives up on, with its words; the program that holds it cannot be loaded. */
export class CoreError extends Error {
  override name = 'CoreError'
}
