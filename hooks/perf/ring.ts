// The ring buffer of a perf event, as mmap(2) shows it: one page of struct perf_event_mmap_page, then 2^n data pages. The kernel
// moves data_head, the reader data_tail; both count bytes and never wrap. When a record does not fit it is counted, and the next
// one that fits is preceded by a PERF_RECORD_LOST.

import type { Allocator } from '../../base/allocator.ts'
import { ERRNO } from '../../base/errno.ts'
import { type KernelMemory, PAGE_SIZE } from '../../base/memory.ts'
import { PERF_MMAP_PAGE, PERF_RECORD } from '../uapi/perf.ts'

const HEADER_BYTES = 8
const LOST_BYTES = HEADER_BYTES + 16

export class PerfRing {
  readonly #mem: KernelMemory
  readonly #alloc: Allocator
  /** Offset of the mapping: the control page, the data behind it. */
  readonly at: number
  readonly dataBytes: number
  /** Records that did not fit and have not been reported yet. */
  #lost = 0
  /** All records that did not fit. */
  lostTotal = 0
  #head = 0
  #at = 0

  /** `pages`: data pages, a power of two. Throws OutOfMemory. */
  constructor(mem: KernelMemory, alloc: Allocator, pages: number) {
    this.#mem = mem
    this.#alloc = alloc
    this.at = alloc.allocPages(1 + pages)
    this.dataBytes = pages * PAGE_SIZE
    mem.writeInt64(this.at + PERF_MMAP_PAGE.data_offset, PAGE_SIZE)
    mem.writeInt64(this.at + PERF_MMAP_PAGE.data_size, this.dataBytes)
  }

  get head(): number {
    return this.#mem.readInt64(this.at + PERF_MMAP_PAGE.data_head)
  }

  get tail(): number {
    return this.#mem.readInt64(this.at + PERF_MMAP_PAGE.data_tail)
  }

  /** The reader's side: everything up to `position` has been read. */
  set tail(position: number) {
    this.#mem.writeInt64(this.at + PERF_MMAP_PAGE.data_tail, position)
  }

  /**
   * perf_output_begin(): room for a record of `bytes` (a multiple of 8, header included), behind a lost record for event `id` if one
   * is due. 0, or -ENOSPC. Write with the put functions, then end().
   */
  begin(bytes: number, type: number, misc: number, id: number): number {
    const total = bytes + (this.#lost > 0 ? LOST_BYTES : 0)
    this.#head = this.head
    // One byte always stays free, so that full and empty differ (CIRC_SPACE).
    if (this.dataBytes - 1 - (this.#head - this.tail) < total) {
      this.#lost++
      this.lostTotal++
      return -ERRNO.ENOSPC
    }
    this.#at = this.#head
    this.#head += total
    if (this.#lost > 0) {
      this.#header(PERF_RECORD.lost, 0, LOST_BYTES)
      this.putWide(id)
      this.putWide(this.#lost)
      this.#lost = 0
    }
    this.#header(type, misc, bytes)
    return 0
  }

  put32(value: number): void {
    this.#mem.dv.setInt32(this.#position(), value, true)
    this.#at += 4
  }

  /** A non-negative number of up to 53 bits as u64. */
  putWide(value: number): void {
    this.put32(value | 0)
    this.put32(Math.floor(value / 0x1_0000_0000))
  }

  /** `bytes` of kernel memory from `from` on, split where the buffer wraps. */
  putBytes(from: number, bytes: number): void {
    const { u8 } = this.#mem
    let done = 0
    while (done < bytes) {
      const to = this.#position()
      const room = this.at + PAGE_SIZE + this.dataBytes - to
      const count = Math.min(room, bytes - done)
      u8.copyWithin(to, from + done, from + done + count)
      done += count
      this.#at += count
    }
  }

  /** Zeros up to the end of the record, then data_head moves: the record is there. */
  end(): void {
    while (this.#at < this.#head) {
      this.#mem.u8[this.#position()] = 0
      this.#at++
    }
    this.#mem.writeInt64(this.at + PERF_MMAP_PAGE.data_head, this.#head)
  }

  free(): void {
    this.#alloc.free(this.at)
  }

  #header(type: number, misc: number, bytes: number): void {
    this.put32(type)
    this.put32(misc | (bytes << 16))
  }

  #position(): number {
    return this.at + PAGE_SIZE + (this.#at % this.dataBytes)
  }
}
