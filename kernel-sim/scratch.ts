// Short-lived kernel memory for arguments and records while listeners run: a stack of bytes. Whoever takes restores `top`.

import type { Allocator } from '../base/allocator.ts'
import { InternalError } from '../base/errors.ts'

const PAGES = 64

export class Scratch {
  top: number
  readonly #end: number

  constructor(alloc: Allocator) {
    this.top = alloc.allocPages(PAGES)
    this.#end = this.top + PAGES * 4096
  }

  /** Offset of `sizeBytes` bytes, aligned to 8, contents undefined. */
  take(sizeBytes: number): number {
    const at = this.top
    this.top = at + ((sizeBytes + 7) & ~7)
    if (this.top > this.#end) throw new InternalError('listeners nested too deep: scratch memory is used up')
    return at
  }
}
