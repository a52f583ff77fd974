// struct files_struct: descriptors of a process (shared by its threads, or by CLONE_FILES). The array of struct file pointers and the
// bitmaps are in kernel memory as Linux has them; the list here is the same files as objects.

import { ERRNO } from '../../base/errno.ts'
import type { FsContext } from './context.ts'
import type { File } from './file.ts'

const INLINE_FDS = 64

export class FilesStruct {
  readonly at: number
  readonly #context: FsContext
  readonly #files: (File | undefined)[] = []
  /** Offset of the active struct fdtable. */
  #fdt: number

  constructor(context: FsContext) {
    const { mem, alloc, layout } = context
    const { files_struct } = layout
    this.#context = context
    this.at = alloc.alloc(files_struct.size)
    this.#fdt = this.at + files_struct.fdtab
    mem.dv.setInt32(this.at + files_struct.count, 1, true)
    mem.writePtr(this.at + files_struct.fdt, this.#fdt)
    this.#setTable(INLINE_FDS, {
      fd: this.at + files_struct.fd_array,
      open: this.at + files_struct.open_fds_init,
      cloexec: this.at + files_struct.close_on_exec_init,
      full: this.at + files_struct.full_fds_bits_init,
    })
  }

  get maxFds(): number {
    return this.#context.mem.dv.getInt32(this.#fdt + this.#context.layout.fdtable.max_fds, true)
  }
  get #nextFd(): number {
    return this.#context.mem.dv.getInt32(this.at + this.#context.layout.files_struct.next_fd, true)
  }
  set #nextFd(fd: number) {
    this.#context.mem.dv.setInt32(this.at + this.#context.layout.files_struct.next_fd, fd, true)
  }

  get(fd: number): File | undefined {
    return this.#files[fd]
  }

  /** Descriptors in use with their files, rising. */
  *entries(): Generator<[fd: number, file: File]> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd]
      if (file) yield [fd, file]
    }
  }

  /** alloc_fd(): reserve the lowest free descriptor from `start`; -EMFILE at `limit` (RLIMIT_NOFILE). */
  reserve(start: number, limit: number, cloexec: boolean): number {
    let fd = Math.max(start, start < this.#nextFd ? this.#nextFd : start)
    while (fd < this.maxFds && this.#bit('open_fds', fd)) fd++
    if (fd >= limit) return -ERRNO.EMFILE
    if (fd >= this.maxFds) this.#grow(fd)
    if (start <= this.#nextFd) this.#nextFd = fd + 1
    this.#setBit('open_fds', fd, true)
    this.#setBit('close_on_exec', fd, cloexec)
    return fd
  }

  /** fd_install(): the file's reference goes to the table. */
  install(fd: number, file: File): void {
    while (this.#files.length < fd) this.#files.push(undefined)
    this.#files[fd] = file
    this.#context.mem.writePtr(this.#fdArray() + fd * 8, file.at)
  }

  /** Reserve exactly `fd` (dup2 and the like); what was there comes back, its reference too. */
  replace(fd: number, file: File, cloexec: boolean): File | undefined {
    if (fd >= this.maxFds) this.#grow(fd)
    const old = this.#files[fd]
    this.#setBit('open_fds', fd, true)
    this.#setBit('close_on_exec', fd, cloexec)
    this.install(fd, file)
    return old
  }

  /** put_unused_fd(): give a reserved descriptor back. */
  release(fd: number): void {
    this.#setBit('open_fds', fd, false)
    if (fd < this.#nextFd) this.#nextFd = fd
  }

  /** Take the file out; its reference goes to the caller. */
  remove(fd: number): File | undefined {
    const file = this.#files[fd]
    if (!file) return undefined
    this.#files[fd] = undefined
    this.#context.mem.writePtr(this.#fdArray() + fd * 8, 0)
    this.#setBit('close_on_exec', fd, false)
    this.release(fd)
    return file
  }

  isCloseOnExec(fd: number): boolean {
    return this.#bit('close_on_exec', fd)
  }

  setCloseOnExec(fd: number, on: boolean): void {
    this.#setBit('close_on_exec', fd, on)
  }

  /** dup_fd(): the child's table for fork; the open files are shared. */
  copy(): FilesStruct {
    const child = new FilesStruct(this.#context)
    for (const [fd, file] of this.entries()) {
      file.hold()
      child.replace(fd, file, this.isCloseOnExec(fd))
    }
    child.#nextFd = this.#nextFd
    return child
  }

  hold(): void {
    const at = this.at + this.#context.layout.files_struct.count
    this.#context.mem.dv.setInt32(at, this.#context.mem.dv.getInt32(at, true) + 1, true)
  }

  /** One user less; the last one closes the files. */
  put(): void {
    const at = this.at + this.#context.layout.files_struct.count
    const left = this.#context.mem.dv.getInt32(at, true) - 1
    this.#context.mem.dv.setInt32(at, left, true)
    if (left === 0) this.#context.closeFiles(this)
  }

  /** For execve. */
  closeOnExec(): void {
    this.#context.closeOnExec(this)
  }

  get isShared(): boolean {
    return this.#context.mem.dv.getInt32(this.at + this.#context.layout.files_struct.count, true) > 1
  }

  free(): void {
    if (this.#fdt !== this.at + this.#context.layout.files_struct.fdtab) this.#freeTable()
    this.#context.alloc.free(this.at)
  }

  #fdArray(): number {
    return this.#context.mem.readPtr(this.#fdt + this.#context.layout.fdtable.fd)
  }

  #bit(map: 'open_fds' | 'close_on_exec', fd: number): boolean {
    if (fd >= this.maxFds) return false
    const at = this.#context.mem.readPtr(this.#fdt + this.#context.layout.fdtable[map])
    return ((this.#context.mem.u8[at + (fd >> 3)]! >> (fd & 7)) & 1) === 1
  }

  #setBit(map: 'open_fds' | 'close_on_exec', fd: number, on: boolean): void {
    const { mem, layout } = this.#context
    const at = mem.readPtr(this.#fdt + layout.fdtable[map]) + (fd >> 3)
    if (on) mem.u8[at]! |= 1 << (fd & 7)
    else mem.u8[at]! &= ~(1 << (fd & 7))
    if (map === 'close_on_exec') return
    // full_fds_bits has one bit for each word of open_fds that has no zero left.
    const word = fd >> 6
    const words = mem.readPtr(this.#fdt + layout.fdtable.open_fds) + word * 8
    const full = mem.dv.getInt32(words, true) === -1 && mem.dv.getInt32(words + 4, true) === -1
    const bits = mem.readPtr(this.#fdt + layout.fdtable.full_fds_bits) + (word >> 3)
    if (full) mem.u8[bits]! |= 1 << (word & 7)
    else mem.u8[bits]! &= ~(1 << (word & 7))
  }

  /** expand_fdtable(): room for `fd`, in Linux's sizes (powers of two of 128 pointers). */
  #grow(fd: number): void {
    const { mem, alloc, layout } = this.#context
    const { fdtable } = layout
    let blocks = 1
    while (blocks * 128 <= fd) blocks *= 2
    const max = blocks * 128
    const old = this.maxFds
    const previous = this.#fdt
    const table = alloc.alloc(fdtable.size)
    const place = { fd: alloc.alloc(max * 8), open: alloc.alloc(max / 8), cloexec: alloc.alloc(max / 8), full: 0 }
    place.full = alloc.alloc(Math.ceil(max / 512 / 8) * 8)
    const copy = (to: number, from: 'fd' | 'open_fds' | 'close_on_exec' | 'full_fds_bits', bytes: number): void => {
      const source = mem.readPtr(previous + fdtable[from])
      mem.u8.copyWithin(to, source, source + bytes)
    }
    copy(place.fd, 'fd', old * 8)
    copy(place.open, 'open_fds', old / 8)
    copy(place.cloexec, 'close_on_exec', old / 8)
    copy(place.full, 'full_fds_bits', Math.ceil(old / 512 / 8) * 8)
    if (previous !== this.at + layout.files_struct.fdtab) this.#freeTable()
    this.#fdt = table
    this.#setTable(max, place)
    mem.writePtr(this.at + layout.files_struct.fdt, table)
  }

  #setTable(max: number, place: { fd: number; open: number; cloexec: number; full: number }): void {
    const { mem, layout } = this.#context
    const { fdtable } = layout
    mem.dv.setInt32(this.#fdt + fdtable.max_fds, max, true)
    mem.writePtr(this.#fdt + fdtable.fd, place.fd)
    mem.writePtr(this.#fdt + fdtable.open_fds, place.open)
    mem.writePtr(this.#fdt + fdtable.close_on_exec, place.cloexec)
    mem.writePtr(this.#fdt + fdtable.full_fds_bits, place.full)
  }

  #freeTable(): void {
    const { mem, alloc, layout } = this.#context
    for (const array of ['fd', 'open_fds', 'close_on_exec', 'full_fds_bits'] as const)
      alloc.free(mem.readPtr(this.#fdt + layout.fdtable[array]))
    alloc.free(this.#fdt)
  }
}
