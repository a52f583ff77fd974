// Map definitions in an object: BTF-defined ones of the section .maps, and the older struct bpf_map_def of the section maps, which
// libbpf dropped in 1.0 and bpfsim still reads.

import type { Btf } from '../../base/btf/btf.ts'
import type { BtfMember, BtfOf, BtfType } from '../../base/btf/types.ts'
import { UserError } from '../../base/errors.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { viewOf } from './elf.ts'
import type { MapSpec } from './spec.ts'

const PAGE_BYTES = 4096
const KERNEL_NAME_CHARS = 15
const LIBBPF_PIN_BY_NAME = 1

type MutableMapSpec = { -readonly [K in keyof MapSpec]: MapSpec[K] }

export const emptyMapSpec = (name: string, kernelName: string = name.slice(0, KERNEL_NAME_CHARS)): MutableMapSpec => ({
  name,
  kernelName,
  type: MAP_TYPE.unspec,
  keySize: 0,
  valueSize: 0,
  maxEntries: 0,
  flags: 0,
  numaNode: 0,
  extra: 0n,
  pinned: false,
  keyType: 0,
  valueType: 0,
  inner: undefined,
  slots: [],
  data: undefined,
  autocreate: true,
})

/** Ring buffers need a power of two of pages: a size in between is rounded up, as libbpf does. 0 stays 0, for Linux to refuse. */
export function ringBufferBytes(size: number): number {
  if (size === 0) return 0
  let bytes = PAGE_BYTES
  while (bytes < size) bytes *= 2
  return bytes < 0x1_0000_0000 ? bytes : size
}

const isRing = (type: number): boolean => type === MAP_TYPE.ringbuf || type === MAP_TYPE.user_ringbuf
export const isMapOfMaps = (type: number): boolean => type === MAP_TYPE.array_of_maps || type === MAP_TYPE.hash_of_maps

/** One map of section .maps, from the struct type of its variable. Throws UserError naming the file, the map and what is wrong. */
export function mapFromBtf(name: string, definition: BtfOf<'struct'>, btf: Btf, where: string): MapSpec {
  return new DefinitionReader(btf, emptyMapSpec(name), false, where).read(definition)
}

type Attribute = (reader: DefinitionReader, member: BtfMember) => void

/** What each member of a map definition says. */
const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  type: (reader, member) => {
    reader.map.type = reader.int(member)
  },
  max_entries: (reader, member) => {
    reader.map.maxEntries = reader.int(member)
  },
  map_flags: (reader, member) => {
    reader.map.flags = reader.int(member)
  },
  numa_node: (reader, member) => {
    reader.map.numaNode = reader.int(member)
  },
  map_extra: (reader, member) => {
    reader.map.extra = reader.long(member)
  },
  key_size: (reader, member) => reader.setSize('key', reader.int(member)),
  value_size: (reader, member) => reader.setSize('value', reader.int(member)),
  key: (reader, member) => {
    reader.map.keyType = reader.typed('key', member)
  },
  value: (reader, member) => {
    reader.map.valueType = reader.typed('value', member)
  },
  pinning: (reader, member) => reader.pinning(member),
  values: (reader, member) => reader.values(member),
}

class DefinitionReader {
  readonly map: MutableMapSpec
  readonly #btf: Btf
  readonly #isInner: boolean
  readonly #where: string
  #last: BtfMember | undefined

  constructor(btf: Btf, map: MutableMapSpec, isInner: boolean, where: string) {
    this.#btf = btf
    this.map = map
    this.#isInner = isInner
    this.#where = where
  }

  read(definition: BtfOf<'struct'>): MapSpec {
    this.#last = definition.members.at(-1)
    for (const member of definition.members) {
      const attribute = Object.hasOwn(ATTRIBUTES, member.name) ? ATTRIBUTES[member.name] : undefined
      if (!attribute) this.fail(`unknown field '${member.name}'.`)
      else attribute(this, member)
    }
    if (this.map.type === MAP_TYPE.unspec) this.fail("map type isn't specified.")
    if (isRing(this.map.type)) this.map.maxEntries = ringBufferBytes(this.map.maxEntries)
    return this.map
  }

  fail(what: string): never {
    throw new UserError(`${this.#where}: map '${this.map.name}': ${what}`)
  }

  /** `int (*name)[N]`, as __uint() writes it: the number is the array's length. */
  int({ name, type }: BtfMember): number {
    const pointer = this.#btf.resolve(type)
    if (pointer.kind !== 'ptr') return this.fail(`attr '${name}': expected PTR, got ${pointer.kind}; write __uint()`)
    const array = this.#btf.resolve(pointer.type)
    if (array.kind !== 'array') return this.fail(`attr '${name}': expected ARRAY, got ${array.kind}; write __uint()`)
    return array.length
  }

  /** As __ulong() writes it: a pointer to an enum of one value; __uint() will do too. */
  long(member: BtfMember): bigint {
    const pointer = this.#btf.resolve(member.type)
    const target = pointer.kind === 'ptr' ? this.#btf.resolve(pointer.type) : pointer
    if (target.kind === 'array') return BigInt(this.int(member))
    const values = target.kind === 'enum' || target.kind === 'enum64' ? target.values : []
    if (values.length !== 1) return this.fail(`attr '${member.name}': invalid __ulong`)
    return BigInt.asUintN(64, BigInt(values[0]!.value))
  }

  /** The type id behind `T *key`, its size taken over. */
  typed(what: 'key' | 'value', { type }: BtfMember): number {
    const pointer = this.#btf.type(type)
    if (pointer.kind !== 'ptr') return this.fail(`${what} spec is not PTR: ${pointer.kind}; write __type(${what}, ...)`)
    const size = this.#btf.sizeOf(pointer.type)
    if (size < 0) this.fail(`can't determine ${what} size for type [${pointer.type}]`)
    this.setSize(what, size)
    return pointer.type
  }

  setSize(what: 'key' | 'value', size: number): void {
    const field = what === 'key' ? 'keySize' : 'valueSize'
    const before = this.map[field]
    if (before !== 0 && before !== size) this.fail(`conflicting ${what} size ${before} != ${size}.`)
    this.map[field] = size
  }

  pinning(member: BtfMember): void {
    if (this.#isInner) this.fail("inner def can't be pinned.")
    const value = this.int(member)
    if (value > LIBBPF_PIN_BY_NAME) this.fail(`invalid pinning value ${value}.`)
    this.map.pinned = value === LIBBPF_PIN_BY_NAME
  }

  /** `T *values[]`: the inner map's definition, or the programs' prototype. */
  values(member: BtfMember): void {
    if (this.#isInner) this.fail('multi-level inner maps not supported.')
    if (member !== this.#last) this.fail(`'${member.name}' member should be last.`)
    const ofPrograms = this.map.type === MAP_TYPE.prog_array
    if (!isMapOfMaps(this.map.type) && !ofPrograms) this.fail('should be map-in-map or prog-array.')
    const what = ofPrograms ? 'prog-array value' : 'map-in-map inner'
    this.setSize('value', 4)
    const target = this.#elementOf(member, what)
    if (target.kind !== (ofPrograms ? 'func_proto' : 'struct')) {
      this.fail(`${what} def is of unexpected kind ${target.kind}.`)
    }
    if (target.kind !== 'struct') return
    const inner = emptyMapSpec(`${this.map.name}.inner`)
    this.map.inner = new DefinitionReader(this.#btf, inner, true, this.#where).read(target as BtfOf<'struct'>)
  }

  /** What the pointers of a zero-sized array point to. */
  #elementOf(member: BtfMember, what: string): BtfType {
    const array = this.#btf.resolve(member.type)
    if (array.kind !== 'array' || array.length > 0) return this.fail(`${what} spec is not a zero-sized array.`)
    const pointer = this.#btf.resolve(array.type)
    if (pointer.kind !== 'ptr') return this.fail(`${what} def is of unexpected kind ${pointer.kind}.`)
    return this.#btf.resolve(pointer.type)
  }
}

/** One struct bpf_map_def: type, key_size, value_size, max_entries, map_flags, each u32; shorter ones end early. */
export function mapFromLegacy(name: string, bytes: Uint8Array, where: string): MapSpec {
  if (bytes.length < 16) {
    throw new UserError(
      `${where}: map '${name}': struct bpf_map_def of ${bytes.length} bytes; define it in SEC(".maps")`,
    )
  }
  const view = viewOf(bytes)
  const map = emptyMapSpec(name)
  map.type = view.getUint32(0, true)
  map.keySize = view.getUint32(4, true)
  map.valueSize = view.getUint32(8, true)
  map.maxEntries = view.getUint32(12, true)
  map.flags = bytes.length >= 20 ? view.getUint32(16, true) : 0
  const beyond = bytes.subarray(20).some((byte) => byte !== 0)
  if (beyond)
    throw new UserError(`${where}: map '${name}': struct bpf_map_def has unknown fields; define it in SEC(".maps")`)
  if (map.type === MAP_TYPE.unspec) throw new UserError(`${where}: map '${name}': map type isn't specified.`)
  if (isRing(map.type)) map.maxEntries = ringBufferBytes(map.maxEntries)
  return map
}

/** libbpf's name of a section's map in the kernel: `opensnoo.rodata`; sections of their own names stand alone. */
export function internalMapName(object: string, section: string): string {
  const suffix = Math.min(Math.max(7, section.length), KERNEL_NAME_CHARS)
  const custom = section.indexOf('.', 1) >= 0
  const prefix = custom ? 0 : Math.min(KERNEL_NAME_CHARS - suffix, object.length)
  return (object.slice(0, prefix) + section.slice(0, suffix)).replace(/[^A-Za-z0-9_.]/g, '_')
}
