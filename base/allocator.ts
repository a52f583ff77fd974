// Allocation of kernel memory: whole pages from a first-fit free list, small objects from size classes carved out of pages (as slab).
// Everything handed out is zeroed. A freed object goes to the head of its class's list, so addresses repeat deterministically.

import { InternalError } from './errors.ts'
import { type KernelMemory, PAGE_SIZE } from './memory.ts'

const CLASSES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048] as const
const SLAB_PAGES = 4

export class OutOfMemory extends Error {
  override name = 'OutOfMemory'
}

interface Span {
  start: number
  pages: number
}

export class Allocator {
  readonly #mem: KernelMemory
  /** Free runs of pages, ordered by address, never adjacent. */
  readonly #free: Span[]
  /** Pages in use by start offset: how many, for freePages(). */
  readonly #runs = new Map<number, number>()
  readonly #lists: number[][] = CLASSES.map(() => [])
  /** Class index of each slab by its first page's number (all pages of the slab are entered). */
  readonly #live = new Map<number, number>()
  #usedBytes = 0

  /** Hands out `[from, mem.sizeBytes)`; `from` is rounded up to a page and never below the first page. */
  constructor(mem: KernelMemory, from: number = PAGE_SIZE) {
    this.#mem = mem
    const start = Math.max(PAGE_SIZE, Math.ceil(from / PAGE_SIZE) * PAGE_SIZE)
    this.#free = [{ start, pages: Math.floor((mem.sizeBytes - start) / PAGE_SIZE) }]
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** `sizeBytes` zeroed bytes, aligned to 8 (to 64 from 64 bytes on, to a page from 4 KiB on). Throws OutOfMemory. */
  alloc(sizeBytes: number): number {
    const index = CLASSES.findIndex((size) => size >= sizeBytes)
    if (index < 0) return this.allocPages(Math.ceil(sizeBytes / PAGE_SIZE))
    const list = this.#lists[index]!
    if (list.length === 0) this.#grow(index)
    const at = list.pop()!
    const size = CLASSES[index]!
    this.#mem.u8.fill(0, at, at + size)
    this.#live.set(at, index)
    this.#usedBytes += size
    return at
  }

  free(at: number): void {
    if (this.#runs.has(at)) {
      this.freePages(at)
      return
    }
    const index = this.#live.get(at)
    if (index === undefined) throw new InternalError(`free of 0x${at.toString(16)}, which is not allocated`)
    this.#live.delete(at)
    this.#usedBytes -= CLASSES[index]!
    this.#lists[index]!.push(at)
  }

  /** `pages` zeroed, contiguous pages. Throws OutOfMemory. */
  allocPages(pages: number): number {
    const at = this.#take(pages)
    this.#runs.set(at, pages)
    this.#usedBytes += pages * PAGE_SIZE
    return at
  }

  freePages(at: number): void {
    const pages = this.#runs.get(at)
    if (pages === undefined) throw new InternalError(`free of pages at 0x${at.toString(16)}, which are not allocated`)
    this.#runs.delete(at)
    this.#usedBytes -= pages * PAGE_SIZE
    // Zeroed when freed, not when handed out: a page that was never used is zero already and stays untouched.
    this.#mem.u8.fill(0, at, at + pages * PAGE_SIZE)
    this.#give(at, pages)
  }

  /** Bytes usable at `at`, as ksize(). */
  sizeOf(at: number): number {
    const run = this.#runs.get(at)
    if (run !== undefined) return run * PAGE_SIZE
    const index = this.#live.get(at)
    if (index === undefined) throw new InternalError(`size of 0x${at.toString(16)}, which is not allocated`)
    return CLASSES[index]!
  }

  #grow(index: number): void {
    const start = this.#take(SLAB_PAGES)
    const size = CLASSES[index]!
    const list = this.#lists[index]!
    const step = size >= 64 ? Math.ceil(size / 64) * 64 : size
    for (let at = start + SLAB_PAGES * PAGE_SIZE - step; at >= start; at -= step) list.push(at)
  }

  #take(pages: number): number {
    const free = this.#free
    for (let i = 0; i < free.length; i++) {
      const span = free[i]!
      if (span.pages < pages) continue
      const at = span.start
      span.start += pages * PAGE_SIZE
      span.pages -= pages
      if (span.pages === 0) free.splice(i, 1)
      return at
    }
    throw new OutOfMemory(`no ${pages} contiguous pages left of ${this.#mem.sizeBytes} bytes`)
  }

  #give(start: number, pages: number): void {
    const free = this.#free
    let i = 0
    while (i < free.length && free[i]!.start < start) i++
    free.splice(i, 0, { start, pages })
    if (i + 1 < free.length && start + pages * PAGE_SIZE === free[i + 1]!.start) {
      free[i]!.pages += free[i + 1]!.pages
      free.splice(i + 1, 1)
    }
    if (i > 0 && free[i - 1]!.start + free[i - 1]!.pages * PAGE_SIZE === start) {
      free[i - 1]!.pages += free[i]!.pages
      free.splice(i, 1)
    }
  }
}
