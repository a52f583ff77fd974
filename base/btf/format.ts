// The binary form of BTF: header, kinds and how many bytes follow the 12-byte record of each (Documentation/bpf/btf.rst).
//
// A record is three words: name offset | info | size or type. The info word:
//
//   31     | 28..24 | 15..0
//   kflag  | kind   | vlen: how many members, values, parameters or variables follow

import type { BtfKind } from './types.ts'

export const BTF_MAGIC = 0xeb9f
export const BTF_VERSION = 1
/** magic u16, version u8, flags u8, hdr_len, type_off, type_len, str_off, str_len (u32 each); offsets count from the header's end. */
export const BTF_HEADER_BYTES = 24
export const BTF_RECORD_BYTES = 12
export const BTF_MAX_VLEN = 0xffff

/** `tail` and `each` are the bytes behind the record: once, and per vlen; `refers` says whether the third word is a type id. */
export interface KindFormat {
  readonly code: number
  readonly tail: number
  readonly each: number
  readonly refers: boolean
}

export const KINDS: Readonly<Record<BtfKind, KindFormat>> = {
  void: { code: 0, tail: 0, each: 0, refers: false },
  int: { code: 1, tail: 4, each: 0, refers: false },
  ptr: { code: 2, tail: 0, each: 0, refers: true },
  array: { code: 3, tail: 12, each: 0, refers: false },
  struct: { code: 4, tail: 0, each: 12, refers: false },
  union: { code: 5, tail: 0, each: 12, refers: false },
  enum: { code: 6, tail: 0, each: 8, refers: false },
  fwd: { code: 7, tail: 0, each: 0, refers: false },
  typedef: { code: 8, tail: 0, each: 0, refers: true },
  volatile: { code: 9, tail: 0, each: 0, refers: true },
  const: { code: 10, tail: 0, each: 0, refers: true },
  restrict: { code: 11, tail: 0, each: 0, refers: true },
  func: { code: 12, tail: 0, each: 0, refers: true },
  func_proto: { code: 13, tail: 0, each: 8, refers: true },
  var: { code: 14, tail: 4, each: 0, refers: true },
  datasec: { code: 15, tail: 0, each: 12, refers: false },
  float: { code: 16, tail: 0, each: 0, refers: false },
  decl_tag: { code: 17, tail: 4, each: 0, refers: true },
  type_tag: { code: 18, tail: 0, each: 0, refers: true },
  enum64: { code: 19, tail: 0, each: 12, refers: false },
}

/** Kinds by their code. */
export const KIND_NAMES: readonly BtfKind[] = (Object.keys(KINDS) as BtfKind[]).sort(
  (a, b) => KINDS[a].code - KINDS[b].code,
)

export const FUNC_LINKAGE = ['static', 'global', 'extern'] as const

/** BTF_INT_*: bits 24..27 of an int's extra word. */
export const INT_SIGNED = 1
export const INT_CHAR = 2
export const INT_BOOL = 4

export const kflagOf = (info: number): boolean => info >>> 31 === 1
export const kindCodeOf = (info: number): number => (info >>> 24) & 0x1f
export const vlenOf = (info: number): number => info & 0xffff

/** A blob of its two sections. */
export function assembleBtf(types: Uint8Array, strings: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BTF_HEADER_BYTES + types.length + strings.length)
  const dv = new DataView(bytes.buffer)
  dv.setUint16(0, BTF_MAGIC, true)
  dv.setUint8(2, BTF_VERSION)
  const words = [BTF_HEADER_BYTES, 0, types.length, types.length, strings.length]
  for (const [i, word] of words.entries()) dv.setUint32(4 + 4 * i, word, true)
  bytes.set(types, BTF_HEADER_BYTES)
  bytes.set(strings, BTF_HEADER_BYTES + types.length)
  return bytes
}
