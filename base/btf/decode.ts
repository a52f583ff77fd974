// One BTF record from its bytes. The caller has validated the blob: bounds, name offsets and type ids are in range.

import { FUNC_LINKAGE, INT_BOOL, INT_CHAR, INT_SIGNED, kflagOf, vlenOf } from './format.ts'
import type { BtfKind, BtfMember, BtfType } from './types.ts'

/** A record to decode: its place in `dv`, its id, and how names are read. */
export interface RecordSource {
  readonly dv: DataView
  readonly at: number
  readonly id: number
  name(offset: number): string
}

/** name, info, third word and the position behind the record. */
interface Head {
  name: string
  info: number
  word: number
  tail: number
}

type Decoder = (source: RecordSource, head: Head) => BtfType

function aggregate(kind: 'struct' | 'union'): Decoder {
  return ({ dv, id, name: nameAt }, { name, info, word, tail }) => {
    const bitfields = kflagOf(info)
    const members: BtfMember[] = []
    for (let i = 0, at = tail; i < vlenOf(info); i++, at += 12) {
      const offset = dv.getUint32(at + 8, true)
      members.push({
        name: nameAt(dv.getUint32(at, true)),
        type: dv.getUint32(at + 4, true),
        bitOffset: bitfields ? offset & 0xffffff : offset,
        bits: bitfields ? offset >>> 24 : 0,
      })
    }
    return { kind, id, name, size: word, bitfields, members }
  }
}

function modifier(kind: 'volatile' | 'const' | 'restrict'): Decoder {
  return ({ id }, { word }) => ({ kind, id, name: '', type: word })
}

const DECODERS: Readonly<Record<BtfKind, Decoder>> = {
  void: () => ({ kind: 'void', id: 0, name: '' }),
  int: ({ dv, id }, { name, word, tail }) => {
    const data = dv.getUint32(tail, true)
    const encoding = (data >>> 24) & 0xf
    return {
      kind: 'int',
      id,
      name,
      size: word,
      signed: (encoding & INT_SIGNED) !== 0,
      char: (encoding & INT_CHAR) !== 0,
      bool: (encoding & INT_BOOL) !== 0,
      bitOffset: (data >>> 16) & 0xff,
      bits: data & 0xff,
    }
  },
  ptr: ({ id }, { word }) => ({ kind: 'ptr', id, name: '', type: word }),
  array: ({ dv, id }, { tail }) => ({
    kind: 'array',
    id,
    name: '',
    type: dv.getUint32(tail, true),
    indexType: dv.getUint32(tail + 4, true),
    length: dv.getUint32(tail + 8, true),
  }),
  struct: aggregate('struct'),
  union: aggregate('union'),
  enum: ({ dv, id, name: nameAt }, { name, info, word, tail }) => {
    const signed = kflagOf(info)
    const values: { name: string; value: number }[] = []
    for (let i = 0, at = tail; i < vlenOf(info); i++, at += 8) {
      const value = signed ? dv.getInt32(at + 4, true) : dv.getUint32(at + 4, true)
      values.push({ name: nameAt(dv.getUint32(at, true)), value })
    }
    return { kind: 'enum', id, name, size: word, signed, values }
  },
  enum64: ({ dv, id, name: nameAt }, { name, info, word, tail }) => {
    const signed = kflagOf(info)
    const values: { name: string; value: bigint }[] = []
    for (let i = 0, at = tail; i < vlenOf(info); i++, at += 12) {
      const raw = (BigInt(dv.getUint32(at + 8, true)) << 32n) | BigInt(dv.getUint32(at + 4, true))
      values.push({ name: nameAt(dv.getUint32(at, true)), value: signed ? BigInt.asIntN(64, raw) : raw })
    }
    return { kind: 'enum64', id, name, size: word, signed, values }
  },
  fwd: ({ id }, { name, info }) => ({ kind: 'fwd', id, name, union: kflagOf(info) }),
  typedef: ({ id }, { name, word }) => ({ kind: 'typedef', id, name, type: word }),
  volatile: modifier('volatile'),
  const: modifier('const'),
  restrict: modifier('restrict'),
  func: ({ id }, { name, info, word }) => ({
    kind: 'func',
    id,
    name,
    type: word,
    linkage: FUNC_LINKAGE[vlenOf(info)] ?? 'static',
  }),
  func_proto: ({ dv, id, name: nameAt }, { info, word, tail }) => {
    const params: { name: string; type: number }[] = []
    for (let i = 0, at = tail; i < vlenOf(info); i++, at += 8) {
      params.push({ name: nameAt(dv.getUint32(at, true)), type: dv.getUint32(at + 4, true) })
    }
    return { kind: 'func_proto', id, name: '', returnType: word, params }
  },
  var: ({ dv, id }, { name, word, tail }) => ({
    kind: 'var',
    id,
    name,
    type: word,
    linkage: FUNC_LINKAGE[dv.getUint32(tail, true)] ?? 'static',
  }),
  datasec: ({ dv, id }, { name, info, word, tail }) => {
    const vars: { type: number; offset: number; size: number }[] = []
    for (let i = 0, at = tail; i < vlenOf(info); i++, at += 12) {
      vars.push({
        type: dv.getUint32(at, true),
        offset: dv.getUint32(at + 4, true),
        size: dv.getUint32(at + 8, true),
      })
    }
    return { kind: 'datasec', id, name, size: word, vars }
  },
  float: ({ id }, { name, word }) => ({ kind: 'float', id, name, size: word }),
  decl_tag: ({ dv, id }, { name, info, word, tail }) => ({
    kind: 'decl_tag',
    id,
    name,
    type: word,
    componentIndex: dv.getInt32(tail, true),
    attribute: kflagOf(info),
  }),
  type_tag: ({ id }, { name, info, word }) => ({ kind: 'type_tag', id, name, type: word, attribute: kflagOf(info) }),
}

export function decodeType(source: RecordSource, kind: BtfKind): BtfType {
  const { dv, at } = source
  return DECODERS[kind](source, {
    name: source.name(dv.getUint32(at, true)),
    info: dv.getUint32(at + 4, true),
    word: dv.getUint32(at + 8, true),
    tail: at + 12,
  })
}
