// struct inode: what a file is, apart from its names. Numbers are only in kernel memory; this object adds behaviour: its operations,
// its page cache, and what the file system keeps about it.

import type { FsContext } from './context.ts'
import type { Dentry } from './dentry.ts'
import type { FileOps } from './file-ops.ts'
import type { PageCache } from './page-cache.ts'
import type { SuperBlock } from './super-block.ts'
import { S } from './uapi.ts'

/** inode_operations. Absent ones answer as Linux does without them (-EPERM, -ENOTDIR …). Results are 0 or negative errno. */
export interface InodeOps {
  /** Name of the struct inode_operations, and which function each of its members points to. */
  readonly symbol: string
  readonly functions: Readonly<Record<string, string>>
  /** Give the (negative) dentry its inode if the name exists. */
  lookup?(dir: Inode, dentry: Dentry): number
  create?(dir: Inode, dentry: Dentry, mode: number): number
  link?(old: Dentry, dir: Inode, dentry: Dentry): number
  unlink?(dir: Inode, dentry: Dentry): number
  symlink?(dir: Inode, dentry: Dentry, target: string): number
  mkdir?(dir: Inode, dentry: Dentry, mode: number): number
  rmdir?(dir: Inode, dentry: Dentry): number
  mknod?(dir: Inode, dentry: Dentry, mode: number, dev: number): number
  rename?(oldDir: Inode, old: Dentry, newDir: Inode, target: Dentry, flags: number): number
  /** Text of a symbolic link; one that goes straight to an object (/proc/self/exe) sets `jump` and returns ''. */
  getLink?(inode: Inode): string
  /** Size and the like brought up to date before stat reads them. */
  refresh?(inode: Inode): void
}

export class Inode {
  readonly at: number
  readonly sb: SuperBlock
  readonly iop: InodeOps
  fop: FileOps
  pages: PageCache | undefined
  /** What the file system or the driver keeps here: a link's text, a pipe, a socket, a task. */
  priv: unknown
  /** Called when the last reference to a file without names goes. */
  onEvict: (() => void) | undefined
  readonly #context: FsContext

  constructor(context: FsContext, sb: SuperBlock, ino: number, mode: number, iop: InodeOps, fop: FileOps) {
    const { mem, layout, alloc } = context
    this.#context = context
    this.at = alloc.alloc(layout.inode.size)
    this.sb = sb
    this.iop = iop
    this.fop = fop
    this.mode = mode
    mem.writePtr(this.at + layout.inode.i_sb, sb.at)
    mem.writeInt64(this.at + layout.inode.i_ino, ino)
    mem.writePtr(this.at + layout.inode.i_mapping, this.at + layout.inode.i_data)
    mem.writePtr(this.at + layout.inode.i_op, sb.opsTable(iop, 'inode_operations'))
    mem.writePtr(this.at + layout.inode.i_fop, sb.opsTable(fop, 'file_operations'))
    mem.dv.setUint8(this.at + layout.inode.i_blkbits, 12)
    mem.dv.setInt32(this.at + layout.inode.i_count, 1, true)
    this.nlink = 1
    this.touch('atime', 'mtime', 'ctime')
  }

  get mode(): number {
    return this.#context.mem.dv.getUint16(this.at + this.#context.layout.inode.i_mode, true)
  }
  set mode(mode: number) {
    this.#context.mem.dv.setUint16(this.at + this.#context.layout.inode.i_mode, mode, true)
  }
  get isDir(): boolean {
    return (this.mode & S.ifmt) === S.ifdir
  }
  get isLink(): boolean {
    return (this.mode & S.ifmt) === S.iflnk
  }
  get isRegular(): boolean {
    return (this.mode & S.ifmt) === S.ifreg
  }
  get ino(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.inode.i_ino)
  }
  get size(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.inode.i_size)
  }
  set size(bytes: number) {
    this.#context.mem.writeInt64(this.at + this.#context.layout.inode.i_size, bytes)
  }
  get nlink(): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.inode.i_nlink, true)
  }
  set nlink(count: number) {
    this.#context.mem.dv.setUint32(this.at + this.#context.layout.inode.i_nlink, count, true)
  }
  get uid(): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.inode.i_uid, true)
  }
  set uid(uid: number) {
    this.#context.mem.dv.setUint32(this.at + this.#context.layout.inode.i_uid, uid, true)
  }
  get gid(): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.inode.i_gid, true)
  }
  set gid(gid: number) {
    this.#context.mem.dv.setUint32(this.at + this.#context.layout.inode.i_gid, gid, true)
  }
  get rdev(): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.inode.i_rdev, true)
  }
  set rdev(dev: number) {
    this.#context.mem.dv.setUint32(this.at + this.#context.layout.inode.i_rdev, dev, true)
  }
  /** 512-byte blocks, as stat shows them. */
  get blocks(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.inode.i_blocks)
  }
  set blocks(count: number) {
    this.#context.mem.writeInt64(this.at + this.#context.layout.inode.i_blocks, count)
  }

  time(which: 'atime' | 'mtime' | 'ctime'): { sec: number; nsec: number } {
    const { mem, layout } = this.#context
    const sec = mem.readInt64(this.at + layout.inode[`${which}_sec`])
    return { sec, nsec: mem.dv.getUint32(this.at + layout.inode[`${which}_nsec`], true) }
  }

  setTime(which: 'atime' | 'mtime' | 'ctime', time: { readonly sec: number; readonly nsec: number }): void {
    const { mem, layout } = this.#context
    mem.writeInt64(this.at + layout.inode[`${which}_sec`], time.sec)
    mem.dv.setUint32(this.at + layout.inode[`${which}_nsec`], time.nsec, true)
  }

  touch(...which: ('atime' | 'mtime' | 'ctime')[]): void {
    const now = this.#context.now()
    for (const one of which) this.setTime(one, now)
  }

  /** Another dentry, file or struct refers to it. */
  hold(): void {
    this.#context.mem.i32[(this.at + this.#context.layout.inode.i_count) >> 2]!++
  }

  /** iput(): without references and names it is gone. */
  put(): void {
    const count = (this.at + this.#context.layout.inode.i_count) >> 2
    if (--this.#context.mem.i32[count]! > 0) return
    this.pages?.truncate(0)
    this.onEvict?.()
    this.#context.alloc.free(this.at)
  }
}
