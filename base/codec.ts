// How C values stand in memory and what they are in JavaScript: integers of 32 bits or fewer and floats are numbers, of 64 bits and
// more bigints, bool is boolean, an array of char is a string. Little-endian, as x86-64. Structs and BTF types are built of these.

import { UserError } from './errors.ts'

/** Reads and writes one C type. `write` throws UserError when the value does not fit; `path` names it in the message. */
export interface Codec<T = unknown> {
  readonly sizeBytes: number
  read(dv: DataView, at: number): T
  write(dv: DataView, at: number, value: T, path?: string): void
}

/** An integer of 1, 2 or 4 bytes. */
export function intCodec(sizeBytes: 1 | 2 | 4, signed: boolean): Codec<number> {
  const bits = sizeBytes * 8
  const check = (value: unknown, path: string): number => Number(checkInteger(value, bits, signed, path))
  switch (sizeBytes) {
    case 1:
      return {
        sizeBytes,
        read: signed ? (dv, at) => dv.getInt8(at) : (dv, at) => dv.getUint8(at),
        write: (dv, at, value, path = 'value') => dv.setInt8(at, check(value, path)),
      }
    case 2:
      return {
        sizeBytes,
        read: signed ? (dv, at) => dv.getInt16(at, true) : (dv, at) => dv.getUint16(at, true),
        write: (dv, at, value, path = 'value') => dv.setInt16(at, check(value, path), true),
      }
    case 4:
      return {
        sizeBytes,
        read: signed ? (dv, at) => dv.getInt32(at, true) : (dv, at) => dv.getUint32(at, true),
        write: (dv, at, value, path = 'value') => dv.setInt32(at, check(value, path), true),
      }
  }
}

/** An integer of 8 bytes or a multiple; its words are stored from the lowest. */
export function bigCodec(sizeBytes: number, signed: boolean): Codec<bigint> {
  if (sizeBytes === 8) {
    return {
      sizeBytes,
      read: signed ? (dv, at) => dv.getBigInt64(at, true) : (dv, at) => dv.getBigUint64(at, true),
      write: (dv, at, value, path = 'value') => dv.setBigInt64(at, checkInteger(value, 64, signed, path), true),
    }
  }
  const bits = sizeBytes * 8
  return {
    sizeBytes,
    read(dv, at) {
      let value = 0n
      for (let i = sizeBytes - 8; i >= 0; i -= 8) value = (value << 64n) | dv.getBigUint64(at + i, true)
      return signed ? BigInt.asIntN(bits, value) : value
    },
    write(dv, at, value, path = 'value') {
      const checked = checkInteger(value, bits, signed, path)
      for (let i = 0; i < sizeBytes; i += 8) dv.setBigUint64(at + i, BigInt.asUintN(64, checked >> BigInt(i * 8)), true)
    },
  }
}

export const boolCodec: Codec<boolean> = {
  sizeBytes: 1,
  read: (dv, at) => dv.getUint8(at) !== 0,
  write: (dv, at, value, path = 'value') => dv.setUint8(at, Number(checkInteger(value, 1, false, path))),
}

export const floatCodec: Codec<number> = {
  sizeBytes: 4,
  read: (dv, at) => dv.getFloat32(at, true),
  write: (dv, at, value) => dv.setFloat32(at, value, true),
}

export const doubleCodec: Codec<number> = {
  sizeBytes: 8,
  read: (dv, at) => dv.getFloat64(at, true),
  write: (dv, at, value) => dv.setFloat64(at, value, true),
}

/**
 * An array of char: the text up to the first NUL, UTF-8 where it is valid and Latin-1 where not. Written as UTF-8, the rest zero;
 * text that leaves no room for its NUL is refused.
 */
export function textCodec(sizeBytes: number): Codec<string> {
  return {
    sizeBytes,
    read: (dv, at) => readText(dv, at, sizeBytes),
    write(dv, at, value, path = 'value') {
      if (typeof value !== 'string') throw new UserError(`${path}: ${show(value)} is no text`)
      const bytes = new TextEncoder().encode(value)
      if (bytes.length >= sizeBytes) {
        throw new UserError(`${path}: ${show(value)} has ${bytes.length} bytes, at most ${sizeBytes - 1} fit`)
      }
      for (let i = 0; i < sizeBytes; i++) dv.setUint8(at + i, bytes[i] ?? 0)
    },
  }
}

/** The NUL-terminated text at `at`, at most `max` bytes: UTF-8, or Latin-1 where that is not valid. */
export function readText(dv: DataView, at: number, max: number): string {
  let text = ''
  for (let i = at; i < at + max; i++) {
    const byte = dv.getUint8(i)
    if (byte === 0) return text
    if (byte >= 0x80) return wideText(new Uint8Array(dv.buffer, dv.byteOffset + at, max))
    text += String.fromCharCode(byte)
  }
  return text
}

function wideText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  const used = bytes.slice(0, end < 0 ? bytes.length : end)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(used)
  } catch {
    return String.fromCharCode(...used)
  }
}

export function arrayCodec<T>(each: Codec<T>, length: number): Codec<T[]> {
  return {
    sizeBytes: each.sizeBytes * length,
    read(dv, at) {
      const values: T[] = []
      for (let i = 0; i < length; i++) values.push(each.read(dv, at + i * each.sizeBytes))
      return values
    },
    write(dv, at, value, path = 'value') {
      if (!Array.isArray(value) && !ArrayBuffer.isView(value))
        throw new UserError(`${path}: ${show(value)} is no array`)
      if (value.length > length) throw new UserError(`${path}: ${value.length} elements, at most ${length} fit`)
      for (let i = 0; i < value.length; i++) each.write(dv, at + i * each.sizeBytes, value[i]!, `${path}[${i}]`)
    },
  }
}

/**
 * The value as an integer of this width; a number, bigint or boolean. Values of the other sign that have the same bits are
 * taken too (-1 for 0xffffffff): C programs write both.
 */
export function checkInteger(value: unknown, bits: number, signed: boolean, path: string): bigint {
  const integer = toInteger(value)
  if (integer === undefined) throw new UserError(`${path}: ${show(value)} is no integer`)
  const low = bits === 1 ? 0n : -(1n << BigInt(bits - 1))
  const high = (1n << BigInt(bits)) - 1n
  if (integer < low || integer > high) {
    throw new UserError(`${path}: ${integer} does not fit into ${bits} bits${signed ? ' (signed)' : ''}`)
  }
  return signed ? BigInt.asIntN(bits, integer) : BigInt.asUintN(bits, integer)
}

function toInteger(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'boolean') return value ? 1n : 0n
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
