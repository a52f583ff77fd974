// ramfs: the root file system. Names live in the dentry cache, pinned there; bytes in the page cache. Nothing is ever written back.

import { ERRNO } from '../../base/errno.ts'
import type { Dentry } from './dentry.ts'
import type { File } from './file.ts'
import type { DirContext, FileOps } from './file-ops.ts'
import type { Inode, InodeOps } from './inode.ts'
import { PageCache } from './page-cache.ts'
import { fsgid, fsuid } from './permission.ts'
import type { FsType, SuperBlock } from './super-block.ts'
import { DT, dtype, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

export const RAMFS: FsType = { name: 'rootfs', magic: 0x858458f6 }

/** Names of a directory as they were when reading it began, `.` and `..` left out. */
type Listing = readonly Dentry[]

export function declareRamfs(vfs: Vfs) {
  const { k, context } = vfs
  const { idmapParam } = vfs

  const dirOps: FileOps = {
    symbol: 'simple_dir_operations',
    functions: {
      llseek: 'dcache_dir_lseek',
      read: 'generic_read_dir',
      iterate_shared: 'dcache_readdir',
      fsync: 'noop_fsync',
      open: 'dcache_dir_open',
      release: 'dcache_dir_close',
    },
    open: vfs.declare('int dcache_dir_open(struct inode *inode, struct file *file)', (_inode: Inode, _file: File) => 0),
    release: vfs.declare(
      'int dcache_dir_close(struct inode *inode, struct file *file)',
      (_inode: Inode, _file: File) => 0,
    ),
    read: vfs.declare(
      'ssize_t generic_read_dir(struct file *filp, char __user *buf, size_t siz, loff_t *ppos)',
      (_file: File, _buf: number, _size: number, _io: { at: number }): number => -ERRNO.EISDIR,
    ),
    iterate: vfs.declare(
      'int dcache_readdir(struct file *file, struct dir_context *ctx)',
      (file: File, dir: DirContext): number => {
        const here = file.dentry
        if (dir.pos === 0) {
          if (!dir.emit('.', file.inode.ino, DT.dir)) return 0
          dir.pos = 1
        }
        if (dir.pos === 1) {
          if (!dir.emit('..', here.parent.inode!.ino, DT.dir)) return 0
          dir.pos = 2
          file.priv = undefined
        }
        // Newest first, as the list of a dentry's children has them.
        file.priv ??= [...here.children.values()].reverse()
        const listing = file.priv as Listing
        for (; dir.pos - 2 < listing.length; dir.pos++) {
          const child = listing[dir.pos - 2]!
          if (!child.hashed || !child.inode || child.parent !== here) continue
          if (!dir.emit(child.name, child.inode.ino, dtype(child.inode.mode))) return 0
        }
        return 0
      },
    ),
    llseek: vfs.declare(
      'loff_t dcache_dir_lseek(struct file *file, loff_t offset, int whence)',
      (file: File, offset: number, whence: number): number => {
        const pos = whence === 1 ? file.pos + offset : offset
        if (whence > 1 || pos < 0) return -ERRNO.EINVAL
        if (pos < 2) file.priv = undefined
        file.pos = pos
        return pos
      },
    ),
    fsync: vfs.page.noopFsync,
  }

  const fileOps: FileOps = {
    symbol: 'ramfs_file_operations',
    functions: {
      read_iter: 'generic_file_read_iter',
      write_iter: 'generic_file_write_iter',
      mmap: 'generic_file_mmap',
      fsync: 'noop_fsync',
      llseek: 'generic_file_llseek',
    },
    readIter: vfs.page.readIter,
    writeIter: vfs.page.writeIter,
    fsync: vfs.page.noopFsync,
    llseek: vfs.page.llseek,
    mmap: (file) => file.inode.pages!,
  }

  const fileInodeOps: InodeOps = {
    symbol: 'ramfs_file_inode_operations',
    functions: { setattr: 'simple_setattr', getattr: 'simple_getattr' },
  }
  const linkOps: InodeOps = {
    symbol: 'page_symlink_inode_operations',
    functions: { get_link: 'page_get_link' },
    getLink: (inode) => inode.priv as string,
  }
  const noOps: FileOps = { symbol: 'no_open_fops', functions: {} }

  /** A new inode of any kind, owned by the current task, not linked anywhere. */
  const newInode = (sb: SuperBlock, dir: Inode | undefined, mode: number, dev: number): Inode => {
    const type = mode & S.ifmt
    const inode =
      type === S.ifreg
        ? sb.newInode(mode, fileInodeOps, fileOps)
        : type === S.ifdir
          ? sb.newInode(mode, dirInodeOps, dirOps)
          : type === S.iflnk
            ? sb.newInode(mode, linkOps, noOps)
            : sb.newInode(mode, SPECIAL_OPS, noOps)
    if (type === S.ifreg || type === S.iflnk) inode.pages = new PageCache(context, inode, undefined, 0)
    if (type === S.ifdir) inode.nlink = 2
    if (type !== S.ifreg && type !== S.ifdir && type !== S.iflnk) vfs.initSpecial(inode, mode, dev)
    inode.uid = fsuid(k)
    inode.gid = fsgid(k)
    if (dir && dir.mode & S.isgid) {
      inode.gid = dir.gid
      if (type === S.ifdir) inode.mode |= S.isgid
    }
    return inode
  }
  let made: Inode | undefined
  const getInode = vfs.declare(
    'struct inode *ramfs_get_inode(struct super_block *sb, const struct inode *dir, umode_t mode, dev_t dev)',
    (sb: SuperBlock, dir: Inode, mode: number, dev: number): number => {
      made = newInode(sb, dir, mode, dev)
      return made.at
    },
  )

  const mknod = vfs.declare(
    `int ramfs_mknod(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)`,
    (_idmap: number, dir: Inode, dentry: Dentry, mode: number, dev: number): number => {
      getInode(dir.sb, dir, mode, dev)
      vfs.pin(dentry, made!)
      dir.touch('mtime', 'ctime')
      return 0
    },
  )
  const create = vfs.declare(
    `int ramfs_create(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode, bool excl)`,
    (idmap: number, dir: Inode, dentry: Dentry, mode: number, _excl: number): number =>
      mknod(idmap, dir, dentry, mode | S.ifreg, 0),
  )
  const mkdir = vfs.declare(
    `int ramfs_mkdir(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode)`,
    (idmap: number, dir: Inode, dentry: Dentry, mode: number): number => {
      const failed = mknod(idmap, dir, dentry, mode | S.ifdir, 0)
      if (failed === 0) dir.nlink++
      return failed
    },
  )
  const setTarget = (inode: Inode, target: string): void => {
    inode.priv = target
    inode.size = target.length
    context.mem.writeCstring(inode.pages!.page(0), target, 4096)
  }
  const symlink = vfs.declare(
    `int ramfs_symlink(${idmapParam}, struct inode *dir, struct dentry *dentry, const char *symname)`,
    (_idmap: number, dir: Inode, dentry: Dentry, _symname: number, target: string): number => {
      getInode(dir.sb, dir, S.iflnk | 0o777, 0)
      setTarget(made!, target)
      vfs.pin(dentry, made!)
      dir.touch('mtime', 'ctime')
      return 0
    },
  )

  const lookup = vfs.declare(
    'struct dentry *simple_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)',
    // What exists is in the dentry cache; whatever is asked for here does not.
    (_dir: Inode, dentry: Dentry, _flags: number): number => (dentry.name.length > 255 ? -ERRNO.ENAMETOOLONG : 0),
  )
  const unlink = vfs.declare(
    'int simple_unlink(struct inode *dir, struct dentry *dentry)',
    (dir: Inode, dentry: Dentry): number => {
      const inode = dentry.inode!
      dir.touch('mtime', 'ctime')
      inode.touch('ctime')
      inode.nlink--
      dentry.volatile = true
      dentry.put()
      return 0
    },
  )
  const rmdir = vfs.declare(
    'int simple_rmdir(struct inode *dir, struct dentry *dentry)',
    (dir: Inode, dentry: Dentry): number => {
      if (!isEmpty(dentry)) return -ERRNO.ENOTEMPTY
      dentry.inode!.nlink--
      unlink(dir, dentry)
      dir.nlink--
      return 0
    },
  )
  const link = vfs.declare(
    'int simple_link(struct dentry *old_dentry, struct inode *dir, struct dentry *dentry)',
    (old: Dentry, dir: Inode, dentry: Dentry): number => {
      const inode = old.inode!
      inode.nlink++
      inode.hold()
      inode.touch('ctime')
      vfs.pin(dentry, inode)
      dir.touch('mtime', 'ctime')
      return 0
    },
  )
  const rename = vfs.declare(
    `int simple_rename(${idmapParam}, struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)`,
    (_idmap: number, oldDir: Inode, old: Dentry, newDir: Inode, target: Dentry, _flags: number): number => {
      const isDir = old.inode!.isDir
      if (target.inode) {
        if (!isEmpty(target)) return -ERRNO.ENOTEMPTY
        unlink(newDir, target)
        if (isDir) {
          target.inode.nlink--
          oldDir.nlink--
        }
      } else if (isDir) {
        oldDir.nlink--
        newDir.nlink++
      }
      oldDir.touch('mtime', 'ctime')
      newDir.touch('mtime', 'ctime')
      old.inode!.touch('ctime')
      return 0
    },
  )

  const dirInodeOps: InodeOps = {
    symbol: 'ramfs_dir_inode_operations',
    functions: {
      create: 'ramfs_create',
      lookup: 'simple_lookup',
      link: 'simple_link',
      unlink: 'simple_unlink',
      symlink: 'ramfs_symlink',
      mkdir: 'ramfs_mkdir',
      rmdir: 'simple_rmdir',
      mknod: 'ramfs_mknod',
      rename: 'simple_rename',
    },
    lookup: (dir, dentry) => lookup(dir, dentry, 0),
    create: (dir, dentry, mode) => create(vfs.idmap, dir, dentry, mode, 0),
    link,
    unlink,
    symlink: (dir, dentry, target) => symlink(vfs.idmap, dir, dentry, 0, target),
    mkdir: (dir, dentry, mode) => mkdir(vfs.idmap, dir, dentry, mode),
    rmdir,
    mknod: (dir, dentry, mode, dev) => mknod(vfs.idmap, dir, dentry, mode, dev),
    rename: (oldDir, old, newDir, target, flags) => rename(vfs.idmap, oldDir, old, newDir, target, flags),
  }

  return { dirOps, fileOps, dirInodeOps, newInode, setTarget }
}

const SPECIAL_OPS: InodeOps = { symbol: 'ramfs_file_inode_operations', functions: {} }

function isEmpty(dentry: Dentry): boolean {
  for (const child of dentry.children.values()) if (child.inode) return false
  return true
}
