// Maps whose values are programs or maps. User space puts descriptors in and reads ids; a slot holds what it refers to.

import { ERRNO } from '../../base/errno.ts'
import { TEXT_HI } from '../../base/memory.ts'
import { type LoadedProgram, Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { ArrayMap, checkArray } from './array.ts'
import { ELEM, MAP_FLAG } from './flags.ts'
import { checkHash, HashMap } from './hash.ts'
import { type BpfMap, type FdObject, type MapAttr, mapType } from './map.ts'

const { EBADF, EINVAL, E2BIG, ENOENT, ENOTSUPP } = ERRNO

/** What bpf(2) finds behind a descriptor: an object with an id that lives while it is held. */
interface Held extends FdObject {
  readonly id: number
  hold(): unknown
  release(): void
}
export interface ProgramRef extends Held {
  readonly loaded: LoadedProgram
}
export interface MapRef extends Held {
  readonly map: BpfMap
}

/** An array of descriptors: u64 slots in memory, 0 when empty, and what they stand for. */
abstract class ReferenceArray<T extends Held> extends ArrayMap {
  readonly #held = new Map<number, T>()

  /** Whether `object` may be put in; 0 or a negative errno. */
  protected abstract accepts(object: T): number
  /** Write what programs see into the slot. */
  protected abstract store(slot: number, object: T): void

  override putObject(key: number, object: FdObject, flags: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    if (flags !== ELEM.any) return -EINVAL
    if (index >= this.maxEntries) return -E2BIG
    const error = this.accepts(object as T)
    if (error !== 0) return error
    ;(object as T).hold()
    this.#held.get(index)?.release()
    this.#held.set(index, object as T)
    this.store(this.valueAt(index), object as T)
    return 0
  }

  override readValue(key: number, out: number): number {
    const object = this.#held.get(this.machine.mem.dv.getUint32(key, true))
    if (!object) return -ENOENT
    this.machine.mem.dv.setUint32(out, object.id, true)
    return 0
  }

  override deleteKey(key: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    if (index >= this.maxEntries) return -E2BIG
    const object = this.#held.get(index)
    if (!object) return -ENOENT
    this.#held.delete(index)
    this.machine.mem.u8.fill(0, this.valueAt(index), this.valueAt(index) + 8)
    object.release()
    return 0
  }

  override update(): number {
    return -EINVAL
  }

  override visitAll(): number {
    return -ERRNO.EOPNOTSUPP
  }

  override get directValue(): number {
    return 0
  }

  protected override release(): void {
    for (const object of this.#held.values()) object.release()
    super.release()
  }
}

/** BPF_MAP_TYPE_PROG_ARRAY: a slot is the text address of a program's main function, which bpf_tail_call enters. */
export class ProgArray extends ReferenceArray<ProgramRef> {
  /** Type of the first program put in; all others must be of it. */
  #programType = -1

  override get holds(): 'program' {
    return 'program'
  }

  override programSlot(index: number): number {
    if (index >= this.maxEntries) return 0
    const lo = this.machine.mem.dv.getInt32(this.valueAt(index), true)
    return lo === 0 ? 0 : Machine.slotOfAddress(lo)
  }

  override lookup(): number {
    return -EINVAL
  }

  protected accepts({ loaded }: ProgramRef): number {
    if (this.#programType < 0) this.#programType = loaded.program.type
    return loaded.program.type === this.#programType ? 0 : -EINVAL
  }

  protected store(slot: number, { loaded }: ProgramRef): void {
    this.machine.mem.dv.setInt32(slot, Machine.addressOf(loaded.slot), true)
    this.machine.mem.dv.setInt32(slot + 4, TEXT_HI, true)
  }
}

/** bpf_map_meta_equal(): whether a map may stand where the template does. */
function fits(template: BpfMap, map: BpfMap): boolean {
  const isArray = template.type === MAP_TYPE.array || template.type === MAP_TYPE.percpu_array
  return (
    map.type === template.type &&
    map.keySize === template.keySize &&
    map.valueSize === template.valueSize &&
    map.mapFlags === template.mapFlags &&
    (!isArray || (template.mapFlags & MAP_FLAG.inner_map) !== 0 || map.maxEntries === template.maxEntries) &&
    JSON.stringify(map.special) === JSON.stringify(template.special)
  )
}

/** BPF_MAP_TYPE_ARRAY_OF_MAPS: a slot points to the struct bpf_map, which a program's lookup returns. */
export class ArrayOfMaps extends ReferenceArray<MapRef> {
  override get holds(): 'map' {
    return 'map'
  }

  override lookup(key: number): number {
    const slot = super.lookup(key)
    return slot === 0 ? 0 : this.machine.mem.readPtr(slot)
  }

  protected accepts({ map }: MapRef): number {
    return fits(this.inner!, map) ? 0 : -EINVAL
  }

  protected store(slot: number, { map }: MapRef): void {
    this.machine.mem.writePtr(slot, map.address)
  }
}

/** BPF_MAP_TYPE_HASH_OF_MAPS: as a hash whose values are pointers to struct bpf_map. */
export class HashOfMaps extends HashMap {
  /** What the values point to, by address, and how often. */
  readonly #held = new Map<number, { ref: MapRef; slots: number }>()
  readonly #scratch: number

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.#scratch = machine.alloc.alloc(8)
  }

  override get holds(): 'map' {
    return 'map'
  }

  override lookup(key: number): number {
    const value = super.lookup(key)
    return value === 0 ? 0 : this.machine.mem.readPtr(value)
  }

  override putObject(key: number, object: FdObject, flags: number): number {
    const ref = object as MapRef
    if (!fits(this.inner!, ref.map)) return -EINVAL
    const old = this.lookup(key)
    this.machine.mem.writePtr(this.#scratch, ref.map.address)
    const error = super.update(key, this.#scratch, flags)
    if (error !== 0) return error
    ref.hold()
    const held = this.#held.get(ref.map.address)
    if (held) held.slots++
    else this.#held.set(ref.map.address, { ref, slots: 1 })
    this.#drop(old)
    return 0
  }

  override readValue(key: number, out: number): number {
    const inner = this.lookup(key)
    if (inner === 0) return -ENOENT
    this.machine.mem.dv.setUint32(out, this.#held.get(inner)!.ref.id, true)
    return 0
  }

  override delete(key: number): number {
    const inner = this.lookup(key)
    const error = super.delete(key)
    if (error === 0) this.#drop(inner)
    return error
  }

  override update(): number {
    return -EINVAL
  }

  override takeValue(): number {
    return -ENOTSUPP
  }

  override visitAll(): number {
    return -ERRNO.EOPNOTSUPP
  }

  /** Values are 8 bytes in memory, whatever bpf(2) calls their size. */
  override copyValue(to: number, from: number): void {
    this.machine.mem.copy(to, from, 8)
  }

  protected override release(): void {
    for (const { ref, slots } of this.#held.values()) for (let i = 0; i < slots; i++) ref.release()
    this.machine.alloc.free(this.#scratch)
    super.release()
  }

  #drop(address: number): void {
    const held = this.#held.get(address)
    if (!held) return
    if (--held.slots === 0) this.#held.delete(address)
    held.ref.release()
  }
}

/** fd_array_map_alloc_check() */
function checkReferences(attr: MapAttr): number {
  if (attr.valueSize !== 4 || (attr.mapFlags ?? 0) & (MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog)) return -EINVAL
  return checkArray(attr)
}

/** Types that bpf_map_meta_alloc() takes no template of. */
const NO_TEMPLATE = new Set<number>([
  MAP_TYPE.prog_array,
  MAP_TYPE.cgroup_storage,
  MAP_TYPE.percpu_cgroup_storage,
  MAP_TYPE.struct_ops,
])

/** bpf_map_meta_alloc() */
function checkTemplate({ inner }: MapAttr): number {
  if (!inner) return -EBADF
  if (inner.inner) return -EINVAL
  return NO_TEMPLATE.has(inner.type) ? -ENOTSUPP : 0
}

/** Pages of `maxEntries` pointers. */
const pagesOf = (attr: MapAttr): number => Math.ceil((attr.maxEntries * 8) / 4096)

export const progArray = mapType({
  type: MAP_TYPE.prog_array,
  name: 'prog_array',
  check: checkReferences,
  create: (machine, attr) => new ProgArray(machine, attr, pagesOf(attr)),
  partial: 'programs of one array must agree in type; Linux compares a few more of their properties',
})

export const arrayOfMaps = mapType({
  type: MAP_TYPE.array_of_maps,
  name: 'array_of_maps',
  check: (attr) => checkReferences(attr) || checkTemplate(attr),
  create: (machine, attr) => new ArrayOfMaps(machine, attr, pagesOf(attr)),
})

export const hashOfMaps = mapType({
  type: MAP_TYPE.hash_of_maps,
  name: 'hash_of_maps',
  check: (attr) => (attr.valueSize !== 4 ? -EINVAL : checkHash(attr) || checkTemplate(attr)),
  create: (machine, attr) => new HashOfMaps(machine, attr),
})
