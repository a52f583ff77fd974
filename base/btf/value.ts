// Values of any BTF type as JavaScript values and back: structs are objects (anonymous members are merged into them), unions objects
// with every member, arrays lists, arrays of char text, pointers and 64-bit integers bigints, enums and smaller integers numbers.
// A codec per type is made on first use and kept: a reader pays for the walk through the types once.

import {
  arrayCodec,
  bigCodec,
  boolCodec,
  type Codec,
  checkInteger,
  doubleCodec,
  floatCodec,
  intCodec,
  textCodec,
} from '../codec.ts'
import { UserError } from '../errors.ts'
import type { Btf } from './btf.ts'
import { typeName } from './type-name.ts'
import type { BtfMember, BtfOf } from './types.ts'

/** `{ [member]: value }` of a struct, union or data section. */
export type ValueObject = Record<string, unknown>

export class BtfValues {
  readonly btf: Btf
  readonly #codecs = new Map<number, Codec>()

  constructor(btf: Btf) {
    this.btf = btf
  }

  /** The value of this type in `bytes`, from `at`. Throws UserError when there are too few. */
  decode(id: number, bytes: Uint8Array, at = 0): unknown {
    const codec = this.codec(id)
    if (at + codec.sizeBytes > bytes.length) {
      throw new UserError(`${typeName(this.btf, id)}: ${bytes.length - at} bytes, it takes ${codec.sizeBytes}`)
    }
    return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at)
  }

  /**
   * The bytes of a JavaScript value; struct members that are not given are zero. An enum also takes a value's name. `path` names
   * the value in messages. Throws UserError for what does not fit.
   */
  encode(id: number, value: unknown, path: string = typeName(this.btf, id)): Uint8Array {
    const codec = this.codec(id)
    const bytes = new Uint8Array(codec.sizeBytes)
    codec.write(new DataView(bytes.buffer), 0, value, path)
    return bytes
  }

  /** The codec of a type; throws UserError for one that has no values (void, functions, forward declarations). */
  codec(id: number): Codec {
    let codec = this.#codecs.get(id)
    if (!codec) {
      codec = this.#make(id)
      this.#codecs.set(id, codec)
    }
    return codec
  }

  #make(id: number): Codec {
    const { btf } = this
    const type = btf.resolve(id)
    switch (type.kind) {
      case 'int':
        return numberCodec(type)
      case 'float':
        if (type.size === 4) return floatCodec
        if (type.size === 8) return doubleCodec
        break
      case 'ptr':
        return bigCodec(8, false)
      case 'enum':
      case 'enum64':
        return enumCodec(type)
      case 'array': {
        if (isChar(btf, type.type)) return textOrBytes(type.length)
        return arrayCodec(this.codec(type.type), type.length)
      }
      case 'struct':
      case 'union':
        return this.#aggregate(type)
      case 'var':
        return this.codec(type.type)
      case 'datasec':
        return this.#section(type)
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'decl_tag':
        break
    }
    throw new UserError(`${typeName(btf, id) || type.kind}: a type without values`)
  }

  #aggregate(type: BtfOf<'struct'>): Codec {
    const parts: Part[] = []
    for (const member of type.members) this.#part(member, 0, parts)
    return objectCodec(type.size, parts)
  }

  /** A member's codec; those of an anonymous member are taken over with its offset. */
  #part(member: BtfMember, baseBits: number, parts: Part[]): void {
    const bitOffset = baseBits + member.bitOffset
    const inner = this.btf.resolve(member.type)
    if (member.name === '' && (inner.kind === 'struct' || inner.kind === 'union')) {
      for (const part of inner.members) this.#part(part, bitOffset, parts)
      return
    }
    if (member.name === '') return
    const codec = member.bits > 0 ? bitfieldCodec(inner, bitOffset, member.bits) : this.codec(member.type)
    const at = member.bits > 0 ? 0 : bitOffset / 8
    parts.push({ name: member.name, at, codec })
  }

  #section(type: BtfOf<'datasec'>): Codec {
    const parts = type.vars
      .filter((entry) => this.btf.kind(entry.type) === 'var')
      .map((entry) => ({ name: this.btf.name(entry.type), at: entry.offset, codec: this.codec(entry.type) }))
    return objectCodec(type.size, parts)
  }
}

interface Part {
  readonly name: string
  readonly at: number
  readonly codec: Codec
}

function objectCodec(sizeBytes: number, parts: readonly Part[]): Codec {
  return {
    sizeBytes,
    read(dv, at) {
      const value: ValueObject = {}
      for (const part of parts) value[part.name] = part.codec.read(dv, at + part.at)
      return value
    },
    write(dv, at, value, path = 'value') {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new UserError(`${path}: needs an object with ${namesOf(parts)}`)
      }
      for (const [name, given] of Object.entries(value)) {
        const part = parts.find((candidate) => candidate.name === name)
        if (!part) throw new UserError(`${path}: no member ${name}; there are ${namesOf(parts)}`)
        if (given !== undefined) part.codec.write(dv, at + part.at, given, `${path}.${name}`)
      }
    },
  }
}

const namesOf = (parts: readonly Part[]): string => parts.map((part) => part.name).join(', ')

/** By name, as C has it: compilers differ in whether they flag it as a character. */
export function isChar(btf: Btf, id: number): boolean {
  const type = btf.resolve(id)
  return type.kind === 'int' && type.size === 1 && type.name === 'char'
}

/** Text; `char data[]` at the end of a struct is empty text. */
function textOrBytes(length: number): Codec {
  if (length > 0) return textCodec(length) as Codec
  return { sizeBytes: 0, read: () => '', write: () => {} }
}

function numberCodec(type: BtfOf<'int'>): Codec {
  if (type.bool) return boolCodec as Codec
  if (type.bits !== type.size * 8 || type.bitOffset !== 0)
    return bitfieldCodec(type, type.bitOffset, type.bits, type.size)
  switch (type.size) {
    case 1:
    case 2:
    case 4:
      return intCodec(type.size, type.signed) as Codec
    default:
      return bigCodec(type.size, type.signed) as Codec
  }
}

function enumCodec(type: BtfOf<'enum' | 'enum64'>): Codec {
  const { size } = type
  const plain = (size === 8 ? bigCodec(8, type.signed) : intCodec(size as 1 | 2 | 4, type.signed)) as Codec
  return {
    ...plain,
    write: (dv, at, value, path) =>
      plain.write(dv, at, typeof value === 'string' ? valueNamed(type, value, path) : value, path),
  }
}

function valueNamed(type: BtfOf<'enum' | 'enum64'>, name: string, path = 'value'): number | bigint {
  const entry = type.values.find((candidate) => candidate.name === name)
  if (!entry) throw new UserError(`${path}: enum ${type.name} has no ${name}`)
  return entry.value
}

/** `bits` bits from bit `bitOffset` on; a number up to 32 bits, a bigint above. The bytes around keep their other bits. */
function bitfieldCodec(
  type: { kind: string; signed?: boolean },
  bitOffset: number,
  bits: number,
  sizeBytes = 0,
): Codec {
  const start = Math.floor(bitOffset / 8)
  const shift = BigInt(bitOffset - start * 8)
  const count = Math.ceil((bitOffset - start * 8 + bits) / 8)
  const signed = type.signed === true
  const load = (dv: DataView, at: number): bigint => {
    let raw = 0n
    for (let i = count - 1; i >= 0; i--) raw = (raw << 8n) | BigInt(dv.getUint8(at + start + i))
    return raw
  }
  return {
    sizeBytes,
    read(dv, at) {
      const raw = load(dv, at) >> shift
      const value = signed ? BigInt.asIntN(bits, raw) : BigInt.asUintN(bits, raw)
      return bits > 32 ? value : Number(value)
    },
    write(dv, at, value, path = 'value') {
      const mask = ((1n << BigInt(bits)) - 1n) << shift
      const checked = BigInt.asUintN(bits, checkInteger(value, bits, signed, path))
      let raw = (load(dv, at) & ~mask) | (checked << shift)
      for (let i = 0; i < count; i++, raw >>= 8n) dv.setUint8(at + start + i, Number(raw & 0xffn))
    },
  }
}
