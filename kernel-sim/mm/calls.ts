// Memory management as the kernel's functions: from mmap(2) down to do_mmap(), faults, and how an address space comes and goes.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { File } from '../fs/file.ts'
import { FMODE } from '../fs/uapi.ts'
import type { Vfs } from '../fs/vfs.ts'
import type { Kernel } from '../kernel.ts'
import type { MaybeWait } from '../wait.ts'
import { type ExecImage, loadImage } from './exec-image.ts'
import type { Frames } from './frames.ts'
import { mmLayout } from './layout.ts'
import { MAP, mapRegion, moveBrk, PROT, pageAlign, populate, protect, setBrk, unmap } from './map.ts'
import { Mm, type MmContext, TASK_SIZE } from './mm.ts'
import { type Mappable, VM, type Vma } from './vma.ts'

const MREMAP = { maymove: 1, fixed: 2 } as const
const MADV = {
  normal: 0,
  random: 1,
  sequential: 2,
  willneed: 3,
  dontneed: 4,
  free: 8,
  dontfork: 10,
  dofork: 11,
  populateRead: 22,
  populateWrite: 23,
} as const
/** The highest advice that Linux knows; what is in between and not above changes nothing here. */
const MADV_LAST = 25
const FAULT_FLAG = { write: 1, user: 0x40 } as const

export class MemoryCalls {
  readonly #vfs: Vfs
  readonly #context: MmContext
  readonly ksysMmapPgoff: (
    address: number,
    length: number,
    prot: number,
    flags: number,
    fd: number,
    pgoff: number,
  ) => MaybeWait<number>
  readonly vmMunmap: (address: number, length: number) => MaybeWait<number>
  readonly doMprotect: (address: number, length: number, prot: number, key: number) => MaybeWait<number>

  constructor(k: Kernel, vfs: Vfs, frames: Frames) {
    this.#vfs = vfs
    const handleFault = vfs.declare(
      'vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags, struct pt_regs *regs)',
      (_area: Vma, _address: number, _flags: number, _regs: number): number => 0,
    )
    this.#context = {
      frames,
      alloc: k.alloc,
      layout: mmLayout(k.layouts),
      fault: (mm, area, address, write) => {
        const task = k.current
        if (task.mm !== mm) return
        if (!area) return
        handleFault(area, address, FAULT_FLAG.user | (write ? FAULT_FLAG.write : 0), task.regs)
        const at = task.at + k.layout.task.minFlt
        k.mem.writeInt64(at, k.mem.readInt64(at) + 1)
      },
    }

    const mapArea = vfs.leaf(
      'unsigned long mmap_region(struct file *file, unsigned long addr, unsigned long len, vm_flags_t vm_flags, unsigned long pgoff, struct list_head *uf)',
      (
        file: File | undefined,
        address: number,
        length: number,
        _vmFlags: number,
        pgoff: number,
        _uf: number,
        r: Request,
      ): number => mapRegion(vfs.mm, { address, length, prot: r.prot, flags: r.flags, pgoff, file, deny: r.deny }),
    )
    const mapChecked = (
      file: File | undefined,
      address: number,
      length: number,
      prot: number,
      flags: number,
      pgoff: number,
    ): MaybeWait<number> => {
      const deny = file ? this.#fileRights(file, prot, flags, length, pgoff) : 0
      return deny < 0 ? deny : mapArea(file, address, length, prot, pgoff, 0, { prot, flags, deny })
    }
    type DoMmap = (
      file: File | undefined,
      address: number,
      length: number,
      prot: number,
      flags: number,
      pgoff: number,
    ) => MaybeWait<number>
    // do_mmap() takes vm_flags before pgoff since 6.6.
    const withFlags = vfs.declare(
      'unsigned long do_mmap(struct file *file, unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, vm_flags_t vm_flags, unsigned long pgoff, unsigned long *populate, struct list_head *uf)',
      (
        file: File | undefined,
        address: number,
        length: number,
        prot: number,
        flags: number,
        _vmFlags: number,
        pgoff: number,
      ): MaybeWait<number> => mapChecked(file, address, length, prot, flags, pgoff),
      !vfs.isLegacy,
    )
    const withoutFlags = vfs.declare(
      'unsigned long do_mmap(struct file *file, unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, unsigned long pgoff, unsigned long *populate, struct list_head *uf)',
      mapChecked,
      vfs.isLegacy,
    )
    const doMmap: DoMmap = vfs.isLegacy
      ? withoutFlags
      : (file, address, length, prot, flags, pgoff) => withFlags(file, address, length, prot, flags, 0, pgoff)
    const securityMmap = vfs.security(
      'int security_mmap_file(struct file *file, unsigned long prot, unsigned long flags)',
    )
    const vmMmapPgoff = vfs.declare(
      'unsigned long vm_mmap_pgoff(struct file *file, unsigned long addr, unsigned long len, unsigned long prot, unsigned long flag, unsigned long pgoff)',
      (
        file: File | undefined,
        address: number,
        length: number,
        prot: number,
        flags: number,
        pgoff: number,
      ): MaybeWait<number> => {
        const refused = securityMmap(file ?? 0, prot, flags)
        return refused || doMmap(file, address, length, prot, flags, pgoff)
      },
    )
    this.ksysMmapPgoff = vfs.declare(
      'unsigned long ksys_mmap_pgoff(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, unsigned long fd, unsigned long pgoff)',
      (address: number, length: number, prot: number, flags: number, fd: number, pgoff: number): MaybeWait<number> => {
        let file: File | undefined
        if (!(flags & MAP.anonymous)) {
          file = vfs.usable(fd)
          if (!file) return -ERRNO.EBADF
        }
        const type = flags & MAP.type
        if (length === 0 || (type !== MAP.private && type !== MAP.shared && type !== MAP.sharedValidate))
          return -ERRNO.EINVAL
        return vmMmapPgoff(file, address, length, prot, flags, pgoff)
      },
    )

    const doMunmap = vfs.leaf(
      'int do_munmap(struct mm_struct *mm, unsigned long start, size_t len, struct list_head *uf)',
      (mm: Mm, start: number, length: number, _uf: number): number => unmap(mm, start, length),
    )
    this.vmMunmap = vfs.leaf(
      vfs.isLegacy
        ? 'int __vm_munmap(unsigned long start, size_t len, bool downgrade)'
        : 'int __vm_munmap(unsigned long start, size_t len, bool unlock)',
      (start: number, length: number): MaybeWait<number> =>
        vfs.isLegacy ? doMunmap(vfs.mm, start, length, 0) : unmap(vfs.mm, start, length),
    )
    this.doMprotect = vfs.leaf(
      'int do_mprotect_pkey(unsigned long start, size_t len, unsigned long prot, int pkey)',
      (start: number, length: number, prot: number, _key: number): number => protect(vfs.mm, start, length, prot),
    )
  }

  /** An empty address space. */
  newMm(): Mm {
    return new Mm(this.#context)
  }

  /** What execve puts into a fresh address space; 0 or -E2BIG. */
  load(mm: Mm, image: ExecImage): number {
    return loadImage(mm, image)
  }

  /** brk(2). In a replay the heap is where the recording had it. */
  brk(address: number): MaybeWait<number> {
    const { mm, k } = this.#vfs
    return k.settle(setBrk(mm, address), (recorded) => moveBrk(mm, recorded))
  }

  /** Anonymous memory at the next free place, mapped and present, without a call of the task's own: replay keeps its buffers there. */
  mapScratch(mm: Mm, pages: number): number {
    const request = {
      address: 0,
      length: pages * PAGE_SIZE,
      prot: PROT.read | PROT.write,
      flags: MAP.private | MAP.anonymous,
    }
    return mapRegion(mm, { ...request, pgoff: 0, file: undefined })
  }

  mremap(address: number, oldLength: number, newLength: number, flags: number, to: number): number {
    const mm = this.#vfs.mm
    const oldBytes = pageAlign(oldLength)
    const newBytes = pageAlign(newLength)
    if (flags & ~(MREMAP.maymove | MREMAP.fixed) || (flags & MREMAP.fixed && !(flags & MREMAP.maymove)))
      return -ERRNO.EINVAL
    if (address % PAGE_SIZE !== 0 || newBytes === 0) return -ERRNO.EINVAL
    const area = mm.areas.find(address)
    if (!area) return -ERRNO.EFAULT
    if (address + oldBytes > area.end) return -ERRNO.EFAULT
    if (newBytes <= oldBytes && !(flags & MREMAP.fixed)) {
      if (newBytes < oldBytes) unmap(mm, address + newBytes, oldBytes - newBytes)
      return address
    }
    const pgoff = area.pgoff + (address - area.start) / PAGE_SIZE
    const { file } = area
    const request = {
      prot: area.flags & (VM.read | VM.write | VM.exec),
      pgoff,
      file,
      flags: (area.flags & VM.shared ? MAP.shared : MAP.private) | (file ? 0 : MAP.anonymous),
    }
    const next = mm.areas.all[mm.areas.indexOf(area.end)]
    const room = (next ? next.start : TASK_SIZE) - area.end
    if (!(flags & MREMAP.fixed) && address + oldBytes === area.end && room >= newBytes - oldBytes) {
      const grown = { ...request, address: area.end, length: newBytes - oldBytes, pgoff: area.pgoff + area.pages }
      const at = mapRegion(mm, { ...grown, flags: request.flags | MAP.fixed })
      return at < 0 ? at : address
    }
    if (!(flags & MREMAP.maymove)) return -ERRNO.ENOMEM
    const fixed = flags & MREMAP.fixed ? MAP.fixed : 0
    const at = mapRegion(mm, {
      ...request,
      address: to * (fixed ? 1 : 0),
      length: newBytes,
      flags: request.flags | fixed,
    })
    if (at < 0) return at
    mm.movePages(address, at, Math.min(oldBytes, newBytes))
    unmap(mm, address, oldBytes)
    return at
  }

  madvise(address: number, length: number, advice: number): number {
    const mm = this.#vfs.mm
    if (address % PAGE_SIZE !== 0 || advice < 0 || advice > MADV_LAST) return -ERRNO.EINVAL
    const end = address + pageAlign(length)
    if (end === address) return 0
    const unmapped = this.checkMapped(address, length)
    const areas = [...mm.areas.within(address, end)]
    if (advice === MADV.dontneed || advice === MADV.free)
      for (const area of areas) mm.zap(Math.max(area.start, address), Math.min(area.end, end))
    if (advice === MADV.populateRead || advice === MADV.populateWrite)
      return populate(mm, address, end, advice === MADV.populateWrite) ? 0 : -ERRNO.EFAULT
    if (advice === MADV.dontfork || advice === MADV.dofork) {
      mm.areas.split(address)
      mm.areas.split(end)
      for (const area of mm.areas.within(address, end))
        area.setFlags(advice === MADV.dontfork ? area.flags | VM.dontCopy : area.flags & ~VM.dontCopy)
    }
    return unmapped
  }

  mincore(address: number, length: number, vector: number): number {
    if (address % PAGE_SIZE !== 0) return -ERRNO.EINVAL
    const unmapped = this.checkMapped(address, length)
    if (unmapped) return unmapped
    const mm = this.#vfs.mm
    const bytes = new Uint8Array(pageAlign(length) / PAGE_SIZE)
    for (let i = 0; i < bytes.length; i++) bytes[i] = mm.table.get(address / PAGE_SIZE + i) !== 0 ? 1 : 0
    return mm.write(vector, bytes, 0, bytes.length) > 0 ? -ERRNO.EFAULT : 0
  }

  /** 0 if every page of the range is mapped, else -ENOMEM. */
  checkMapped(address: number, length: number): number {
    let reached = address - (address % PAGE_SIZE)
    const end = address + pageAlign(length)
    for (const area of this.#vfs.mm.areas.within(reached, end)) {
      if (area.start > reached) break
      reached = area.end
    }
    return reached >= end ? 0 : -ERRNO.ENOMEM
  }

  /** What a mapping of the file may not become (vm_flags to take away), or negative errno. */
  #fileRights(file: File, prot: number, flags: number, length: number, pgoff: number): number {
    const isShared = (flags & MAP.type) !== MAP.private
    if (isShared && prot & PROT.write && !(file.mode & FMODE.write)) return -ERRNO.EACCES
    if (!(file.mode & FMODE.read)) return -ERRNO.EACCES
    if (!file.fop.mmap) return -ERRNO.ENODEV
    const mappable: Mappable | number = file.fop.mmap(file, pageAlign(length), pgoff, prot)
    if (typeof mappable === 'number') return mappable
    file.mappable = mappable
    return isShared && !(file.mode & FMODE.write) ? VM.mayWrite : 0
  }
}

interface Request {
  readonly prot: number
  readonly flags: number
  readonly deny: number
}
