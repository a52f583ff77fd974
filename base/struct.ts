// Layouts declared in TypeScript, shared by readers, writers and BTF. Members are laid out as C lays them out on x86-64.
//
//   const event = struct('event', { pid: u32, comm: array(char, 16), delta_ns: u64 })
//   event.sizeBytes                        32
//   event.offsets.delta_ns                 24
//   event.decode(bytes)                    { pid: 1, comm: 'init', delta_ns: 5n }
//   event.encode({ pid: 1 })               32 bytes; members not given are zero

import { BtfBuilder } from './btf/encode.ts'
import type { BtfDraft } from './btf/types.ts'
import { arrayCodec, bigCodec, boolCodec, type Codec, intCodec, textCodec } from './codec.ts'
import { UserError } from './errors.ts'

/** A C type: how it is read and written, its alignment, and its BTF. */
export interface CType<T = unknown> extends Codec<T> {
  readonly alignBytes: number
  /** Adds this type and what it refers to, once per builder; returns its id. */
  addTo(builder: BtfBuilder): number
}

/** The JavaScript value of a C type. */
export type ValueOf<C> = C extends CType<infer T> ? T : never

export type StructValue<F> = { -readonly [K in keyof F]: ValueOf<F[K]> }

export interface Struct<F extends Record<string, CType>> extends CType<StructValue<F>> {
  readonly name: string
  readonly members: F
  /** Byte offset of each member. */
  readonly offsets: Readonly<Record<keyof F, number>>
  /** Bytes may be longer than the struct; the rest is ignored. */
  decode(bytes: Uint8Array, at?: number): StructValue<F>
  encode(value: Partial<StructValue<F>>): Uint8Array
  /** BTF that holds this struct as its last type. */
  btf(): { bytes: Uint8Array; typeId: number }
}

function integer<T>(name: string, signed: boolean, codec: Codec<T>, bool = false): CType<T> {
  const size = codec.sizeBytes
  const type: CType<T> = {
    ...codec,
    alignBytes: size,
    addTo: (builder) =>
      builder.once(type, () => ({ kind: 'int', name, size, signed, char: false, bool, bitOffset: 0, bits: size * 8 })),
  }
  return type
}

/** A typedef of an integer, as the kernel's headers have it: `typedef unsigned int __u32`. */
function alias<T>(name: string, of: CType<T>): CType<T> {
  const type: CType<T> = {
    ...of,
    addTo: (builder) => builder.once(type, () => ({ kind: 'typedef', name, type: of.addTo(builder) })),
  }
  return type
}

export const u8 = alias('__u8', integer('unsigned char', false, intCodec(1, false)))
export const s8 = alias('__s8', integer('signed char', true, intCodec(1, true)))
export const u16 = alias('__u16', integer('unsigned short', false, intCodec(2, false)))
export const s16 = alias('__s16', integer('short', true, intCodec(2, true)))
export const u32 = alias('__u32', integer('unsigned int', false, intCodec(4, false)))
export const s32 = integer('int', true, intCodec(4, true))
export const u64 = alias('__u64', integer('unsigned long long', false, bigCodec(8, false)))
export const s64 = alias('__s64', integer('long long', true, bigCodec(8, true)))
export const char = integer('char', true, intCodec(1, true))
export const bool = integer('_Bool', false, boolCodec, true)

/** A pointer, a bigint in JavaScript: to `target`, or `void *`. */
export function pointer(target?: CType): CType<bigint> {
  const type: CType<bigint> = {
    ...bigCodec(8, false),
    alignBytes: 8,
    addTo: (builder) => builder.once(type, () => ({ kind: 'ptr', name: '', type: target?.addTo(builder) ?? 0 })),
  }
  return type
}

/** `array(char, 16)` is text, any other array a list. */
export function array(each: typeof char, length: number): CType<string>
export function array<T>(each: CType<T>, length: number): CType<T[]>
export function array(each: CType, length: number): CType {
  const codec: Codec = each === char ? textCodec(length) : arrayCodec(each, length)
  const type: CType = {
    ...codec,
    alignBytes: each.alignBytes,
    addTo: (builder) =>
      builder.once(type, () => ({
        kind: 'array',
        name: '',
        type: each.addTo(builder),
        indexType: s32.addTo(builder),
        length,
      })),
  }
  return type
}

/** Lays out members in the order of their keys (so none may be an integer-like name). */
export function struct<F extends Record<string, CType>>(name: string, members: F): Struct<F> {
  const entries = Object.entries(members as Record<string, CType>)
  const offsets: Record<string, number> = {}
  let end = 0
  let alignBytes = 1
  for (const [key, member] of entries) {
    alignBytes = Math.max(alignBytes, member.alignBytes)
    offsets[key] = roundUp(end, member.alignBytes)
    end = offsets[key] + member.sizeBytes
  }
  const sizeBytes = roundUp(end, alignBytes)

  const read = (dv: DataView, at: number): Record<string, unknown> => {
    const value: Record<string, unknown> = {}
    for (const [key, member] of entries) value[key] = member.read(dv, at + offsets[key]!)
    return value
  }
  const write = (dv: DataView, at: number, value: object, path = name): void => {
    const given = value as Record<string, unknown>
    for (const key of Object.keys(given)) {
      if (members[key] === undefined)
        throw new UserError(`${path}: no member ${key}; there are ${Object.keys(members).join(', ')}`)
    }
    for (const [key, member] of entries) {
      if (given[key] !== undefined) member.write(dv, at + offsets[key]!, given[key], `${path}.${key}`)
    }
  }
  const draft = (builder: BtfBuilder): BtfDraft => ({
    kind: 'struct',
    name,
    size: sizeBytes,
    bitfields: false,
    members: entries.map(([key, member]) => ({
      name: key,
      type: member.addTo(builder),
      bitOffset: offsets[key]! * 8,
      bits: 0,
    })),
  })
  const type = {
    name,
    members,
    offsets,
    sizeBytes,
    alignBytes,
    read,
    write,
    addTo: (builder: BtfBuilder): number => builder.once(type, () => draft(builder)),
    decode(bytes: Uint8Array, at = 0): unknown {
      if (at + sizeBytes > bytes.length) {
        throw new UserError(`struct ${name}: ${bytes.length - at} bytes, it takes ${sizeBytes}`)
      }
      return read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at)
    },
    encode(value: object): Uint8Array {
      const bytes = new Uint8Array(sizeBytes)
      write(new DataView(bytes.buffer), 0, value)
      return bytes
    },
    btf(): { bytes: Uint8Array; typeId: number } {
      const builder = new BtfBuilder()
      const typeId = type.addTo(builder)
      return { bytes: builder.encode(), typeId }
    },
  }
  return type as unknown as Struct<F>
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align
}
