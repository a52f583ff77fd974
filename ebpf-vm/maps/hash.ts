// BPF_MAP_TYPE_HASH and its per-CPU and LRU forms: chained buckets over a pool of elements, all in kernel memory.
//
//   buckets   n x i32: offset of the first element, 0 for none; n = round_up_pow2(maxEntries)
//   control   +0 i32 head of the free list   +4 i32 number of elements   +8 i32 next element never used   +12 i32 end of those
//   element   +0 i32 next   +4 i32 hash   +8 u8 referenced (LRU)   +16 key, padded to 8   then the value, or one per CPU
//
// As in Linux, updating an existing key puts a new element in front and frees the old one (but for per-CPU values and BPF_F_LOCK,
// which are written in place), and a freed element's bytes stay readable until it is used again: programs may still hold pointers.
// The hash is multiply-add over the key's words with multipliers drawn from the map's seed; the bucket is its high bits. The JIT
// emits the same function (jit/hash.ts): nothing about it may change in one place only.

import { OutOfMemory } from '../../base/allocator.ts'
import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { MAX_PERCPU_VALUE } from './array.ts'
import { ACCESS_FLAGS, accessFlagsOk, ELEM, MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType, roundUp } from './map.ts'

const { EINVAL, E2BIG, EEXIST, ENOENT, ENOMEM, ENOTSUPP } = ERRNO

export const ELEMENT = { next: 0, hash: 4, referenced: 8, key: 16 } as const
export const CONTROL = { free: 0, count: 4, unused: 8, end: 12 } as const
/** Elements taken from the allocator at once by a map without preallocation. */
const CHUNK_BYTES = 64 << 10

export class HashMap extends BpfMap {
  readonly isLru: boolean
  readonly isPercpu: boolean
  readonly buckets: number
  readonly control: number
  /** Number of buckets is 1 << bucketBits. */
  readonly bucketBits: number
  readonly elementSize: number
  /** Offset of the value within an element. */
  readonly valueOffset: number
  readonly valueStride: number
  /** One odd multiplier per 32-bit word of the key (the last, partial word counts as one). */
  readonly multipliers: Int32Array
  /** Preallocated elements: the whole pool, else the chunks taken so far. */
  readonly #chunks: number[] = []
  #hand = 0

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    const flags = this.mapFlags
    this.isLru = attr.type === MAP_TYPE.lru_hash || attr.type === MAP_TYPE.lru_percpu_hash
    this.isPercpu = attr.type === MAP_TYPE.percpu_hash || attr.type === MAP_TYPE.lru_percpu_hash
    this.bucketBits = Math.max(1, 32 - Math.clz32(attr.maxEntries - 1))
    this.valueStride = roundUp(attr.valueSize, 8)
    this.valueOffset = ELEMENT.key + roundUp(attr.keySize, 8)
    this.elementSize = this.valueOffset + this.valueStride * (this.isPercpu ? machine.platform.cpus : 1)
    this.multipliers = multipliersOf(flags & MAP_FLAG.zero_seed ? 0 : machine.platform.random(), attr.keySize)
    this.control = machine.alloc.alloc(16)
    this.buckets = machine.alloc.allocPages(Math.ceil((4 << this.bucketBits) / PAGE_SIZE))
    // One spare element per CPU, so that updating an existing key works in a full map.
    if (!(flags & MAP_FLAG.no_prealloc)) this.#grow(this.maxEntries + machine.platform.cpus)
  }

  // ── Elements ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  get count(): number {
    return this.machine.mem.i32[(this.control + CONTROL.count) >> 2]!
  }

  hash(key: number): number {
    const { dv, u8 } = this.machine.mem
    const size = this.keySize
    let hash = 0
    let at = 0
    for (; at + 4 <= size; at += 4)
      hash = (hash + Math.imul(dv.getInt32(key + at, true), this.multipliers[at >> 2]!)) | 0
    if (at === size) return hash
    let last = 0
    for (let shift = 0; at < size; at++, shift += 8) last |= u8[key + at]! << shift
    return (hash + Math.imul(last, this.multipliers[size >> 2]!)) | 0
  }

  /** Offset of the head of the bucket of a hash. */
  #bucket(hash: number): number {
    return this.buckets + (hash >>> (32 - this.bucketBits)) * 4
  }

  #find(key: number, hash: number): number {
    const { i32 } = this.machine.mem
    let element = i32[this.#bucket(hash) >> 2]!
    while (element !== 0) {
      if (i32[(element + ELEMENT.hash) >> 2] === hash && this.#equal(key, element + ELEMENT.key)) return element
      element = i32[(element + ELEMENT.next) >> 2]!
    }
    return 0
  }

  #equal(a: number, b: number): boolean {
    const { dv, u8 } = this.machine.mem
    let i = 0
    for (; i + 4 <= this.keySize; i += 4) if (dv.getInt32(a + i, true) !== dv.getInt32(b + i, true)) return false
    for (; i < this.keySize; i++) if (u8[a + i] !== u8[b + i]) return false
    return true
  }

  #grow(elements: number): void {
    const { alloc, mem } = this.machine
    const chunk = alloc.allocPages(Math.ceil((elements * this.elementSize) / PAGE_SIZE))
    this.#chunks.push(chunk)
    mem.i32[(this.control + CONTROL.unused) >> 2] = chunk
    mem.i32[(this.control + CONTROL.end) >> 2] = chunk + elements * this.elementSize
  }

  /** An element off the free list, or one never used; a map without preallocation takes more memory. 0 when there is none. */
  #take(): number {
    const { i32 } = this.machine.mem
    const free = (this.control + CONTROL.free) >> 2
    const element = i32[free]!
    if (element !== 0) {
      i32[free] = i32[(element + ELEMENT.next) >> 2]!
      return element
    }
    const unused = (this.control + CONTROL.unused) >> 2
    if (i32[unused] === i32[(this.control + CONTROL.end) >> 2] && !this.#growChunk()) return 0
    const fresh = i32[unused]!
    i32[unused] = fresh + this.elementSize
    return fresh
  }

  #growChunk(): boolean {
    try {
      this.#grow(Math.max(1, (CHUNK_BYTES / this.elementSize) | 0))
      return true
    } catch (error) {
      if (error instanceof OutOfMemory) return false
      throw error
    }
  }

  #link(element: number, hash: number): void {
    const { i32 } = this.machine.mem
    const head = this.#bucket(hash) >> 2
    i32[(element + ELEMENT.hash) >> 2] = hash
    i32[(element + ELEMENT.next) >> 2] = i32[head]!
    i32[head] = element
    i32[(this.control + CONTROL.count) >> 2]!++
  }

  /** Take an element out of its bucket and put it on the free list. */
  #unlink(element: number): void {
    const { i32 } = this.machine.mem
    let link = this.#bucket(i32[(element + ELEMENT.hash) >> 2]!) >> 2
    while (i32[link] !== element) link = (i32[link]! + ELEMENT.next) >> 2
    i32[link] = i32[(element + ELEMENT.next) >> 2]!
    const free = (this.control + CONTROL.free) >> 2
    i32[(element + ELEMENT.next) >> 2] = i32[free]!
    i32[free] = element
    i32[(this.control + CONTROL.count) >> 2]!--
  }

  /**
   * Free the LRU element that the clock's hand finds unreferenced first. Linux keeps active and inactive lists per CPU and evicts up
   * to 128 elements at a time; this evicts one, with the same second chance for what was looked up.
   */
  #evict(): void {
    const { u8 } = this.machine.mem
    const pool = this.#chunks[0]!
    const total = this.maxEntries + this.machine.platform.cpus
    for (;;) {
      const element = pool + this.#hand * this.elementSize
      this.#hand = (this.#hand + 1) % total
      if (!this.#isLive(element)) continue
      if (u8[element + ELEMENT.referenced] === 0) {
        this.#unlink(element)
        return
      }
      u8[element + ELEMENT.referenced] = 0
    }
  }

  /** Whether an element is in its bucket (and not free). */
  #isLive(element: number): boolean {
    const { i32 } = this.machine.mem
    let at = i32[this.#bucket(i32[(element + ELEMENT.hash) >> 2]!) >> 2]!
    while (at !== 0 && at !== element) at = i32[(at + ELEMENT.next) >> 2]!
    return at !== 0
  }

  // ── Programs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Offset of the value of `cpu` in an element; plain maps have one value for all. */
  #valueIn(element: number, cpu: number): number {
    return element + this.valueOffset + (this.isPercpu ? cpu * this.valueStride : 0)
  }

  lookup(key: number): number {
    const element = this.#find(key, this.hash(key))
    if (element === 0) return 0
    if (this.isLru) this.machine.mem.u8[element + ELEMENT.referenced] = 1
    return this.#valueIn(element, this.machine.platform.cpu())
  }

  override lookupCpu(key: number, cpu: number): number {
    if (!this.isPercpu || cpu >= this.machine.platform.cpus) return 0
    const element = this.#find(key, this.hash(key))
    return element === 0 ? 0 : this.#valueIn(element, cpu)
  }

  override update(key: number, value: number, flags: number): number {
    const hash = this.hash(key)
    const old = this.#find(key, hash)
    const error = this.#checkUpdate(old, flags)
    if (error !== 0) return error
    if (old !== 0 && (this.isPercpu || flags & ELEM.lock)) {
      if (this.isLru) this.machine.mem.u8[old + ELEMENT.referenced] = 1
      this.copyValue(this.#valueIn(old, this.machine.platform.cpu()), value)
      return 0
    }
    const element = this.#insert(key, hash, old)
    if (element < 0) return element
    this.copyValue(this.#valueIn(element, this.machine.platform.cpu()), value)
    return 0
  }

  #checkUpdate(old: number, flags: number): number {
    const lock = flags & ELEM.lock
    if ((flags & ~ELEM.lock) >>> 0 > ELEM.exist || (lock && (this.isLru || this.isPercpu || this.lockOffset < 0)))
      return -EINVAL
    if (old !== 0 && flags & ELEM.noexist) return -EEXIST
    return old === 0 && flags & ELEM.exist ? -ENOENT : 0
  }

  /** A new element for the key, in place of `old`; its value is unset, special members and other CPUs' values are 0. */
  #insert(key: number, hash: number, old: number): number {
    const { mem } = this.machine
    const { u8 } = mem
    if (old === 0 && this.count >= this.maxEntries) {
      if (!this.isLru) return -E2BIG
      this.#evict()
    }
    const element = this.#take()
    if (element === 0) return -ENOMEM
    u8[element + ELEMENT.referenced] = 0
    mem.copy(element + ELEMENT.key, key, this.keySize)
    const values = element + this.valueOffset
    if (this.isPercpu) u8.fill(0, values, element + this.elementSize)
    for (const field of this.special) u8.fill(0, values + field.offset, values + field.offset + field.size)
    this.#link(element, hash)
    if (old !== 0) this.#unlink(old)
    return element
  }

  override delete(key: number): number {
    const element = this.#find(key, this.hash(key))
    if (element === 0) return -ENOENT
    this.#unlink(element)
    return 0
  }

  override visitAll(visit: (key: number, value: number) => number): number {
    const { i32 } = this.machine.mem
    const cpu = this.machine.platform.cpu()
    let visited = 0
    for (let bucket = 0; bucket < 1 << this.bucketBits; bucket++) {
      for (let element = i32[(this.buckets >> 2) + bucket]!; element !== 0; ) {
        const next = i32[(element + ELEMENT.next) >> 2]!
        visited++
        if (visit(element + ELEMENT.key, this.#valueIn(element, cpu)) !== 0) return visited
        element = next
      }
    }
    return visited
  }

  // ── Syscalls ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  override get syscallValueSize(): number {
    return this.isPercpu ? this.valueStride * this.machine.platform.cpus : this.valueSize
  }

  /** Unlike a program's lookup, one from user space does not keep an LRU element alive. */
  override readValue(key: number, out: number, flags = 0): number {
    if (flags & ~ELEM.lock || (flags & ELEM.lock && this.lockOffset < 0)) return -EINVAL
    const element = this.#find(key, this.hash(key))
    if (element === 0) return -ENOENT
    const values = this.isPercpu ? this.machine.platform.cpus : 1
    for (let cpu = 0; cpu < values; cpu++) this.copyOut(this.#valueIn(element, cpu), out + cpu * this.valueStride)
    return 0
  }

  override writeValue(key: number, value: number, flags = 0): number {
    if (!this.isPercpu) return this.update(key, value, flags)
    const hash = this.hash(key)
    const old = this.#find(key, hash)
    const error = this.#checkUpdate(old, flags)
    if (error !== 0) return error
    const element = old !== 0 ? old : this.#insert(key, hash, 0)
    if (element < 0) return element
    for (let cpu = 0; cpu < this.machine.platform.cpus; cpu++)
      this.copyValue(this.#valueIn(element, cpu), value + cpu * this.valueStride)
    return 0
  }

  override takeValue(key: number, out: number, flags = 0): number {
    const error = this.readValue(key, out, flags)
    return error !== 0 ? error : this.delete(key)
  }

  override nextKey(key: number, out: number): number {
    const { mem } = this.machine
    const { i32 } = mem
    const hash = key === 0 ? 0 : this.hash(key)
    const here = key === 0 ? 0 : this.#find(key, hash)
    let element = here === 0 ? 0 : i32[(here + ELEMENT.next) >> 2]!
    // A key that is not there (any more) starts over, as in Linux.
    let bucket = here === 0 ? 0 : (hash >>> (32 - this.bucketBits)) + 1
    while (element === 0 && bucket < 1 << this.bucketBits) element = i32[(this.buckets >> 2) + bucket++]!
    if (element === 0) return -ENOENT
    mem.copy(out, element + ELEMENT.key, this.keySize)
    return 0
  }

  get memoryBytes(): number {
    const { alloc } = this.machine
    return this.#chunks.reduce((sum, chunk) => sum + alloc.sizeOf(chunk), alloc.sizeOf(this.buckets))
  }

  protected release(): void {
    const { alloc } = this.machine
    alloc.free(this.control)
    alloc.freePages(this.buckets)
    for (const chunk of this.#chunks) alloc.freePages(chunk)
  }
}

function multipliersOf(seed: number, keySize: number): Int32Array {
  const multipliers = new Int32Array(Math.ceil(keySize / 4))
  let state = seed | 0
  for (let i = 0; i < multipliers.length; i++) {
    state = (state + 0x9e3779b9) | 0
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    multipliers[i] = (z ^ (z >>> 16)) | 1
  }
  return multipliers
}

const HASH_FLAGS =
  MAP_FLAG.no_prealloc | MAP_FLAG.no_common_lru | MAP_FLAG.numa_node | ACCESS_FLAGS | MAP_FLAG.zero_seed
/** KMALLOC_MAX_SIZE less the head of an element. */
const MAX_ELEMENT = (4 << 20) - 48

/** htab_map_alloc_check() */
export function checkHash(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  const lru = attr.type === MAP_TYPE.lru_hash || attr.type === MAP_TYPE.lru_percpu_hash
  const percpu = attr.type === MAP_TYPE.percpu_hash || attr.type === MAP_TYPE.lru_percpu_hash
  const perCpuLru = (flags & MAP_FLAG.no_common_lru) !== 0
  if (flags & ~HASH_FLAGS || !accessFlagsOk(flags)) return -EINVAL
  if (!lru && perCpuLru) return -EINVAL
  if (lru && flags & MAP_FLAG.no_prealloc) return -ENOTSUPP
  if (flags & MAP_FLAG.numa_node && (percpu || perCpuLru)) return -EINVAL
  if (attr.maxEntries === 0 || attr.keySize === 0 || attr.valueSize === 0) return -EINVAL
  if (attr.keySize + attr.valueSize >= MAX_ELEMENT) return -E2BIG
  if (percpu && roundUp(attr.valueSize, 8) > MAX_PERCPU_VALUE) return -E2BIG
  return attr.maxEntries > 1 << 30 ? -E2BIG : 0
}

const create = (machine: Machine, attr: MapAttr): BpfMap => new HashMap(machine, attr)

export const hash = mapType({ type: MAP_TYPE.hash, name: 'hash', check: checkHash, create })
export const percpuHash = mapType({ type: MAP_TYPE.percpu_hash, name: 'percpu_hash', check: checkHash, create })
const EVICTS_ONE =
  'evicts one element at a time, by a clock over all; Linux evicts up to 128 from per-CPU or common lists'
export const lruHash = mapType({
  type: MAP_TYPE.lru_hash,
  name: 'lru_hash',
  check: checkHash,
  create,
  partial: EVICTS_ONE,
})
export const lruPercpuHash = mapType({
  type: MAP_TYPE.lru_percpu_hash,
  name: 'lru_percpu_hash',
  check: checkHash,
  create,
  partial: EVICTS_ONE,
})
