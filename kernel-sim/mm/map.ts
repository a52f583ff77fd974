// Changing what an address space maps: mmap, munmap, mprotect, brk, with Linux's checks and errno. Lengths are bytes, results are
// addresses or negative errno. Attributes of a request come from mman.h.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { type Mm, STACK_GUARD_GAP, TASK_SIZE } from './mm.ts'
import { PTE_WRITE } from './page-table.ts'
import { type MappedFile, VM, type Vma } from './vma.ts'

export const PROT = { read: 1, write: 2, exec: 4, growsdown: 0x01000000, growsup: 0x02000000 } as const
// biome-ignore format: a table reads better dense
export const MAP = {
  shared: 0x01, private: 0x02, sharedValidate: 0x03, type: 0x0f, fixed: 0x10, anonymous: 0x20, growsdown: 0x100,
  denyWrite: 0x800, locked: 0x2000, noReserve: 0x4000, populate: 0x8000, stack: 0x20000, fixedNoReplace: 0x100000,
} as const

/** vm.mmap_min_addr and vm.max_map_count as distributions set them. */
const MMAP_MIN_ADDR = 65536
const MAX_MAP_COUNT = 65530

export const pageAlign = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
export const pageStart = (address: number): number => address - (address % PAGE_SIZE)

const VM_PROT = VM.read | VM.write | VM.exec

export interface MapRequest {
  readonly address: number
  readonly length: number
  /** PROT_* */
  readonly prot: number
  /** MAP_* */
  readonly flags: number
  /** First page of the file. */
  readonly pgoff: number
  readonly file: MappedFile | undefined
  /** vm_flags that the open mode of the file takes away: VM.mayWrite for a read-only one shared, and the like. */
  readonly deny?: number
}

/** do_mmap(): the address of the new area. Access rights of the file are its caller's business (ksys_mmap_pgoff). */
export function mapRegion(mm: Mm, request: MapRequest): number {
  const { prot, flags, file } = request
  const length = pageAlign(request.length)
  if (request.length === 0) return -ERRNO.EINVAL
  if (length > TASK_SIZE) return -ERRNO.ENOMEM
  if (mm.areas.all.length > MAX_MAP_COUNT) return -ERRNO.ENOMEM
  const start = unmappedArea(mm, request.address, length, flags)
  if (start < 0) return start
  const end = start + length
  if (flags & MAP.fixedNoReplace && mm.areas.within(start, end).next().value) return -ERRNO.EEXIST
  let vmFlags = (prot & VM_PROT) | VM.mayRead | VM.mayWrite | VM.mayExec
  const isShared = (flags & MAP.type) !== MAP.private
  if (isShared) vmFlags |= VM.shared | VM.mayShare
  if (flags & MAP.growsdown) vmFlags |= VM.growsDown
  vmFlags &= ~(request.deny ?? 0)
  // A shared mapping of a file that cannot be written is a private one that nobody writes.
  if (isShared && file && request.deny && request.deny & VM.mayWrite) vmFlags &= ~(VM.shared | VM.mayShare)
  if (!isShared && vmFlags & VM.write && !(flags & MAP.noReserve)) vmFlags |= VM.account
  unmapRange(mm, start, end)
  const pgoff = file ? request.pgoff : isShared ? 0 : start / PAGE_SIZE
  mm.areas.insert({ start, end, flags: vmFlags, pgoff, file })
  mm.account(vmFlags, length / PAGE_SIZE)
  mm.mapCount()
  if (flags & (MAP.populate | MAP.locked)) populate(mm, start, end, (vmFlags & VM.write) !== 0)
  return start
}

/** get_unmapped_area(): where `length` bytes fit; the hint if it is free, else the highest hole below mmap_base. */
function unmappedArea(mm: Mm, hint: number, length: number, flags: number): number {
  if (flags & (MAP.fixed | MAP.fixedNoReplace)) {
    if (hint % PAGE_SIZE !== 0) return -ERRNO.EINVAL
    if (hint > TASK_SIZE - length) return -ERRNO.ENOMEM
    return hint < MMAP_MIN_ADDR ? -ERRNO.EPERM : hint
  }
  const wanted = hint !== 0 ? Math.max(pageAlign(hint), MMAP_MIN_ADDR) : mm.nextMapAt
  mm.nextMapAt = 0
  if (wanted !== 0 && wanted <= TASK_SIZE - length && isFree(mm, wanted, wanted + length)) return wanted
  const areas = mm.areas.all
  let top = mm.place('mmap_base')
  for (let i = mm.areas.indexOf(top - 1); i >= 0; i--) {
    const above = areas[i]
    if (above) top = Math.min(top, above.start - (above.flags & VM.growsDown ? STACK_GUARD_GAP : 0))
    const floor = i > 0 ? areas[i - 1]!.end : MMAP_MIN_ADDR
    if (top - length >= floor) return top - length
  }
  return -ERRNO.ENOMEM
}

function isFree(mm: Mm, start: number, end: number): boolean {
  const next = mm.areas.all[mm.areas.indexOf(start)]
  return !next || end <= next.start - (next.flags & VM.growsDown ? STACK_GUARD_GAP : 0)
}

/** munmap(2): holes in the range are fine. */
export function unmap(mm: Mm, start: number, bytes: number): number {
  const length = pageAlign(bytes)
  if (start % PAGE_SIZE !== 0 || start > TASK_SIZE || length > TASK_SIZE - start || length === 0) return -ERRNO.EINVAL
  unmapRange(mm, start, start + length)
  mm.mapCount()
  return 0
}

function unmapRange(mm: Mm, start: number, end: number): void {
  const first = mm.areas.all[mm.areas.indexOf(start)]
  if (!first || first.start >= end) return
  mm.areas.split(start)
  mm.areas.split(end)
  for (const area of [...mm.areas.within(start, end)]) {
    mm.zap(area.start, area.end)
    mm.account(area.flags, -area.pages)
    mm.areas.remove(area)
  }
}

/** mprotect(2): -ENOMEM where nothing is mapped (what came before it in the range is changed), -EACCES beyond the file's rights. */
export function protect(mm: Mm, start: number, bytes: number, prot: number): number {
  if (start % PAGE_SIZE !== 0) return -ERRNO.EINVAL
  const length = pageAlign(bytes)
  if (length === 0) return 0
  const end = start + length
  if (end > TASK_SIZE) return -ERRNO.ENOMEM
  if (prot & ~(VM_PROT | 8 | PROT.growsdown | PROT.growsup)) return -ERRNO.EINVAL
  let reached = start
  for (const area of [...mm.areas.within(start, end)]) {
    if (area.start > reached) return -ERRNO.ENOMEM
    const flags = (area.flags & ~VM_PROT) | (prot & VM_PROT)
    if (flags & VM_PROT & ~(area.flags >> 4)) return -ERRNO.EACCES
    reached = Math.min(area.end, end)
    if (flags !== area.flags) changeFlags(mm, Math.max(area.start, start), reached, flags)
  }
  return reached < end ? -ERRNO.ENOMEM : 0
}

function changeFlags(mm: Mm, start: number, end: number, wanted: number): void {
  mm.areas.split(start)
  mm.areas.split(end)
  const area = mm.areas.find(start) as Vma
  const isAccounted = wanted & VM.write && !(wanted & VM.shared)
  const flags = isAccounted ? wanted | VM.account : wanted
  mm.account(area.flags, -area.pages)
  mm.account(flags, area.pages)
  area.setFlags(flags)
  // Write permission comes back with the next write fault, no permission at all with no entry: frames stay.
  if (!(flags & VM.write)) mm.table.update(start / PAGE_SIZE, end / PAGE_SIZE, (pte) => pte & ~PTE_WRITE)
  mm.areas.merge(mm.areas.indexOf(start))
  mm.mapCount()
}

/** brk(2): the new end of the heap, or the old one when it cannot be moved there. */
export function setBrk(mm: Mm, brk: number): number {
  const old = mm.place('brk')
  if (brk < mm.place('start_brk') || brk > TASK_SIZE) return old
  const from = pageAlign(old)
  const to = pageAlign(brk)
  if (to < from) unmapRange(mm, to, from)
  else if (to > from) {
    if (!isFree(mm, from, to + PAGE_SIZE)) return old
    growBrk(mm, from, to)
  }
  mm.setPlace('brk', brk)
  mm.mapCount()
  return brk
}

/** Let the heap end at `brk`, and begin there too where it is not mapped up to it. */
export function moveBrk(mm: Mm, brk: number): void {
  if (!mm.areas.find(pageAlign(brk) - 1)) mm.setPlace('start_brk', brk)
  mm.setPlace('brk', brk)
}

/** do_brk_flags(): anonymous memory that the heap consists of. */
export function growBrk(mm: Mm, start: number, end: number): void {
  const flags = VM.read | VM.write | VM.mayRead | VM.mayWrite | VM.mayExec | VM.account
  mm.areas.insert({ start, end, flags, pgoff: start / PAGE_SIZE, file: undefined })
  mm.account(flags, (end - start) / PAGE_SIZE)
}

/** Bring in every page of the range, as MAP_POPULATE and MADV_POPULATE do; false at the first that is not to be had. */
export function populate(mm: Mm, start: number, end: number, write: boolean): boolean {
  for (let address = start; address < end; address += PAGE_SIZE)
    if ((write ? mm.writeFrame(address, true) : mm.readFrame(address, true)) < 0) return false
  return true
}
