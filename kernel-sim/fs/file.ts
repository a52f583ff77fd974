// struct file: one open file, shared by all descriptors that were duplicated from it. Flags, mode, position and count are only in
// kernel memory.

import type { Mappable, MappedFile } from '../mm/vma.ts'
import type { FsContext } from './context.ts'
import type { Dentry } from './dentry.ts'
import type { FileOps } from './file-ops.ts'
import type { Inode } from './inode.ts'
import { type Mount, type Path, writePath } from './mount.ts'

export class File implements MappedFile {
  readonly at: number
  fop: FileOps
  /** Set by do_dentry_open(). */
  path!: Path
  inode!: Inode
  /** What the driver keeps (private_data as an object); setPrivate() stores its offset. */
  priv: unknown
  mappable!: Mappable
  readonly #context: FsContext
  readonly #release: (file: File) => void

  /** `release` is __fput's trigger: called when the last reference is put. */
  constructor(context: FsContext, flags: number, cred: number, fop: FileOps, release: (file: File) => void) {
    const { mem, alloc, layout } = context
    this.#context = context
    this.#release = release
    this.fop = fop
    this.at = alloc.alloc(layout.file.size)
    mem.writeInt64(this.at + layout.file.f_count, 1)
    mem.dv.setInt32(this.at + layout.file.f_flags, flags, true)
    mem.writePtr(this.at + layout.file.f_cred, cred)
  }

  get mount(): Mount {
    return this.path.mount
  }
  get dentry(): Dentry {
    return this.path.dentry
  }

  get flags(): number {
    return this.#context.mem.i32[(this.at + this.#context.layout.file.f_flags) >> 2]!
  }
  set flags(flags: number) {
    this.#context.mem.i32[(this.at + this.#context.layout.file.f_flags) >> 2] = flags
  }
  get mode(): number {
    return this.#context.mem.i32[(this.at + this.#context.layout.file.f_mode) >> 2]!
  }
  set mode(mode: number) {
    this.#context.mem.i32[(this.at + this.#context.layout.file.f_mode) >> 2] = mode
  }
  get pos(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.file.f_pos)
  }
  set pos(pos: number) {
    this.#context.mem.writeInt64(this.at + this.#context.layout.file.f_pos, pos)
  }
  /** Offset of the struct path inside. */
  get pathAt(): number {
    return this.at + this.#context.layout.file.f_path
  }
  get references(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.file.f_count)
  }

  /** Tie it to a place: path, inode, operations. The references to them are the file's from now on. */
  bind(path: Path, inode: Inode, opsTable: number): void {
    const { mem, layout } = this.#context
    this.path = path
    this.inode = inode
    writePath(this.#context, this.pathAt, path)
    mem.writePtr(this.at + layout.file.f_inode, inode.at)
    mem.writePtr(this.at + layout.file.f_mapping, inode.at + layout.inode.i_data)
    mem.writePtr(this.at + layout.file.f_op, opsTable)
  }

  /** private_data, as an object and (when it has one) as the offset of its struct. */
  setPrivate(priv: unknown, at: number): void {
    this.priv = priv
    this.#context.mem.writePtr(this.at + this.#context.layout.file.private_data, at)
  }

  hold(): void {
    const at = this.at + this.#context.layout.file.f_count
    this.#context.mem.writeInt64(at, this.#context.mem.readInt64(at) + 1)
  }

  /** fput(). */
  put(): void {
    const at = this.at + this.#context.layout.file.f_count
    const left = this.#context.mem.readInt64(at) - 1
    this.#context.mem.writeInt64(at, left)
    if (left === 0) this.#release(this)
  }

  /** Give the memory back; the last step of __fput(). */
  free(): void {
    this.#context.alloc.free(this.at)
  }
}
