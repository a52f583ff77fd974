// BPF_MAP_TYPE_ARENA: memory that programs and user space share at addresses of their own. `maxEntries` pages, none there at first.
//
// User space sees page 0 at map_extra (or where it maps the arena); programs hold such addresses and, after addr_space_cast to the
// kernel's, their low words. We keep the whole range of pages in one piece and a byte per page that says whether it is there, so that
// an access is a compare, a load and an addition. A program's access to a page that is not there reads 0 and stores nothing.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType } from './map.ts'

const { EINVAL, E2BIG, ERANGE, EOPNOTSUPP } = ERRNO
const TWO_32 = 0x1_0000_0000

export class ArenaMap extends BpfMap {
  /** Offset of page 0. */
  readonly data: number
  /** Offset of the bytes, one a page, that are 1 for pages that are there. */
  readonly present: number
  /** Offset of a u64: the user address of page 0, for compiled code. */
  readonly origin: number
  #userStart: number
  #pagesThere = 0

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.data = machine.alloc.allocPages(attr.maxEntries)
    this.present = machine.alloc.allocPages(Math.ceil(attr.maxEntries / PAGE_SIZE))
    this.origin = machine.alloc.alloc(8)
    this.#userStart = 0
    this.placeAt(this.mapExtra)
  }

  /** User address of page 0, as an unsigned number; 0 while nobody said. */
  get userStart(): number {
    return this.#userStart
  }

  /** The first mmap of an arena without map_extra fixes its address. */
  placeAt(userStart: number): void {
    this.#userStart ||= userStart
    this.machine.mem.writeInt64(this.origin, this.#userStart)
  }

  /** Low word (int32) of the user address of page 0: what the low words of addresses count from. */
  get userLo(): number {
    return this.#userStart | 0
  }

  /** High word (int32) of every user address of the arena. */
  get userHi(): number {
    return Math.floor(this.#userStart / TWO_32) | 0
  }

  /** Offset of the `bytes` at low word `lo` + off, or -1 where a page is missing. */
  find(lo: number, off: number, bytes: number): number {
    const at = ((lo - this.userLo) >>> 0) + off
    if (at < 0 || at + bytes > this.maxEntries * PAGE_SIZE) return -1
    const { u8 } = this.machine.mem
    const last = (at + bytes - 1) / PAGE_SIZE
    return u8[this.present + Math.floor(at / PAGE_SIZE)] && u8[this.present + Math.floor(last)] ? this.data + at : -1
  }

  /** bpf_arena_alloc_pages(): index of the first page, -1 when there is no room. `index` -1: anywhere (the tightest gap). */
  allocate(count: number, index: number): number {
    if (index >= 0 && !this.#isFree(index, count)) return -1
    const first = index >= 0 ? index : this.#tightestGap(count)
    if (first >= 0) this.#set(first, count, 1)
    return first
  }

  /** bpf_arena_free_pages(): pages that are not there are passed over. */
  freePages(index: number, count: number): void {
    this.#set(index, Math.min(count, this.maxEntries - index), 0)
  }

  #isFree(index: number, count: number): boolean {
    if (index + count > this.maxEntries) return false
    const from = this.present + index
    return !this.machine.mem.u8.subarray(from, from + count).includes(1)
  }

  #tightestGap(count: number): number {
    const { u8 } = this.machine.mem
    let best = -1
    let bestLength = Number.POSITIVE_INFINITY
    for (let at = 0; at < this.maxEntries; ) {
      let end = at
      while (end < this.maxEntries && u8[this.present + end] === 0) end++
      if (end - at >= count && end - at < bestLength) {
        best = at
        bestLength = end - at
      }
      at = end + 1
    }
    return best
  }

  #set(index: number, count: number, there: 0 | 1): void {
    const { u8 } = this.machine.mem
    for (let page = index; page < index + count; page++) {
      if (u8[this.present + page] === there) continue
      u8[this.present + page] = there
      this.#pagesThere += there === 1 ? 1 : -1
      u8.fill(0, this.data + page * PAGE_SIZE, this.data + (page + 1) * PAGE_SIZE)
    }
  }

  lookup(): number {
    return -EINVAL
  }

  override update(): number {
    return -EOPNOTSUPP
  }

  override delete(): number {
    return -EOPNOTSUPP
  }

  get memoryBytes(): number {
    return this.#pagesThere * PAGE_SIZE
  }

  protected release(): void {
    this.machine.alloc.freePages(this.data)
    this.machine.alloc.freePages(this.present)
    this.machine.alloc.free(this.origin)
  }
}

const FLAGS = MAP_FLAG.mmapable | MAP_FLAG.segv_on_fault | MAP_FLAG.no_user_conv

/** arena_map_alloc() */
function check(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  const start = attr.mapExtra ?? 0
  if (attr.keySize !== 0 || attr.valueSize !== 0 || attr.maxEntries === 0) return -EINVAL
  if (!(flags & MAP_FLAG.mmapable) || flags & ~FLAGS || start % PAGE_SIZE !== 0) return -EINVAL
  const bytes = attr.maxEntries * PAGE_SIZE
  if (bytes > TWO_32) return -E2BIG
  return Math.floor(start / TWO_32) === Math.floor((start + bytes - 1) / TWO_32) ? 0 : -ERANGE
}

export const arena = mapType({
  type: MAP_TYPE.arena,
  name: 'arena',
  check,
  create: (machine, attr) => new ArenaMap(machine, attr),
})
