// Areas of an address space: one struct vm_area_struct each, kept sorted and disjoint. Start, end, flags and page offset are only in
// kernel memory. Addresses of user space are plain numbers (below 2^47), always whole pages here.
// The maple tree of mm_struct (mm_mt) is not built: what walks areas inside the kernel walks this list.

import type { Allocator } from '../../base/allocator.ts'
import { type KernelMemory, PAGE_SIZE } from '../../base/memory.ts'
import type { MmLayout } from './layout.ts'

/** vm_flags (include/linux/mm.h). */
export const VM = {
  read: 0x1,
  write: 0x2,
  exec: 0x4,
  shared: 0x8,
  mayRead: 0x10,
  mayWrite: 0x20,
  mayExec: 0x40,
  mayShare: 0x80,
  growsDown: 0x100,
  denyWrite: 0x800,
  dontCopy: 0x20000,
  dontExpand: 0x40000,
  account: 0x100000,
} as const

/** What an area that maps a file needs of it. An area holds one reference. */
export interface MappedFile {
  /** Offset of its struct file. */
  readonly at: number
  readonly mappable: Mappable
  hold(): void
  put(): void
}

/** Where the pages of a mapped file come from: its page cache, or a device. */
export interface Mappable {
  /** Frame of page `index`; -1 past the end (SIGBUS). The caller takes its own reference. `write`: it becomes dirty. */
  frame(index: number, write: boolean): number
  /** Pages are anonymous memory although there is a file (/dev/zero, private). */
  readonly anonymous?: boolean
}

export class Vma {
  readonly at: number
  readonly file: MappedFile | undefined
  readonly #mem: KernelMemory
  readonly #layout: MmLayout['vma']

  constructor(
    mem: KernelMemory,
    layout: MmLayout['vma'],
    at: number,
    mm: number,
    area: { start: number; end: number; flags: number; pgoff: number; file: MappedFile | undefined },
  ) {
    this.#mem = mem
    this.#layout = layout
    this.at = at
    this.file = area.file
    mem.writePtr(at + layout.vm_mm, mm)
    mem.writePtr(at + layout.vm_file, area.file?.at ?? 0)
    mem.writeInt64(at + layout.vm_pgoff, area.pgoff)
    this.setRange(area.start, area.end)
    this.setFlags(area.flags)
  }

  get start(): number {
    return this.#mem.readInt64(this.at + this.#layout.vm_start)
  }
  get end(): number {
    return this.#mem.readInt64(this.at + this.#layout.vm_end)
  }
  get flags(): number {
    return this.#mem.dv.getInt32(this.at + this.#layout.vm_flags, true)
  }
  /** Page of the file that `start` shows; for anonymous memory the page number of `start` when it was mapped. */
  get pgoff(): number {
    return this.#mem.readInt64(this.at + this.#layout.vm_pgoff)
  }
  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE
  }

  setRange(start: number, end: number): void {
    this.#mem.writeInt64(this.at + this.#layout.vm_start, start)
    this.#mem.writeInt64(this.at + this.#layout.vm_end, end)
  }

  setPgoff(pgoff: number): void {
    this.#mem.writeInt64(this.at + this.#layout.vm_pgoff, pgoff)
  }

  setFlags(flags: number): void {
    this.#mem.writeInt64(this.at + this.#layout.vm_flags, flags)
  }
}

/** Whether two areas next to each other are one to Linux. */
function mergeable(left: Vma, right: Vma): boolean {
  if (left.end !== right.start || left.flags !== right.flags || left.file?.at !== right.file?.at) return false
  return left.pgoff + left.pages === right.pgoff
}

export class VmaList {
  readonly #mem: KernelMemory
  readonly #alloc: Allocator
  readonly #layout: MmLayout
  readonly #mm: number
  readonly #areas: Vma[] = []

  constructor(mem: KernelMemory, alloc: Allocator, layout: MmLayout, mm: number) {
    this.#mem = mem
    this.#alloc = alloc
    this.#layout = layout
    this.#mm = mm
  }

  get all(): readonly Vma[] {
    return this.#areas
  }

  /** Index of the first area that ends above `address`, as find_vma(); the list's length when there is none. */
  indexOf(address: number): number {
    let low = 0
    let high = this.#areas.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#areas[middle]!.end > address) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The area that holds `address`. */
  find(address: number): Vma | undefined {
    const area = this.#areas[this.indexOf(address)]
    return area && area.start <= address ? area : undefined
  }

  /** A new area; the range must be free. `file` gains a reference. Neighbours of the same kind are merged into it. */
  insert(area: { start: number; end: number; flags: number; pgoff: number; file: MappedFile | undefined }): Vma {
    area.file?.hold()
    const at = this.#alloc.alloc(this.#layout.vmaSize)
    const added = new Vma(this.#mem, this.#layout.vma, at, this.#mm, area)
    const index = this.indexOf(area.start)
    this.#areas.splice(index, 0, added)
    return this.merge(index)
  }

  /** Join the area at `index` with its neighbours where Linux would; returns what it became part of. */
  merge(index: number): Vma {
    const areas = this.#areas
    const right = areas[index + 1]
    if (right && mergeable(areas[index]!, right)) {
      areas[index]!.setRange(areas[index]!.start, right.end)
      this.#drop(index + 1)
    }
    const left = areas[index - 1]
    if (left && mergeable(left, areas[index]!)) {
      left.setRange(left.start, areas[index]!.end)
      this.#drop(index)
      return left
    }
    return areas[index]!
  }

  /** Make `address` a border between areas, so that whole areas can be changed. */
  split(address: number): void {
    const index = this.indexOf(address)
    const area = this.#areas[index]
    if (!area || area.start >= address) return
    const pgoff = area.pgoff + (address - area.start) / PAGE_SIZE
    const upper = { start: address, end: area.end, flags: area.flags, pgoff, file: area.file }
    area.setRange(area.start, address)
    area.file?.hold()
    const at = this.#alloc.alloc(this.#layout.vmaSize)
    this.#areas.splice(index + 1, 0, new Vma(this.#mem, this.#layout.vma, at, this.#mm, upper))
  }

  /** Areas that overlap `[start, end)`, in order. */
  *within(start: number, end: number): Generator<Vma> {
    for (let i = this.indexOf(start); i < this.#areas.length && this.#areas[i]!.start < end; i++) yield this.#areas[i]!
  }

  remove(area: Vma): void {
    this.#drop(this.#areas.indexOf(area))
  }

  #drop(index: number): void {
    const [area] = this.#areas.splice(index, 1)
    area!.file?.put()
    this.#alloc.free(area!.at)
  }
}
