// File systems whose content is made on demand: procfs, sysfs, tracefs. A tree of nodes describes one; names, inodes and dentries come
// into being when they are looked up and go when nobody holds them.

import { ERRNO } from '../../base/errno.ts'
import type { Dentry } from './dentry.ts'
import type { File } from './file.ts'
import type { DirContext, FileOps } from './file-ops.ts'
import type { Inode, InodeOps } from './inode.ts'
import type { IoCall, IovIter } from './io-call.ts'
import type { Path } from './mount.ts'
import type { FsType, SuperBlock } from './super-block.ts'
import { DT, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** Owner of a node; root's when left out. */
interface Owned {
  readonly uid?: number
  readonly gid?: number
  /** Permission bits, where they are not the usual ones. */
  readonly mode?: number
}

export type GenNode =
  | (Owned & {
      readonly kind: 'dir'
      readonly lookup: (name: string) => GenNode | undefined
      readonly list: () => Iterable<string>
    })
  | (Owned & {
      readonly kind: 'file'
      /** Content at the time of the open, as Latin-1 text or bytes; negative errno refuses. */
      readonly read?: () => string | Uint8Array | number
      /** Text that was written in one call; bytes taken or negative errno. */
      readonly write?: (text: string) => number
      /** Size that stat shows (0 in procfs, 4096 in sysfs). */
      readonly size?: number
    })
  | (Owned & {
      readonly kind: 'link'
      readonly target: () => string
      /** Where it leads although its text may name no path (/proc/PID/exe, /proc/PID/fd/N); negative errno refuses. */
      readonly jump?: () => Path | number
    })

/** A directory of fixed entries. */
export function genDir(entries: Readonly<Record<string, GenNode>>): GenNode {
  return {
    kind: 'dir',
    lookup: (name) => (Object.hasOwn(entries, name) ? entries[name] : undefined),
    list: () => Object.keys(entries),
  }
}
/** A file with content made by `read`. */
export function genFile(read: () => string | Uint8Array | number, mode = 0o444): GenNode {
  return { kind: 'file', read, mode }
}

const TYPE = { dir: S.ifdir, file: S.ifreg, link: S.iflnk } as const
const MODE = { dir: 0o555, file: 0o444, link: 0o777 } as const

export function declareGenerated(vfs: Vfs) {
  const nodeOf = (inode: Inode): GenNode => inode.priv as GenNode

  const newInode = (sb: SuperBlock, node: GenNode): Inode => {
    const mode = TYPE[node.kind] | (node.mode ?? MODE[node.kind])
    const fop = node.kind === 'dir' ? dirOps : node.kind === 'file' ? fileOps : NO_OPS
    const inode = sb.newInode(mode, node.kind === 'dir' ? dirInodeOps : inodeOps, fop)
    inode.priv = node
    inode.uid = node.uid ?? 0
    inode.gid = node.gid ?? 0
    if (node.kind === 'dir') inode.nlink = 2
    if (node.kind === 'file' && node.size) inode.size = node.size
    return inode
  }

  const lookup = vfs.declare(
    'struct dentry *proc_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)',
    (dir: Inode, dentry: Dentry, _flags: number): number => {
      const node = nodeOf(dir)
      const found = node.kind === 'dir' ? node.lookup(dentry.name) : undefined
      // proc_lookup() answers -ENOENT itself: there are no negative dentries here.
      if (!found) return -ERRNO.ENOENT
      dentry.instantiate(newInode(dir.sb, found))
      dentry.hash()
      return 0
    },
  )

  const inodeOps: InodeOps = {
    symbol: 'proc_link_inode_operations',
    functions: {},
    getLink: (inode) => {
      const node = nodeOf(inode)
      return node.kind === 'link' ? node.target() : ''
    },
  }
  const dirInodeOps: InodeOps = {
    symbol: 'proc_dir_inode_operations',
    functions: { lookup: 'proc_lookup' },
    lookup: (dir, dentry) => lookup(dir, dentry, 0),
  }

  const dirOps: FileOps = {
    symbol: 'proc_dir_operations',
    functions: { iterate_shared: 'proc_readdir', read: 'generic_read_dir' },
    read: () => -ERRNO.EISDIR,
    iterate: vfs.declare(
      'int proc_readdir(struct file *file, struct dir_context *ctx)',
      (file: File, dir: DirContext): number => {
        const node = nodeOf(file.inode)
        if (node.kind !== 'dir') return -ERRNO.ENOTDIR
        if (dir.pos === 0) {
          if (!dir.emit('.', file.inode.ino, DT.dir)) return 0
          dir.pos = 1
        }
        if (dir.pos === 1) {
          if (!dir.emit('..', file.dentry.parent.inode!.ino, DT.dir)) return 0
          dir.pos = 2
          file.priv = [...node.list()]
        }
        const names = (file.priv ??= [...node.list()]) as string[]
        for (; dir.pos - 2 < names.length; dir.pos++) {
          const name = names[dir.pos - 2]!
          const child = node.lookup(name)
          if (!child) continue
          // Numbers of inodes that do not exist yet depend on place and name only.
          const ino = file.dentry.children.get(name)?.inode?.ino ?? 0x10000000 + file.inode.ino * 4096 + dir.pos
          if (!dir.emit(name, ino, DT_OF[child.kind])) return 0
        }
        return 0
      },
    ),
    llseek: (file, offset, whence) => {
      const pos = whence === 1 ? file.pos + offset : offset
      if (whence > 1 || pos < 0) return -ERRNO.EINVAL
      if (pos < 2) file.priv = undefined
      file.pos = pos
      return pos
    },
  }

  const fileOps: FileOps = {
    symbol: 'proc_reg_file_ops',
    functions: { open: 'proc_reg_open', read_iter: 'seq_read_iter', llseek: 'seq_lseek' },
    open: vfs.declare(
      'int proc_reg_open(struct inode *inode, struct file *file)',
      (inode: Inode, file: File): number => {
        const node = nodeOf(inode)
        if (node.kind !== 'file') return -ERRNO.EINVAL
        if (!node.read) return 0
        const content = node.read()
        if (typeof content === 'number') return content
        file.priv = typeof content === 'string' ? Uint8Array.from(content, (c) => c.charCodeAt(0)) : content
        return 0
      },
    ),
    readIter: vfs.leaf(
      'ssize_t seq_read_iter(struct kiocb *iocb, struct iov_iter *iter)',
      (io: IoCall, iter: IovIter): number => {
        const bytes = io.file.priv as Uint8Array | undefined
        if (!bytes) return -ERRNO.EINVAL
        const length = Math.min(Math.max(0, bytes.length - io.pos), iter.count)
        const copied = iter.copyTo(bytes, io.pos, length)
        if (copied === 0 && length > 0) return -ERRNO.EFAULT
        io.pos += copied
        return copied
      },
    ),
    writeIter: (io, iter) => {
      const node = nodeOf(io.file.inode)
      if (node.kind !== 'file' || !node.write) return -ERRNO.EINVAL
      const bytes = new Uint8Array(iter.count)
      if (iter.copyFrom(bytes, 0, bytes.length) < bytes.length) return -ERRNO.EFAULT
      let text = ''
      for (const byte of bytes) text += String.fromCharCode(byte)
      return node.write(text)
    },
    llseek: vfs.declare(
      'loff_t seq_lseek(struct file *file, loff_t offset, int whence)',
      (file: File, offset: number, whence: number): number => {
        const pos = whence === 1 ? file.pos + offset : offset
        if (whence > 1 || pos < 0) return -ERRNO.EINVAL
        file.pos = pos
        return pos
      },
    ),
  }

  /** What a link of such a file system leads to, if not to the path that its text names. */
  const jump = (inode: Inode): Path | number | undefined => {
    const node = inode.iop === inodeOps ? nodeOf(inode) : undefined
    return node?.kind === 'link' ? node.jump?.() : undefined
  }
  /** A mountable file system of this tree. */
  const newSuper = (type: FsType, root: GenNode, dev: number): SuperBlock => {
    const sb = vfs.newSuper(type, dev, { mode: S.ifdir | (root.mode ?? 0o555), iop: dirInodeOps, fop: dirOps })
    sb.root.inode!.priv = root
    sb.root.inode!.nlink = 2
    return sb
  }

  return { newSuper, jump, isGenerated: (inode: Inode) => inode.iop === inodeOps }
}

const NO_OPS: FileOps = { symbol: 'no_open_fops', functions: {} }
const DT_OF = { dir: DT.dir, file: DT.reg, link: DT.lnk } as const

/** A tree of generated files that can be added to: paths are relative, without a leading slash. */
export class GenTree {
  readonly #entries = new Map<string, GenNode>()
  readonly #trees = new Map<string, GenTree>()
  readonly #extra: ((name: string) => GenNode | undefined) | undefined
  readonly #extraNames: () => Iterable<string>

  /** `extra` answers for names that nobody added (process ids), `extraNames` lists them. */
  constructor(extra?: (name: string) => GenNode | undefined, extraNames: () => Iterable<string> = () => []) {
    this.#extra = extra
    this.#extraNames = extraNames
  }

  /** The directory itself. */
  readonly node: GenNode = {
    kind: 'dir',
    lookup: (name) => this.#entries.get(name) ?? this.#trees.get(name)?.node ?? this.#extra?.(name),
    list: () => [...this.#entries.keys(), ...this.#trees.keys(), ...this.#extraNames()],
  }

  add(path: string, node: GenNode): this {
    const [first, ...rest] = path.split('/') as [string, ...string[]]
    if (rest.length === 0) this.#entries.set(first, node)
    else this.dir(first).add(rest.join('/'), node)
    return this
  }

  /** A file whose content `read` makes at each open. */
  file(path: string, read: () => string | Uint8Array | number, mode = 0o444): this {
    return this.add(path, genFile(read, mode))
  }

  dir(name: string): GenTree {
    let tree = this.#trees.get(name)
    if (!tree) this.#trees.set(name, (tree = new GenTree()))
    return tree
  }
}
