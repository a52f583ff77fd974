// One BTF blob: types decoded on demand, found by name, measured. A module's (split) BTF continues the ids and strings of its base.
// The blob is validated once, in parse(); a decoded type is cached and must not be changed. Build new ones with BtfBuilder.

import { InternalError, UserError } from '../errors.ts'
import { decodeType } from './decode.ts'
import { KIND_NAMES, KINDS, kindCodeOf } from './format.ts'
import { NameIndex } from './names.ts'
import { checkNesting } from './nesting.ts'
import type { BtfKind, BtfOf, BtfType } from './types.ts'
import { checkRecords, indexRecords, readHeader } from './validate.ts'

/** Kinds that only qualify or rename another type. */
export type BtfModifier = 'typedef' | 'const' | 'volatile' | 'restrict' | 'type_tag'

const VOID: BtfOf<'void'> = { kind: 'void', id: 0, name: '' }
const POINTER_BYTES = 8

export class Btf {
  readonly base: Btf | undefined
  /** Id of the first type that is this blob's own: 1, or the base's count. */
  readonly first: number
  /** Type ids are below this, those of the base included. */
  readonly count: number
  /** Bytes of the string section, that of the base included: name offsets are below this. */
  readonly stringBytes: number

  readonly #blob: Uint8Array
  readonly #dv: DataView
  readonly #offsets: Uint32Array
  readonly #strings: Uint8Array
  /** Offset of the first own string: the base's stringBytes. */
  readonly #firstString: number
  readonly #types: BtfType[] = []
  /** The string section, a character per byte. */
  #text: string | undefined
  readonly #marked = new Map<string, readonly string[]>()
  #names: NameIndex | undefined

  private constructor(bytes: Uint8Array, base: Btf | undefined, where: string, trusted: boolean) {
    this.base = base
    this.#blob = bytes
    this.#dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const sections = readHeader(this.#dv, where)
    this.first = base?.count ?? 1
    this.#firstString = base?.stringBytes ?? 0
    this.#offsets = indexRecords(this.#dv, sections, this.first, where)
    this.#strings = bytes.subarray(sections.stringsAt, sections.stringsEnd)
    this.count = this.first + this.#offsets.length
    this.stringBytes = this.#firstString + this.#strings.length
    const { stringsAt, stringsEnd } = sections
    if (this.#strings.length > 0 && this.#strings[this.#strings.length - 1] !== 0) {
      throw new UserError(`${where}: damaged BTF: the string section does not end with NUL at byte ${stringsEnd - 1}`)
    }
    if (!base && this.#strings[0] !== 0) {
      throw new UserError(`${where}: damaged BTF: the string section at byte ${stringsAt} does not begin with NUL`)
    }
    if (trusted) return
    const records = {
      dv: this.#dv,
      offsets: this.#offsets,
      firstId: this.first,
      stringBytes: this.stringBytes,
      kindOf: (id: number): number => this.#kindCode(id),
      where,
    }
    checkRecords(records)
    checkNesting(records)
  }

  /**
   * Throws UserError when the blob is damaged, naming the place in `where` (a file's name). The bytes are kept, not copied.
   * Split BTF needs the `base` it was made for.
   */
  static parse(bytes: Uint8Array, base?: Btf, where = 'BTF'): Btf {
    return new Btf(bytes, base, where, false)
  }

  /** Parses bytes that bpfsim wrote itself from valid BTF: only header and sections are checked. */
  static parseTrusted(bytes: Uint8Array): Btf {
    return new Btf(bytes, undefined, 'BTF', true)
  }

  /** The type with this id; throws InternalError past the end (check ids from outside against `count`). */
  type(id: number): BtfType {
    if (id === 0) return VOID
    if (id < this.first) return this.base!.type(id)
    const index = id - this.first
    const at = this.#offsets[index]
    if (at === undefined) throw new InternalError(`BTF type ${id} of ${this.count}`)
    return (this.#types[index] ??= decodeType(
      { dv: this.#dv, at, id, name: (offset) => this.string(offset) },
      KIND_NAMES[kindCodeOf(this.#dv.getUint32(at + 4, true))]!,
    ))
  }

  /** The kind of a type, without decoding it. */
  kind(id: number): BtfKind {
    return KIND_NAMES[this.#kindCode(id)]!
  }

  /** The name of a type, without decoding it. */
  name(id: number): string {
    if (id === 0) return ''
    if (id < this.first) return this.base!.name(id)
    return this.string(this.#dv.getUint32(this.#offsets[id - this.first]!, true))
  }

  /** This blob's own types in the order of their ids. */
  *types(): Generator<BtfType> {
    for (let id = this.first; id < this.count; id++) yield this.type(id)
  }

  /** Id of the first type of this name and kind (any kind if none is given), 0 if there is none. */
  find(name: string, ...kinds: BtfKind[]): number {
    const inBase = this.base?.find(name, ...kinds) ?? 0
    if (inBase !== 0 || name === '') return inBase
    const names = this.#index()
    for (let i = names.first(name); i >= 0; i = names.next(i)) {
      const id = this.first + i
      if (kinds.length === 0 || kinds.includes(this.kind(id))) return id
    }
    return 0
  }

  /** Every id of this name, for flavours and duplicates. */
  findAll(name: string): readonly number[] {
    const ids = this.base ? [...this.base.findAll(name)] : []
    if (name === '') return ids
    const names = this.#index()
    for (let i = names.first(name); i >= 0; i = names.next(i)) ids.push(this.first + i)
    return ids
  }

  /** The strings that contain `part`, without decoding types: for marks that are rare, as the `___` of CO-RE flavours. */
  namesWith(part: string): readonly string[] {
    let found = this.#marked.get(part)
    if (!found)
      this.#marked.set(
        part,
        (found = [...(this.base?.namesWith(part) ?? []), ...this.#scan(new TextEncoder().encode(part))]),
      )
    return found
  }

  /** Through typedef, const, volatile, restrict and type_tag to the type itself. */
  resolve(id: number): Exclude<BtfType, { kind: BtfModifier }> {
    for (let type = this.type(id); ; type = this.type(type.type)) {
      switch (type.kind) {
        case 'typedef':
        case 'const':
        case 'volatile':
        case 'restrict':
        case 'type_tag':
          continue
        default:
          return type
      }
    }
  }

  /** Bytes a value of this type takes; -1 for void, forward declarations and functions. */
  sizeOf(id: number): number {
    const type = this.resolve(id)
    switch (type.kind) {
      case 'int':
      case 'float':
      case 'struct':
      case 'union':
      case 'enum':
      case 'enum64':
      case 'datasec':
        return type.size
      case 'ptr':
        return POINTER_BYTES
      case 'array': {
        const each = this.sizeOf(type.type)
        return each < 0 ? -1 : each * type.length
      }
      case 'var':
        return this.sizeOf(type.type)
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'decl_tag':
        return -1
    }
  }

  /** The string at an offset of the string section (line information and CO-RE records refer to strings so). */
  string(offset: number): string {
    if (offset < this.#firstString) return this.base!.string(offset)
    if (offset >= this.stringBytes) throw new InternalError(`BTF string ${offset} of ${this.stringBytes}`)
    return this.#ownString(offset - this.#firstString)
  }

  /** The whole blob as Linux has it in /sys/kernel/btf (without the base's part). */
  encode(): Uint8Array {
    return this.#blob.slice()
  }

  /** Slices of one text: making a string of each name byte by byte took a third of a boot. */
  #ownString(start: number): string {
    const text = (this.#text ??= new TextDecoder('latin1').decode(this.#strings))
    const end = text.indexOf('\0', start)
    const found = text.slice(start, end)
    return WIDE.test(found) ? new TextDecoder().decode(this.#strings.subarray(start, end)) : found
  }

  *#scan(part: Uint8Array): Generator<string> {
    const bytes = this.#strings
    const first = part[0]!
    for (let at = 0; at + part.length <= bytes.length; at++) {
      if (bytes[at] !== first) continue
      let length = 1
      while (length < part.length && bytes[at + length] === part[length]) length++
      if (length < part.length) continue
      yield this.#ownString(bytes.lastIndexOf(0, at) + 1)
      at = bytes.indexOf(0, at)
    }
  }

  #kindCode(id: number): number {
    if (id === 0) return KINDS.void.code
    if (id < this.first) return this.base!.#kindCode(id)
    return kindCodeOf(this.#dv.getUint32(this.#offsets[id - this.first]! + 4, true))
  }

  /** Own records by name. A split blob may use names of its base: those are few and are indexed from a copy of their own. */
  #index(): NameIndex {
    if (this.#names) return this.#names
    const starts = new Uint32Array(this.#offsets.length)
    for (let i = 0; i < starts.length; i++) starts[i] = this.#dv.getUint32(this.#offsets[i]!, true)
    if (this.#firstString === 0) return (this.#names = new NameIndex(this.#strings, starts))
    const borrowed: number[] = []
    for (let i = 0; i < starts.length; i++) {
      const start = starts[i]!
      if (start >= this.#firstString) starts[i] = 1 + start - this.#firstString
      else if (start > 0) {
        starts[i] = 1 + this.#strings.length + borrowed.length
        borrowed.push(...new TextEncoder().encode(this.string(start)), 0)
      }
    }
    const bytes = new Uint8Array(1 + this.#strings.length + borrowed.length)
    bytes.set(this.#strings, 1)
    bytes.set(borrowed, 1 + this.#strings.length)
    return (this.#names = new NameIndex(bytes, starts))
  }
}

/** Section names and identifiers are ASCII but for exotic ones. */
const WIDE = /[^\0-\x7f]/
