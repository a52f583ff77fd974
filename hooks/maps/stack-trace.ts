// BPF_MAP_TYPE_STACK_TRACE: stacks by their hash, as bpf_get_stackid() stores them. One bucket an id; a second stack with the same
// id is refused (-EEXIST) or replaces the first (BPF_F_REUSE_STACKID). User space reads a stack padded with zeros.
// Not there: BPF_F_STACK_BUILD_ID maps (-EINVAL), whose values are build ids and file offsets of user code.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../../ebpf-vm/machine.ts'
import { MAP_FLAG } from '../../ebpf-vm/maps/flags.ts'
import { BpfMap, type MapAttr, mapType } from '../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { MAX_STACK_DEPTH } from '../context/stack.ts'

const FLAGS = MAP_FLAG.numa_node | MAP_FLAG.rdonly | MAP_FLAG.wronly

/** Flags of bpf_get_stackid() and bpf_get_stack(). */
export const STACK_FLAG = {
  skipMask: 0xff,
  user: 1 << 8,
  fastCompare: 1 << 9,
  reuse: 1 << 10,
  buildId: 1 << 11,
} as const

export class StackTraceMap extends BpfMap {
  /** A power of two. */
  readonly buckets: number
  readonly #data: number
  readonly #pages: number
  /** Entries of each bucket, 0 when free. */
  readonly #depth: Uint8Array
  readonly #hash: Int32Array

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.buckets = attr.maxEntries === 1 ? 1 : 1 << (32 - Math.clz32(attr.maxEntries - 1))
    this.#pages = Math.ceil((this.buckets * attr.valueSize) / PAGE_SIZE)
    this.#data = machine.alloc.allocPages(this.#pages)
    this.#depth = new Uint8Array(this.buckets)
    this.#hash = new Int32Array(this.buckets)
  }

  get maxDepth(): number {
    return this.valueSize / 8
  }

  /** Programs reach stacks by their id through user space only. */
  lookup(): number {
    return 0
  }

  override update(): number {
    return -ERRNO.EINVAL
  }

  /** Enter the stack of `depth` u64 addresses at `from`; returns its id or -EEXIST. */
  enter(from: number, depth: number, flags: number): number {
    const { u8, i32 } = this.machine.mem
    const hash = jhash2(i32, from >> 2, depth * 2, 0)
    const id = hash & (this.buckets - 1)
    const at = this.#data + id * this.valueSize
    const held = this.#depth[id]!
    const sameHash = held !== 0 && this.#hash[id] === hash
    if (sameHash && flags & STACK_FLAG.fastCompare) return id
    if (sameHash && held === depth && equalWords(i32, at >> 2, from >> 2, depth * 2)) return id
    if (held !== 0 && !(flags & STACK_FLAG.reuse)) return -ERRNO.EEXIST
    u8.fill(0, at, at + this.valueSize)
    u8.copyWithin(at, from, from + depth * 8)
    this.#depth[id] = depth
    this.#hash[id] = hash
    return id
  }

  override readValue(key: number, out: number, flags = 0): number {
    if (flags !== 0) return -ERRNO.EINVAL
    const id = this.machine.mem.dv.getUint32(key, true)
    if (id >= this.buckets || this.#depth[id] === 0) return -ERRNO.ENOENT
    const at = this.#data + id * this.valueSize
    this.machine.mem.u8.copyWithin(out, at, at + this.valueSize)
    return 0
  }

  override delete(key: number): number {
    const id = this.machine.mem.dv.getUint32(key, true)
    if (id >= this.buckets) return -ERRNO.E2BIG
    if (this.#depth[id] === 0) return -ERRNO.ENOENT
    this.#depth[id] = 0
    return 0
  }

  override nextKey(key: number, out: number): number {
    const { dv } = this.machine.mem
    let id = 0
    if (key !== 0) {
      id = dv.getUint32(key, true)
      id = id >= this.buckets || this.#depth[id] === 0 ? 0 : id + 1
    }
    while (id < this.buckets && this.#depth[id] === 0) id++
    if (id >= this.buckets) return -ERRNO.ENOENT
    dv.setUint32(out, id, true)
    return 0
  }

  get memoryBytes(): number {
    return this.#pages * PAGE_SIZE
  }

  protected release(): void {
    this.machine.alloc.freePages(this.#data)
  }
}

function equalWords(i32: Int32Array, a: number, b: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (i32[a + i] !== i32[b + i]) return false
  return true
}

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by))

/** Bob Jenkins' hash of 32-bit words (lookup3), as the kernel's jhash2(): the ids of stacks follow from it. */
export function jhash2(words: Int32Array, at: number, count: number, initial: number): number {
  let a = (0xdeadbeef + (count << 2) + initial) | 0
  let b = a
  let c = a
  while (count > 3) {
    a = (a + words[at]!) | 0
    b = (b + words[at + 1]!) | 0
    c = (c + words[at + 2]!) | 0
    a = ((a - c) ^ rotate(c, 4)) | 0
    c = (c + b) | 0
    b = ((b - a) ^ rotate(a, 6)) | 0
    a = (a + c) | 0
    c = ((c - b) ^ rotate(b, 8)) | 0
    b = (b + a) | 0
    a = ((a - c) ^ rotate(c, 16)) | 0
    c = (c + b) | 0
    b = ((b - a) ^ rotate(a, 19)) | 0
    a = (a + c) | 0
    c = ((c - b) ^ rotate(b, 4)) | 0
    b = (b + a) | 0
    at += 3
    count -= 3
  }
  if (count === 0) return c
  if (count > 2) c = (c + words[at + 2]!) | 0
  if (count > 1) b = (b + words[at + 1]!) | 0
  a = (a + words[at]!) | 0
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  return ((c ^ b) - rotate(b, 24)) | 0
}

export const stackTrace = mapType({
  type: MAP_TYPE.stack_trace,
  name: 'stack_trace',
  partial: 'no build ids (BPF_F_STACK_BUILD_ID is -EINVAL)',
  check({ mapFlags = 0, maxEntries, keySize, valueSize }) {
    if (mapFlags & ~FLAGS || maxEntries === 0 || keySize !== 4 || valueSize < 8 || valueSize % 8) return -ERRNO.EINVAL
    if (valueSize / 8 > MAX_STACK_DEPTH) return -ERRNO.EINVAL
    return maxEntries > 1 << 30 ? -ERRNO.E2BIG : 0
  },
  create: (machine, attr) => new StackTraceMap(machine, attr),
})
