// Values of C types as JavaScript values, through BTF. Integers and enums of 32 bits or fewer are number, of 64 and 128 bits and
// pointers bigint; bool is boolean; arrays of char are strings (to their NUL, UTF-8); structs and unions are objects, with the
// members of anonymous ones among their own; other arrays are arrays.
//
// A type's reader is built once and then reads any number of records: nothing is looked up per record.

import type { Btf } from '../base/btf/btf.ts'
import type { BtfOf, BtfType } from '../base/btf/types.ts'
import { InternalError, UserError } from '../base/errors.ts'

/** Reads the value at `at`; bytes from `end` on are not there: scalars read 0, arrays end early, as in a record cut short. */
type Read = (view: DataView, at: number, end: number) => unknown

/** Bytes to value. */
export type ValueReader = (bytes: Uint8Array) => unknown

/** Reader of values of the type. Types that have no values (functions, void) throw InternalError. */
export function valueReader(btf: Btf, id: number): ValueReader {
  const read = readerOf(btf, id)
  return (bytes) => read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length)
}

export const decodeValue = (btf: Btf, id: number, bytes: Uint8Array): unknown => valueReader(btf, id)(bytes)

function readerOf(btf: Btf, id: number): Read {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'int':
      return intReader(type)
    case 'enum':
      return sizedReader(type.size, type.signed)
    case 'enum64':
      return sizedReader(8, type.signed)
    case 'ptr':
      return sizedReader(8, false)
    case 'float':
      return floatReader(type.size)
    case 'array':
      return arrayReader(btf, type)
    case 'struct':
    case 'union':
      return structReader(btf, type)
    case 'datasec':
      return datasecReader(btf, type)
    case 'var':
      return readerOf(btf, type.type)
    case 'fwd':
      return () => undefined
    case 'void':
    case 'func':
    case 'func_proto':
    case 'decl_tag':
      throw new InternalError(`BTF type ${id} (${type.kind}) has no values`)
  }
}

function intReader(type: BtfOf<'int'>): Read {
  const read = sizedReader(type.size, type.signed)
  if (type.bool) return (view, at, end) => Number(read(view, at, end)) !== 0
  if (type.bits === type.size * 8 && type.bitOffset === 0) return read
  return bitsReader(type.bitOffset, type.bits, type.size, type.signed)
}

function sizedReader(size: number, signed: boolean): Read {
  const guard =
    (read: (view: DataView, at: number) => unknown, none: unknown): Read =>
    (view, at, end) =>
      at + size <= end ? read(view, at) : none
  switch (size) {
    case 1:
      return guard(signed ? (view, at) => view.getInt8(at) : (view, at) => view.getUint8(at), 0)
    case 2:
      return guard(signed ? (view, at) => view.getInt16(at, true) : (view, at) => view.getUint16(at, true), 0)
    case 4:
      return guard(signed ? (view, at) => view.getInt32(at, true) : (view, at) => view.getUint32(at, true), 0)
    case 8:
      return guard(signed ? (view, at) => view.getBigInt64(at, true) : (view, at) => view.getBigUint64(at, true), 0n)
    case 16: {
      const wrap = signed ? BigInt.asIntN : BigInt.asUintN
      return guard((view, at) => wrap(128, (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true)), 0n)
    }
    default:
      throw new InternalError(`integer of ${size} bytes`)
  }
}

function floatReader(size: number): Read {
  if (size === 4) return (view, at, end) => (at + 4 <= end ? view.getFloat32(at, true) : 0)
  if (size === 8) return (view, at, end) => (at + 8 <= end ? view.getFloat64(at, true) : 0)
  return () => undefined
}

/** `bits` bits from `bitOffset` on, in a field declared with a type of `typeSize` bytes. */
function bitsReader(bitOffset: number, bits: number, typeSize: number, signed: boolean): Read {
  const first = Math.floor(bitOffset / 8)
  const last = Math.floor((bitOffset + bits - 1) / 8)
  const shift = BigInt(bitOffset % 8)
  return (view, at, end) => {
    let word = 0n
    for (let i = last; i >= first; i--) word = (word << 8n) | BigInt(at + i < end ? view.getUint8(at + i) : 0)
    const value = (signed ? BigInt.asIntN : BigInt.asUintN)(bits, word >> shift)
    return typeSize <= 4 ? Number(value) : value
  }
}

/** True for the integer type that strings are made of. */
export const isChar = (type: BtfType): boolean =>
  type.kind === 'int' && type.size === 1 && (type.char || type.name === 'char')

function arrayReader(btf: Btf, type: BtfOf<'array'>): Read {
  const element = btf.resolve(type.type)
  const size = btf.sizeOf(type.type)
  if (isChar(element)) {
    const { length } = type
    return (view, at, end) => {
      const stop = length > 0 ? Math.min(end, at + length) : end
      return text(view, at, stop)
    }
  }
  const read = readerOf(btf, type.type)
  return (view, at, end) => {
    const there = size > 0 ? Math.max(0, Math.floor((end - at) / size)) : 0
    const length = type.length > 0 ? Math.min(type.length, there) : there
    return Array.from({ length }, (_, i) => read(view, at + i * size, end))
  }
}

const decoder = new TextDecoder()

function text(view: DataView, at: number, stop: number): string {
  let ascii = ''
  for (let i = at; i < stop; i++) {
    const byte = view.getUint8(i)
    if (byte === 0) return ascii
    if (byte >= 0x80) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, stop - at)
      const nul = bytes.indexOf(0)
      return decoder.decode(nul < 0 ? bytes : bytes.subarray(0, nul))
    }
    ascii += String.fromCharCode(byte)
  }
  return ascii
}

interface MemberReader {
  /** '' for an anonymous struct or union, whose members join the parent's. */
  readonly name: string
  readonly at: number
  readonly read: Read
}

function structReader(btf: Btf, type: BtfOf<'struct' | 'union'>): Read {
  const members: MemberReader[] = type.members.map((member) => {
    const target = btf.resolve(member.type)
    if (member.bits > 0) {
      const signed = (target.kind === 'int' || target.kind === 'enum') && target.signed
      const read = bitsReader(member.bitOffset, member.bits, btf.sizeOf(member.type), signed)
      const bool = target.kind === 'int' && target.bool
      return { name: member.name, at: 0, read: bool ? (view, at, end) => Number(read(view, at, end)) !== 0 : read }
    }
    return { name: member.name, at: member.bitOffset / 8, read: readerOf(btf, member.type) }
  })
  return (view, at, end) => {
    const value: Record<string, unknown> = {}
    for (const member of members) {
      const part = member.read(view, at + member.at, end)
      if (member.name !== '') value[member.name] = part
      else if (typeof part === 'object') Object.assign(value, part)
    }
    return value
  }
}

function datasecReader(btf: Btf, type: BtfOf<'datasec'>): Read {
  const members = type.vars.map((entry) => ({
    name: btf.type(entry.type).name,
    at: entry.offset,
    read: readerOf(btf, entry.type),
  }))
  return (view, at, end) =>
    Object.fromEntries(members.map((member) => [member.name, member.read(view, at + member.at, end)]))
}

/** Writes `value` over `bytes`, which is one value of the type. UserError, naming `what`, where it does not fit. */
export function encodeValue(btf: Btf, id: number, bytes: Uint8Array, value: unknown, what: string): void {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'int':
      if (type.bool && typeof value === 'boolean') bytes[0] = value ? 1 : 0
      else writeInt(bytes, integer(value, what), type.signed, what)
      return
    case 'enum':
    case 'enum64':
      writeInt(bytes, enumValue(type, value, what), type.signed, what)
      return
    case 'ptr':
      writeInt(bytes, integer(value, what), false, what)
      return
    case 'float': {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      if (typeof value !== 'number') throw new UserError(`${what}: expected a number, got ${show(value)}`)
      if (type.size === 4) view.setFloat32(0, value, true)
      else view.setFloat64(0, value, true)
      return
    }
    case 'array':
      writeArray(btf, type, bytes, value, what)
      return
    case 'struct':
    case 'union':
      writeStruct(btf, type, bytes, value, what)
      return
    case 'var':
      encodeValue(btf, type.type, bytes, value, what)
      return
    default:
      throw new UserError(`${what}: a ${type.kind} cannot be set`)
  }
}

function writeArray(btf: Btf, type: BtfOf<'array'>, bytes: Uint8Array, value: unknown, what: string): void {
  if (typeof value === 'string' && isChar(btf.resolve(type.type))) {
    const encoded = new TextEncoder().encode(value)
    if (encoded.length >= bytes.length) {
      throw new UserError(
        `${what}: ${encoded.length} bytes of text in char[${bytes.length}]; it needs room for its NUL`,
      )
    }
    bytes.fill(0)
    bytes.set(encoded)
    return
  }
  const values = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : undefined
  if (!values) throw new UserError(`${what}: expected an array, got ${show(value)}`)
  const size = btf.sizeOf(type.type)
  if (values.length * size > bytes.length)
    throw new UserError(`${what}: ${values.length} values for ${type.length} elements`)
  values.forEach((each, i) => {
    encodeValue(btf, type.type, bytes.subarray(i * size, (i + 1) * size), each, `${what}[${i}]`)
  })
}

/** Members that are not named keep what they hold. */
function writeStruct(btf: Btf, type: BtfOf<'struct' | 'union'>, bytes: Uint8Array, value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null)
    throw new UserError(`${what}: expected an object, got ${show(value)}`)
  for (const [name, each] of Object.entries(value)) {
    const member = findMember(btf, type, name)
    if (!member) throw new UserError(`${what}: struct ${type.name} has no member '${name}'`)
    if (member.bits > 0) {
      writeBits(bytes, member.bitOffset, member.bits, typeof each === 'boolean' ? BigInt(each) : integer(each, what))
      continue
    }
    const at = member.bitOffset / 8
    encodeValue(btf, member.type, bytes.subarray(at, at + btf.sizeOf(member.type)), each, `${what}.${name}`)
  }
}

interface FoundMember {
  readonly type: number
  readonly bitOffset: number
  readonly bits: number
}

function findMember(btf: Btf, type: BtfOf<'struct' | 'union'>, name: string): FoundMember | undefined {
  for (const member of type.members) {
    if (member.name === name) return member
    const inner = member.name === '' ? btf.resolve(member.type) : undefined
    if (inner?.kind !== 'struct' && inner?.kind !== 'union') continue
    const found = findMember(btf, inner, name)
    if (found) return { ...found, bitOffset: found.bitOffset + member.bitOffset }
  }
  return undefined
}

function writeBits(bytes: Uint8Array, bitOffset: number, bits: number, value: bigint): void {
  for (let i = 0; i < bits; i++) {
    const at = (bitOffset + i) >> 3
    const mask = 1 << ((bitOffset + i) & 7)
    if ((value >> BigInt(i)) & 1n) bytes[at]! |= mask
    else bytes[at]! &= ~mask
  }
}

function writeInt(bytes: Uint8Array, value: bigint, signed: boolean, what: string): void {
  const bits = bytes.length * 8
  // Either reading of the bits is accepted: -1 and 0xffffffff are one u32.
  if (value < -(1n << BigInt(bits - 1)) || value >= 1n << BigInt(bits)) {
    throw new UserError(`${what}: ${value} does not fit in ${signed ? 's' : 'u'}${bits}`)
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn)
}

function integer(value: unknown, what: string): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  throw new UserError(`${what}: expected an integer, got ${show(value)}`)
}

function enumValue(type: BtfOf<'enum'> | BtfOf<'enum64'>, value: unknown, what: string): bigint {
  if (typeof value !== 'string') return integer(value, what)
  const found = type.values.find(({ name }) => name === value)
  if (!found) throw new UserError(`${what}: enum ${type.name} has no value '${value}'`)
  return BigInt(found.value)
}

const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value))
