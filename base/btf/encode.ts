// BTF from values: a BtfBuilder takes types in the order of their ids and writes the blob. It does not deduplicate types;
// equal strings are stored once. The inverse of decode.ts for all kinds.

import { InternalError } from '../errors.ts'
import { Btf } from './btf.ts'
import { assembleBtf, BTF_MAX_VLEN, FUNC_LINKAGE, INT_BOOL, INT_CHAR, INT_SIGNED, KINDS } from './format.ts'
import type { BtfDraft, BtfDraftOf, BtfKind } from './types.ts'

/** What a kind writes: kflag and vlen of the info word, the third word, and the words behind the record. */
interface Words {
  kflag?: boolean
  vlen?: number
  word: number
  tail?: number[]
}

/** Writes one kind; `name` stores a string and gives its offset. */
type Encoder<K extends BtfKind> = (type: BtfDraftOf<K>, name: (text: string) => number) => Words

const reference = ({ type }: { type: number }): Words => ({ word: type })

const aggregate = ({ bitfields, members, size }: BtfDraftOf<'struct'>, name: (text: string) => number): Words => ({
  kflag: bitfields,
  vlen: members.length,
  word: size,
  tail: members.flatMap((member) => [
    name(member.name),
    member.type,
    bitfields ? (member.bits << 24) | member.bitOffset : member.bitOffset,
  ]),
})

const ENCODERS: { readonly [K in Exclude<BtfKind, 'void'>]: Encoder<K> } = {
  int: ({ size, signed, char, bool, bitOffset, bits }) => {
    const encoding = (signed ? INT_SIGNED : 0) | (char ? INT_CHAR : 0) | (bool ? INT_BOOL : 0)
    return { word: size, tail: [(encoding << 24) | (bitOffset << 16) | bits] }
  },
  ptr: reference,
  array: ({ type, indexType, length }) => ({ word: 0, tail: [type, indexType, length] }),
  struct: aggregate,
  union: aggregate,
  enum: ({ size, signed, values }, name) => ({
    kflag: signed,
    vlen: values.length,
    word: size,
    tail: values.flatMap((entry) => [name(entry.name), entry.value]),
  }),
  enum64: ({ size, signed, values }, name) => ({
    kflag: signed,
    vlen: values.length,
    word: size,
    tail: values.flatMap((entry) => [
      name(entry.name),
      Number(BigInt.asUintN(32, entry.value)),
      Number(BigInt.asUintN(32, entry.value >> 32n)),
    ]),
  }),
  fwd: ({ union }) => ({ kflag: union, word: 0 }),
  typedef: reference,
  volatile: reference,
  const: reference,
  restrict: reference,
  func: ({ type, linkage }) => ({ vlen: FUNC_LINKAGE.indexOf(linkage), word: type }),
  func_proto: ({ returnType, params }, name) => ({
    vlen: params.length,
    word: returnType,
    tail: params.flatMap((param) => [name(param.name), param.type]),
  }),
  var: ({ type, linkage }) => ({ word: type, tail: [FUNC_LINKAGE.indexOf(linkage)] }),
  datasec: ({ size, vars }) => ({
    vlen: vars.length,
    word: size,
    tail: vars.flatMap((entry) => [entry.type, entry.offset, entry.size]),
  }),
  float: ({ size }) => ({ word: size }),
  decl_tag: ({ type, componentIndex, attribute }) => ({ kflag: attribute, word: type, tail: [componentIndex] }),
  type_tag: ({ type, attribute }) => ({ kflag: attribute, word: type }),
}

export class BtfBuilder {
  readonly base: Btf | undefined
  readonly #words: number[] = []
  readonly #strings: Uint8Array[] = []
  readonly #offsets = new Map<string, number>([['', 0]])
  readonly #once = new Map<object, number>()
  #stringEnd: number
  #count: number

  /** With a `base`, ids and strings go on where it ends (split BTF). */
  constructor(base?: Btf) {
    this.base = base
    this.#count = base?.count ?? 1
    this.#stringEnd = base?.stringBytes ?? 0
    if (!base) this.#append(new Uint8Array([0]))
  }

  /** The id that the next type added gets: types may refer to ids that come later. */
  get nextId(): number {
    return this.#count
  }

  /** Appends a type and returns its id. */
  add(type: BtfDraft): number {
    if (type.kind === 'void') throw new InternalError('void has no BTF record, its id is 0')
    const name = this.string(type.name)
    const encode = ENCODERS[type.kind] as Encoder<BtfKind>
    const { kflag = false, vlen = 0, word, tail = [] } = encode(type, (text) => this.string(text))
    if (vlen > BTF_MAX_VLEN) throw new InternalError(`${type.kind} ${type.name} with ${vlen} parts`)
    const info = (kflag ? 0x80000000 : 0) | (KINDS[type.kind].code << 24) | vlen
    this.#words.push(name, info, word, ...tail)
    return this.#count++
  }

  /** Adds what `make` gives on the first call with this key; the id of that type on all later ones. */
  once(key: object, make: () => BtfDraft): number {
    let id = this.#once.get(key)
    if (id === undefined) {
      id = this.add(make())
      this.#once.set(key, id)
    }
    return id
  }

  /** Offset of `text` in the string section, stored on first use. */
  string(text: string): number {
    let offset = this.#offsets.get(text)
    if (offset === undefined) {
      offset = this.#stringEnd
      this.#offsets.set(text, offset)
      this.#append(new TextEncoder().encode(text + '\0'))
    }
    return offset
  }

  /**
   * Appends all of another blob's own types (a module's onto its kernel's, one object's onto another's) and returns how ids map.
   * Ids below `other.first` belong to its base and are kept, so the builder must stand on the same base or hold it already.
   */
  append(other: Btf): (id: number) => number {
    const shift = this.#count - other.first
    const map = (id: number): number => (id < other.first ? id : id + shift)
    for (const type of other.types()) this.add(mapTypeIds(type, map))
    return map
  }

  encode(): Uint8Array {
    const types = new Uint8Array(this.#words.length * 4)
    const dv = new DataView(types.buffer)
    for (let i = 0; i < this.#words.length; i++) dv.setUint32(4 * i, this.#words[i]!, true)
    const strings = new Uint8Array(this.#strings.reduce((sum, text) => sum + text.length, 0))
    let at = 0
    for (const text of this.#strings) {
      strings.set(text, at)
      at += text.length
    }
    return assembleBtf(types, strings)
  }

  /** The blob, parsed again: what was built is checked as a file would be. */
  build(): Btf {
    return Btf.parse(this.encode(), this.base)
  }

  #append(text: Uint8Array): void {
    this.#strings.push(text)
    this.#stringEnd += text.length
  }
}

/** The same type with every type id it holds replaced. */
export function mapTypeIds(type: BtfDraft, map: (id: number) => number): BtfDraft {
  switch (type.kind) {
    case 'ptr':
    case 'typedef':
    case 'volatile':
    case 'const':
    case 'restrict':
    case 'func':
    case 'var':
    case 'decl_tag':
    case 'type_tag':
      return { ...type, type: map(type.type) }
    case 'array':
      return { ...type, type: map(type.type), indexType: map(type.indexType) }
    case 'struct':
    case 'union':
      return { ...type, members: type.members.map((member) => ({ ...member, type: map(member.type) })) }
    case 'func_proto':
      return {
        ...type,
        returnType: map(type.returnType),
        params: type.params.map((param) => ({ ...param, type: map(param.type) })),
      }
    case 'datasec':
      return { ...type, vars: type.vars.map((entry) => ({ ...entry, type: map(entry.type) })) }
    case 'void':
    case 'int':
    case 'enum':
    case 'enum64':
    case 'fwd':
    case 'float':
      return type
  }
}
