// Page frames that user memory and the page cache share, with their reference counts. A frame is the offset of 4096 bytes of kernel
// memory, page-aligned. Whoever maps or keeps a frame holds one reference; the last put frees it.

import type { Allocator } from '../../base/allocator.ts'
import { InternalError } from '../../base/errors.ts'
import { type KernelMemory, PAGE_SIZE } from '../../base/memory.ts'

export class Frames {
  readonly mem: KernelMemory
  readonly #alloc: Allocator
  readonly #refs: Int32Array
  /** The one page of zeroes that untouched anonymous memory reads from. It is never written and never freed. */
  readonly zero: number

  constructor(mem: KernelMemory, alloc: Allocator) {
    this.mem = mem
    this.#alloc = alloc
    this.#refs = new Int32Array(mem.sizeBytes / PAGE_SIZE)
    this.zero = this.take()
  }

  /** A zeroed frame with one reference. Throws OutOfMemory. */
  take(): number {
    const frame = this.#alloc.allocPages(1)
    this.#refs[frame >>> 12] = 1
    return frame
  }

  /** A frame with one reference that starts as a copy of `source`. */
  copy(source: number): number {
    const frame = this.take()
    this.mem.u8.copyWithin(frame, source, source + PAGE_SIZE)
    return frame
  }

  hold(frame: number): void {
    this.#refs[frame >>> 12]!++
  }

  put(frame: number): void {
    const left = --this.#refs[frame >>> 12]!
    if (left > 0) return
    if (left < 0 || frame === this.zero) throw new InternalError(`frame 0x${frame.toString(16)} put too often`)
    this.#alloc.freePages(frame)
  }

  references(frame: number): number {
    return this.#refs[frame >>> 12]!
  }
}
