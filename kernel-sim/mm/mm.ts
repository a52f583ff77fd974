// One address space: struct mm_struct, its areas and its page table. Frames are shared with the page cache and, after fork, with
// other address spaces until someone writes. Every user access goes through readFrame()/writeFrame(), which fault pages in as the
// hardware and handle_mm_fault() would. Addresses are numbers below TASK_SIZE; anything else is -EFAULT.

import type { Allocator } from '../../base/allocator.ts'
import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Frames } from './frames.ts'
import type { MmLayout } from './layout.ts'
import { PageTable, PTE_PRESENT, PTE_WRITE, pteFrame } from './page-table.ts'
import { type MappedFile, VM, type Vma, VmaList } from './vma.ts'

/** End of user space on x86-64 with four-level tables (TASK_SIZE_MAX). */
export const TASK_SIZE = 0x7fff_ffff_f000
/** The stack may grow down to this size (RLIMIT_STACK's default), and keeps this distance from the area below. */
export const STACK_LIMIT = 8 << 20
export const STACK_GUARD_GAP = 256 * PAGE_SIZE

/** Kinds of resident pages (enum in mm_types_task.h), as indices of rss. */
export const RSS = { file: 0, anon: 1, swap: 2, shmem: 3 } as const

/** Entry bit of our own: the frame belongs to this mm (anonymous), not to a file. */
const PTE_ANON = 4

/** What address spaces share within one kernel. */
export interface MmContext {
  readonly frames: Frames
  readonly alloc: Allocator
  readonly layout: MmLayout
  /** Called for every fault that is handled (or not: `area` undefined), before it is; the traceable handle_mm_fault hangs here. */
  fault?(mm: Mm, area: Vma | undefined, address: number, write: boolean): void
}

type Counter = 'total_vm' | 'data_vm' | 'exec_vm' | 'stack_vm' | 'pgtables_bytes'
type Place =
  | 'mmap_base'
  | 'start_code'
  | 'end_code'
  | 'start_data'
  | 'end_data'
  | 'start_brk'
  | 'brk'
  | 'start_stack'
  | 'arg_start'
  | 'arg_end'
  | 'env_start'
  | 'env_end'

export class Mm {
  /** Offset of struct mm_struct. */
  readonly at: number
  readonly context: MmContext
  readonly areas: VmaList
  readonly table = new PageTable()
  /** Address that the next mmap without MAP_FIXED gets if it is free; a replay knows it from its recording. */
  nextMapAt = 0
  #exe: MappedFile | undefined

  constructor(context: MmContext) {
    const { alloc, layout, frames } = context
    this.context = context
    this.at = alloc.alloc(layout.mmSize)
    this.areas = new VmaList(frames.mem, alloc, layout, this.at)
    frames.mem.dv.setInt32(this.at + layout.mm.mm_users, 1, true)
    frames.mem.dv.setInt32(this.at + layout.mm.mm_count, 1, true)
    frames.mem.writeInt64(this.at + layout.mm.task_size, TASK_SIZE)
    this.setPlace('mmap_base', TASK_SIZE - STACK_LIMIT - STACK_GUARD_GAP)
  }

  /** The program's file (/proc/PID/exe); the address space holds it. */
  get exe(): MappedFile | undefined {
    return this.#exe
  }

  setExe(file: MappedFile | undefined): void {
    file?.hold()
    this.#exe?.put()
    this.#exe = file
    this.context.frames.mem.writePtr(this.at + this.context.layout.mm.exe_file, file?.at ?? 0)
  }

  place(which: Place): number {
    return this.context.frames.mem.readInt64(this.at + this.context.layout.mm[which])
  }

  setPlace(which: Place, address: number): void {
    this.context.frames.mem.writeInt64(this.at + this.context.layout.mm[which], address)
  }

  counter(which: Counter): number {
    return this.context.frames.mem.readInt64(this.at + this.context.layout.mm[which])
  }

  rss(kind: keyof typeof RSS): number {
    return this.context.frames.mem.readInt64(this.at + this.context.layout.rss[RSS[kind]]!)
  }

  /** Tasks that share this address space hold it; the last put frees all of it. */
  hold(): void {
    const users = this.at + this.context.layout.mm.mm_users
    this.context.frames.mem.i32[users >> 2]!++
  }

  /** mmput(): true when that was the last user and everything is gone. */
  put(): boolean {
    const { frames, layout, alloc } = this.context
    if (--frames.mem.i32[(this.at + layout.mm.mm_users) >> 2]! > 0) return false
    for (const area of [...this.areas.all]) {
      this.zap(area.start, area.end)
      this.areas.remove(area)
    }
    this.setExe(undefined)
    alloc.free(this.at)
    return true
  }

  /** A copy for fork: private pages are shared until one side writes, areas marked VM_DONTCOPY are left out. */
  fork(): Mm {
    const child = new Mm(this.context)
    const { frames, layout } = this.context
    const { mem } = frames
    const users = mem.dv.getInt32(child.at + layout.mm.mm_users, true)
    mem.u8.copyWithin(child.at, this.at, this.at + layout.mmSize)
    mem.dv.setInt32(child.at + layout.mm.mm_users, users, true)
    mem.dv.setInt32(child.at + layout.mm.mm_count, 1, true)
    mem.dv.setInt32(child.at + layout.mm.map_count, 0, true)
    for (const kind of layout.rss) mem.writeInt64(child.at + kind, 0)
    for (const area of this.areas.all) {
      if (area.flags & VM.dontCopy) {
        child.account(area.flags, -area.pages)
        continue
      }
      child.areas.insert({ start: area.start, end: area.end, flags: area.flags, pgoff: area.pgoff, file: area.file })
      const shared = (area.flags & VM.shared) !== 0
      this.table.update(area.start / PAGE_SIZE, area.end / PAGE_SIZE, (pte, page) => {
        const copied = shared ? pte : pte & ~PTE_WRITE
        if (pteFrame(pte) !== frames.zero) {
          frames.hold(pteFrame(pte))
          child.countRss(pte & PTE_ANON ? RSS.anon : RSS.file, 1)
        }
        child.table.set(page, copied)
        return copied
      })
    }
    child.setExe(this.#exe)
    child.mapCount()
    return child
  }

  /** Forget the pages of `[start, end)`; the areas stay. */
  zap(start: number, end: number): void {
    const { frames } = this.context
    this.table.update(start / PAGE_SIZE, end / PAGE_SIZE, (pte) => {
      if (pteFrame(pte) !== frames.zero) {
        frames.put(pteFrame(pte))
        this.countRss(pte & PTE_ANON ? RSS.anon : RSS.file, -1)
      }
      return 0
    })
  }

  /** Pages present at `from` become those at `to` (mremap); the areas are the caller's business. */
  movePages(from: number, to: number, bytes: number): void {
    const shift = (to - from) / PAGE_SIZE
    this.table.update(from / PAGE_SIZE, (from + bytes) / PAGE_SIZE, (pte, page) => {
      this.table.set(page + shift, pte)
      return 0
    })
  }

  /** Offset of the byte at `address` for reading, valid to the end of its page; -1 where access is not allowed. `fault`: pages are
   * brought in; without it (bpf_probe_read_user and its like) only what is present is there. */
  readFrame(address: number, fault: boolean): number {
    const pte = address < TASK_SIZE && address >= 0 ? this.table.get(Math.floor(address / PAGE_SIZE)) : 0
    if (pte & PTE_PRESENT) return pteFrame(pte) + (address % PAGE_SIZE)
    return fault ? this.#fault(address, false) : -1
  }

  /** The same for writing: the frame is this mm's own, or the shared one. */
  writeFrame(address: number, fault: boolean): number {
    const pte = address < TASK_SIZE && address >= 0 ? this.table.get(Math.floor(address / PAGE_SIZE)) : 0
    if (pte & PTE_WRITE) return pteFrame(pte) + (address % PAGE_SIZE)
    return fault ? this.#fault(address, true) : -1
  }

  /** copy_from_user(): bytes that could not be copied (0: all were). */
  read(address: number, into: Uint8Array, at: number, length: number, fault = true): number {
    const { u8 } = this.context.frames.mem
    while (length > 0) {
      const from = this.readFrame(address, fault)
      if (from < 0) return length
      const chunk = Math.min(length, PAGE_SIZE - (address % PAGE_SIZE))
      if (into === u8) u8.copyWithin(at, from, from + chunk)
      else if (chunk <= 16) for (let i = 0; i < chunk; i++) into[at + i] = u8[from + i]!
      else into.set(u8.subarray(from, from + chunk), at)
      address += chunk
      at += chunk
      length -= chunk
    }
    return 0
  }

  /** copy_to_user(): bytes that could not be copied (0: all were). */
  write(address: number, from: Uint8Array, at: number, length: number, fault = true): number {
    const { u8 } = this.context.frames.mem
    while (length > 0) {
      const to = this.writeFrame(address, fault)
      if (to < 0) return length
      const chunk = Math.min(length, PAGE_SIZE - (address % PAGE_SIZE))
      if (from === u8) u8.copyWithin(to, at, at + chunk)
      else if (chunk <= 16) for (let i = 0; i < chunk; i++) u8[to + i] = from[at + i]!
      else u8.set(from.subarray(at, at + chunk), to)
      address += chunk
      at += chunk
      length -= chunk
    }
    return 0
  }

  /** clear_user(): bytes that could not be cleared. */
  clear(address: number, length: number): number {
    while (length > 0) {
      const to = this.writeFrame(address, true)
      if (to < 0) return length
      const chunk = Math.min(length, PAGE_SIZE - (address % PAGE_SIZE))
      this.context.frames.mem.u8.fill(0, to, to + chunk)
      address += chunk
      length -= chunk
    }
    return 0
  }

  /** Bytes up to the final NUL as Latin-1; -EFAULT, or -ENAMETOOLONG when `max` bytes hold no NUL. */
  readString(address: number, max: number, fault = true): string | number {
    const { u8 } = this.context.frames.mem
    let text = ''
    while (max > 0) {
      const from = this.readFrame(address, fault)
      if (from < 0) return -ERRNO.EFAULT
      const chunk = Math.min(max, PAGE_SIZE - (address % PAGE_SIZE))
      for (let i = from; i < from + chunk; i++) {
        const byte = u8[i]!
        if (byte === 0) return text
        text += String.fromCharCode(byte)
      }
      address += chunk
      max -= chunk
    }
    return -ERRNO.ENAMETOOLONG
  }

  /** vm_stat_account(): pages mapped (negative: unmapped) of areas with these flags. */
  account(flags: number, pages: number): void {
    this.#count('total_vm', pages)
    if ((flags & (VM.exec | VM.write | VM.growsDown)) === VM.exec) this.#count('exec_vm', pages)
    else if (flags & VM.growsDown) this.#count('stack_vm', pages)
    else if ((flags & (VM.write | VM.shared)) === VM.write) this.#count('data_vm', pages)
    const { mem } = this.context.frames
    const { hiwater_vm, total_vm } = this.context.layout.mm
    if (mem.readInt64(this.at + total_vm) > mem.readInt64(this.at + hiwater_vm))
      mem.writeInt64(this.at + hiwater_vm, mem.readInt64(this.at + total_vm))
  }

  /** Bring map_count in line with the areas, after they changed. */
  mapCount(): void {
    this.context.frames.mem.dv.setInt32(this.at + this.context.layout.mm.map_count, this.areas.all.length, true)
  }

  countRss(kind: number, pages: number): void {
    const { mem } = this.context.frames
    const at = this.at + this.context.layout.rss[kind]!
    mem.writeInt64(at, mem.readInt64(at) + pages)
  }

  #count(which: Counter, by: number): void {
    this.context.frames.mem.writeInt64(this.at + this.context.layout.mm[which], this.counter(which) + by)
  }

  #fault(address: number, write: boolean): number {
    if (!(address >= 0 && address < TASK_SIZE)) return -1
    const area = this.areas.find(address) ?? this.#growStack(address)
    this.context.fault?.(this, area, address, write)
    if (!area) return -1
    const { flags } = area
    if ((flags & (write ? VM.write : VM.read | VM.write | VM.exec)) === 0) return -1
    const page = Math.floor(address / PAGE_SIZE)
    const pte = this.table.get(page)
    const next = pte === 0 ? this.#missing(area, page, write) : this.#unshare(area, pte, page)
    if (next === 0) return -1
    const before = this.table.leaves
    this.table.set(page, next)
    if (this.table.leaves !== before) this.#count('pgtables_bytes', PAGE_SIZE)
    return pteFrame(next) + (address % PAGE_SIZE)
  }

  /** First touch of a page (do_anonymous_page, do_read_fault, do_cow_fault, do_shared_fault). 0: there is none (SIGBUS). */
  #missing(area: Vma, page: number, write: boolean): number {
    const { frames } = this.context
    if (!area.file || area.file.mappable.anonymous) {
      if (!write && !area.file) return frames.zero | PTE_PRESENT
      this.countRss(RSS.anon, 1)
      return frames.take() | PTE_PRESENT | PTE_ANON | (area.flags & VM.write ? PTE_WRITE : 0)
    }
    const shared = (area.flags & VM.shared) !== 0
    const index = page - area.start / PAGE_SIZE + area.pgoff
    const frame = area.file.mappable.frame(index, shared && write)
    if (frame < 0) return 0
    if (write && !shared) {
      this.countRss(RSS.anon, 1)
      return frames.copy(frame) | PTE_PRESENT | PTE_WRITE | PTE_ANON
    }
    frames.hold(frame)
    this.countRss(RSS.file, 1)
    return frame | PTE_PRESENT | (write ? PTE_WRITE : 0)
  }

  /** Write to a page that is present but not writable (do_wp_page). */
  #unshare(area: Vma, pte: number, page: number): number {
    const { frames } = this.context
    const frame = pteFrame(pte)
    if (area.flags & VM.shared) {
      area.file?.mappable.frame(page - area.start / PAGE_SIZE + area.pgoff, true)
      return pte | PTE_WRITE
    }
    if (pte & PTE_ANON && frames.references(frame) === 1) return pte | PTE_WRITE
    const copy = frame === frames.zero ? frames.take() : frames.copy(frame)
    if (frame !== frames.zero) frames.put(frame)
    if (!(pte & PTE_ANON)) {
      if (frame !== frames.zero) this.countRss(RSS.file, -1)
      this.countRss(RSS.anon, 1)
    }
    return copy | PTE_PRESENT | PTE_WRITE | PTE_ANON
  }

  /** An access below a stack area extends it, within its limit and away from its neighbour (expand_stack). */
  #growStack(address: number): Vma | undefined {
    const index = this.areas.indexOf(address)
    const area = this.areas.all[index]
    if (!area || !(area.flags & VM.growsDown)) return undefined
    const start = address - (address % PAGE_SIZE)
    const below = this.areas.all[index - 1]
    if (area.end - start > STACK_LIMIT || (below && start - below.end < STACK_GUARD_GAP)) return undefined
    const grown = (area.start - start) / PAGE_SIZE
    area.setPgoff(area.pgoff - grown)
    area.setRange(start, area.end)
    this.account(area.flags, grown)
    return area
  }
}
