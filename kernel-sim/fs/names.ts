// Changing and reading directories and links: unlink, mkdir, rmdir, rename, link, symlink, mknod, readlink, getdents, access, chdir.

import { ERRNO } from '../../base/errno.ts'
import { after, type MaybeWait } from '../wait.ts'
import type { Dentry } from './dentry.ts'
import type { File } from './file.ts'
import type { DirContext } from './file-ops.ts'
import type { FsStruct } from './fs-struct.ts'
import type { Inode } from './inode.ts'
import { type Path, pathName } from './mount.ts'
import { type Filename, LAST, LOOKUP, type Nameidata } from './namei.ts'
import { capable } from './permission.ts'
import { AT, CAP, decodeDev, MAY, PATH_MAX, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const RENAME = { noreplace: 1, exchange: 2, whiteout: 4 } as const

export function declareNames(vfs: Vfs) {
  const { k, context, layout } = vfs
  const { mem } = context
  const { namei, permission } = vfs
  const { idmapParam } = vfs

  /** Run `body` with the name at a user address; the struct filename is given back afterwards. */
  const withName = (address: number, body: (name: Filename) => MaybeWait<number>): MaybeWait<number> => {
    const name = namei.getname(address)
    if (typeof name === 'number') return name
    return after(body(name), (result) => {
      namei.putname(name)
      return result
    })
  }

  const securityUnlink = vfs.security('int security_inode_unlink(struct inode *dir, struct dentry *dentry)')
  const securityPathUnlink = vfs.security('int security_path_unlink(const struct path *dir, struct dentry *dentry)')
  const vfsUnlink = vfs.declare(
    `int vfs_unlink(${idmapParam}, struct inode *dir, struct dentry *dentry, struct inode **delegated_inode)`,
    (idmap: number, dir: Inode, dentry: Dentry, _delegated: number): number => {
      const refused = permission.mayDelete(idmap, dir, dentry, 0)
      if (refused) return refused
      if (!dir.iop.unlink) return -ERRNO.EPERM
      if (dentry.mounts.length > 0) return -ERRNO.EBUSY
      const failed = securityUnlink(dir, dentry) || dir.iop.unlink(dir, dentry)
      if (failed === 0) dentry.unhash()
      return failed
    },
  )
  const doUnlinkat = vfs.leaf(
    'int do_unlinkat(int dfd, struct filename *name)',
    (dfd: number, name: Filename): number => {
      const nd = namei.parentOf(dfd, name)
      if (typeof nd === 'number') return nd
      const result = unlinkIn(nd)
      nd.drop()
      return result
    },
  )
  const unlinkIn = (nd: Nameidata): number => {
    if (nd.lastType !== LAST.norm) return -ERRNO.EISDIR
    const dentry = namei.lookupExcl(nd)
    if (typeof dentry === 'number') return dentry
    let result: number
    if (!dentry.inode) result = -ERRNO.ENOENT
    else if (nd.trailingSlash) result = dentry.inode.isDir ? -ERRNO.EISDIR : -ERRNO.ENOTDIR
    else {
      result = securityPathUnlink(nd.at, dentry)
      if (result === 0) result = vfsUnlink(vfs.idmap, nd.path.dentry.inode!, dentry, 0)
    }
    dentry.put()
    return result
  }

  const securityRmdir = vfs.security('int security_inode_rmdir(struct inode *dir, struct dentry *dentry)')
  const securityPathRmdir = vfs.security('int security_path_rmdir(const struct path *dir, struct dentry *dentry)')
  const vfsRmdir = vfs.declare(
    `int vfs_rmdir(${idmapParam}, struct inode *dir, struct dentry *dentry)`,
    (idmap: number, dir: Inode, dentry: Dentry): number => {
      const refused = permission.mayDelete(idmap, dir, dentry, 1)
      if (refused) return refused
      if (!dir.iop.rmdir) return -ERRNO.EPERM
      if (dentry.mounts.length > 0) return -ERRNO.EBUSY
      const failed = securityRmdir(dir, dentry) || dir.iop.rmdir(dir, dentry)
      if (failed === 0) dentry.unhash()
      return failed
    },
  )
  const doRmdir = vfs.leaf('int do_rmdir(int dfd, struct filename *name)', (dfd: number, name: Filename): number => {
    const nd = namei.parentOf(dfd, name)
    if (typeof nd === 'number') return nd
    const result = rmdirIn(nd)
    nd.drop()
    return result
  })
  const rmdirIn = (nd: Nameidata): number => {
    if (nd.lastType === LAST.dotdot) return -ERRNO.ENOTEMPTY
    if (nd.lastType === LAST.dot) return -ERRNO.EINVAL
    if (nd.lastType === LAST.root) return -ERRNO.EBUSY
    const dentry = namei.lookupExcl(nd)
    if (typeof dentry === 'number') return dentry
    let result: number = -ERRNO.ENOENT
    if (dentry.inode) {
      result = securityPathRmdir(nd.at, dentry)
      if (result === 0) result = vfsRmdir(vfs.idmap, nd.path.dentry.inode!, dentry)
    }
    dentry.put()
    return result
  }

  const securityMkdir = vfs.security('int security_inode_mkdir(struct inode *dir, struct dentry *dentry, umode_t mode)')
  const securityPathMkdir = vfs.security(
    'int security_path_mkdir(const struct path *dir, struct dentry *dentry, umode_t mode)',
  )
  const vfsMkdir = vfs.declare(
    `int vfs_mkdir(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode)`,
    (_idmap: number, dir: Inode, dentry: Dentry, mode: number): number => {
      const refused = permission.mayCreate(dir, dentry)
      if (refused) return refused
      if (!dir.iop.mkdir) return -ERRNO.EPERM
      return securityMkdir(dir, dentry, mode) || dir.iop.mkdir(dir, dentry, mode & 0o1777)
    },
  )

  /** Make something new with `make` where the name says. */
  const create = (
    dfd: number,
    name: Filename,
    flags: number,
    make: (dir: Inode, dentry: Dentry, nd: Nameidata) => number,
  ): number => {
    const found = namei.filenameCreate(dfd, name, flags)
    if (typeof found === 'number') return found
    const result = make(found.nd.path.dentry.inode!, found.dentry, found.nd)
    found.dentry.put()
    found.nd.drop()
    return result
  }

  const doMkdirat = vfs.leaf(
    'int do_mkdirat(int dfd, struct filename *name, umode_t mode)',
    (dfd: number, name: Filename, mode: number): number =>
      create(dfd, name, LOOKUP.directory, (dir, dentry, nd) => {
        const masked = mode & ~k.current.fs!.umask
        return securityPathMkdir(nd.at, dentry, masked) || vfsMkdir(vfs.idmap, dir, dentry, masked)
      }),
  )

  const securityCreate = (dir: Inode, dentry: Dentry, mode: number): number =>
    vfs.securityInodeCreate(dir, dentry, mode)
  const vfsCreate = vfs.declare(
    `int vfs_create(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode, bool want_excl)`,
    (_idmap: number, dir: Inode, dentry: Dentry, mode: number, _excl: number): number => {
      const refused = permission.mayCreate(dir, dentry)
      if (refused) return refused
      if (!dir.iop.create) return -ERRNO.EACCES
      return securityCreate(dir, dentry, mode) || dir.iop.create(dir, dentry, mode)
    },
  )
  const vfsMknod = vfs.declare(
    `int vfs_mknod(${idmapParam}, struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)`,
    (_idmap: number, dir: Inode, dentry: Dentry, mode: number, dev: number): number => {
      const refused = permission.mayCreate(dir, dentry)
      if (refused) return refused
      const type = mode & S.ifmt
      if ((type === S.ifchr || type === S.ifblk) && !capable(k, CAP.mknod)) return -ERRNO.EPERM
      return dir.iop.mknod ? dir.iop.mknod(dir, dentry, mode, dev) : -ERRNO.EPERM
    },
  )
  const doMknodat = vfs.leaf(
    'int do_mknodat(int dfd, struct filename *name, umode_t mode, unsigned int dev)',
    (dfd: number, name: Filename, mode: number, dev: number): number => {
      const type = mode & S.ifmt
      if (type === S.ifdir) return -ERRNO.EPERM
      if (type === S.iflnk || (type !== 0 && !MKNOD_TYPES.includes(type))) return -ERRNO.EINVAL
      return create(dfd, name, 0, (dir, dentry) => {
        const masked = (mode & ~k.current.fs!.umask) | (type === 0 ? S.ifreg : 0)
        if ((masked & S.ifmt) === S.ifreg) return vfsCreate(vfs.idmap, dir, dentry, masked, 1)
        return vfsMknod(vfs.idmap, dir, dentry, masked, type === S.ifchr || type === S.ifblk ? decodeDev(dev) : 0)
      })
    },
  )

  const securitySymlink = vfs.security(
    'int security_inode_symlink(struct inode *dir, struct dentry *dentry, const char *old_name)',
  )
  const vfsSymlink = vfs.declare(
    `int vfs_symlink(${idmapParam}, struct inode *dir, struct dentry *dentry, const char *oldname)`,
    (_idmap: number, dir: Inode, dentry: Dentry, oldname: number, target: string): number => {
      const refused = permission.mayCreate(dir, dentry)
      if (refused) return refused
      if (!dir.iop.symlink) return -ERRNO.EPERM
      return securitySymlink(dir, dentry, oldname) || dir.iop.symlink(dir, dentry, target)
    },
  )
  const doSymlinkat = vfs.leaf(
    'int do_symlinkat(struct filename *from, int newdfd, struct filename *to)',
    (from: Filename, dfd: number, to: Filename): number =>
      create(dfd, to, 0, (dir, dentry) =>
        vfsSymlink(vfs.idmap, dir, dentry, from.at + layout.filename.iname, from.name),
      ),
  )

  const securityLink = vfs.security(
    'int security_inode_link(struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)',
  )
  const vfsLink = vfs.declare(
    `int vfs_link(struct dentry *old_dentry, ${idmapParam}, struct inode *dir, struct dentry *new_dentry, struct inode **delegated_inode)`,
    (old: Dentry, _idmap: number, dir: Inode, dentry: Dentry, _delegated: number): number => {
      const inode = old.inode
      if (!inode) return -ERRNO.ENOENT
      const refused = permission.mayCreate(dir, dentry)
      if (refused) return refused
      if (dir.sb !== inode.sb) return -ERRNO.EXDEV
      if (!dir.iop.link || inode.isDir) return -ERRNO.EPERM
      const denied = securityLink(old, dir, dentry)
      if (denied) return denied
      if (inode.nlink === 0) return -ERRNO.ENOENT
      return dir.iop.link(old, dir, dentry)
    },
  )
  const doLinkat = vfs.leaf(
    'int do_linkat(int olddfd, struct filename *old, int newdfd, struct filename *new, int flags)',
    (oldDfd: number, old: Filename, newDfd: number, to: Filename, flags: number): number => {
      if (flags & ~(AT.symlinkFollow | AT.emptyPath)) return -ERRNO.EINVAL
      const path = namei.lookupName(oldDfd, old, flags & AT.symlinkFollow ? LOOKUP.follow : 0)
      if (typeof path === 'number') return path
      const result = create(newDfd, to, 0, (dir, dentry, nd) =>
        nd.path.mount !== path.mount ? -ERRNO.EXDEV : vfsLink(path.dentry, vfs.idmap, dir, dentry, 0),
      )
      path.dentry.put()
      return result
    },
  )

  const securityRename = vfs.security(
    'int security_inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)',
  )
  const vfsRename = vfs.declare('int vfs_rename(struct renamedata *rd)', (rd: RenameData): number => {
    const { oldDir, old, newDir, target } = rd
    const inode = old.inode!
    if (target.inode === inode) return 0
    const isDir = inode.isDir ? 1 : 0
    let refused = permission.mayDelete(vfs.idmap, oldDir, old, isDir)
    if (refused === 0)
      refused = target.inode
        ? permission.mayDelete(vfs.idmap, newDir, target, isDir)
        : permission.mayCreate(newDir, target)
    if (refused) return refused
    if (!oldDir.iop.rename) return -ERRNO.EPERM
    // A directory's `..` changes with its parent, so it must be writable itself.
    if (isDir && newDir !== oldDir) {
      const denied = permission.inodePermission(vfs.idmap, inode, MAY.write)
      if (denied) return denied
    }
    const denied = securityRename(oldDir, old, newDir, target, rd.flags)
    if (denied) return denied
    if (old.mounts.length > 0 || target.mounts.length > 0) return -ERRNO.EBUSY
    const failed = oldDir.iop.rename(oldDir, old, newDir, target, rd.flags)
    if (failed) return failed
    target.unhash()
    old.move(target.parent, target.name)
    return 0
  })

  const renameData = (rd: Omit<RenameData, 'at'>): RenameData => {
    const { renamedata } = layout
    k.current.sp -= (Math.max(renamedata.size, 8) + 15) & ~15
    const at = k.current.sp
    if (renamedata.size >= 0) {
      mem.u8.fill(0, at, at + renamedata.size)
      mem.writePtr(at + renamedata.old_idmap, vfs.idmap)
      mem.writePtr(at + renamedata.old_dir, rd.oldDir.at)
      mem.writePtr(at + renamedata.old_dentry, rd.old.at)
      if (renamedata.new_idmap >= 0) mem.writePtr(at + renamedata.new_idmap, vfs.idmap)
      mem.writePtr(at + renamedata.new_dir, rd.newDir.at)
      mem.writePtr(at + renamedata.new_dentry, rd.target.at)
      mem.dv.setInt32(at + renamedata.flags, rd.flags, true)
    }
    return { at, ...rd }
  }

  const renameIn = (from: Nameidata, to: Nameidata, flags: number): number => {
    if (from.path.mount !== to.path.mount) return -ERRNO.EXDEV
    if (from.lastType !== LAST.norm) return -ERRNO.EBUSY
    if (to.lastType !== LAST.norm) return flags & RENAME.noreplace ? -ERRNO.EEXIST : -ERRNO.EBUSY
    const old = namei.lookupExcl(from)
    if (typeof old === 'number') return old
    const target = namei.lookupExcl(to)
    if (typeof target === 'number') {
      old.put()
      return target
    }
    let result: number
    if (!old.inode) result = -ERRNO.ENOENT
    else if (flags & RENAME.noreplace && target.inode) result = -ERRNO.EEXIST
    else if (!old.inode.isDir && (from.trailingSlash || to.trailingSlash)) result = -ERRNO.ENOTDIR
    else if (isAncestor(old, to.path.dentry)) result = -ERRNO.EINVAL
    else if (target.inode && isAncestor(target, from.path.dentry)) result = -ERRNO.ENOTEMPTY
    else {
      const data = { oldDir: from.path.dentry.inode!, old, newDir: to.path.dentry.inode!, target, flags }
      result = vfsRename(renameData(data))
    }
    target.put()
    old.put()
    return result
  }
  const doRenameat2 = vfs.leaf(
    'int do_renameat2(int olddfd, struct filename *from, int newdfd, struct filename *to, unsigned int flags)',
    (oldDfd: number, old: Filename, newDfd: number, name: Filename, flags: number): number => {
      if (flags & ~RENAME.noreplace) return -ERRNO.EINVAL
      const from = namei.parentOf(oldDfd, old)
      if (typeof from === 'number') return from
      const to = namei.parentOf(newDfd, name)
      const result = typeof to === 'number' ? to : renameIn(from, to, flags)
      if (typeof to !== 'number') to.drop()
      from.drop()
      return result
    },
  )

  const securityReadlink = vfs.security('int security_inode_readlink(struct dentry *dentry)')
  const vfsReadlink = vfs.declare(
    'int vfs_readlink(struct dentry *dentry, char __user *buffer, int buflen)',
    (dentry: Dentry, buffer: number, length: number): number => {
      const inode = dentry.inode!
      const jump = vfs.jumpTarget(inode)
      if (typeof jump === 'number') return jump
      const text = jump ? pathName(jump, k.current.fs!.root) : inode.iop.getLink!(inode)
      const bytes = Uint8Array.from(text.slice(0, length), (c) => c.charCodeAt(0))
      return k.current.mm!.write(buffer, bytes, 0, bytes.length) > 0 ? -ERRNO.EFAULT : bytes.length
    },
  )
  const doReadlinkat = vfs.leaf(
    'int do_readlinkat(int dfd, const char __user *pathname, char __user *buf, int bufsiz)',
    (dfd: number, address: number, buffer: number, size: number): number => {
      if (size <= 0) return -ERRNO.EINVAL
      const path = namei.userPathAt(dfd, address, LOOKUP.empty)
      if (typeof path === 'number') return path
      let result = path.dentry.inode!.isLink ? securityReadlink(path.dentry) : -ERRNO.EINVAL
      if (result === 0) result = vfsReadlink(path.dentry, buffer, size)
      path.dentry.put()
      return result
    },
  )

  const iterateDir = vfs.declare(
    'int iterate_dir(struct file *file, struct dir_context *ctx)',
    (file: File, _ctx: number, dir: DirContext): number => {
      if (!file.fop.iterate) return -ERRNO.ENOTDIR
      const refused = vfs.securityFilePermission(file, MAY.read)
      if (refused) return refused
      if (file.inode.nlink === 0) return -ERRNO.ENOENT
      dir.pos = file.pos
      const result = file.fop.iterate(file, dir)
      file.pos = dir.pos
      file.inode.touch('atime')
      return result
    },
  )
  /** getdents64(2): bytes of records, 0 at the end. */
  const getdents64 = (fd: number, buffer: number, size: number): number => {
    const file = vfs.usable(fd)
    if (!file) return -ERRNO.EBADF
    const out = new DirentWriter(Math.min(size >>> 0, MAX_DIRENT_BYTES))
    const failed = iterateDir(file, 0, out)
    if (out.length === 0) return failed || (out.full ? -ERRNO.EINVAL : 0)
    out.close()
    return k.current.mm!.write(buffer, out.bytes, 0, out.length) > 0 ? -ERRNO.EFAULT : out.length
  }

  const faccessat = vfs.leaf(
    'int do_faccessat(int dfd, const char __user *filename, int mode, int flags)',
    (dfd: number, address: number, mode: number, flags: number): number => {
      if (mode & ~7 || flags & ~(AT.eaccess | AT.symlinkNofollow | AT.emptyPath)) return -ERRNO.EINVAL
      const follow = flags & AT.symlinkNofollow ? 0 : LOOKUP.follow
      const path = namei.userPathAt(dfd, address, follow | (flags & AT.emptyPath ? LOOKUP.empty : 0))
      if (typeof path === 'number') return path
      const inode = path.dentry.inode!
      const check = (): number => permission.inodePermission(vfs.idmap, inode, mode | MAY.access)
      const result = flags & AT.eaccess ? check() : vfs.withRealIds(check)
      path.dentry.put()
      return result
    },
  )

  const setFsPwd = vfs.declare(
    'void set_fs_pwd(struct fs_struct *fs, const struct path *path)',
    (fs: FsStruct, _path: number, path: Path): void => fs.chdir(path),
  )
  const enter = (path: Path): number => {
    if (!path.dentry.inode!.isDir) return -ERRNO.ENOTDIR
    const refused = permission.inodePermission(vfs.idmap, path.dentry.inode!, MAY.exec | MAY.chdir)
    if (refused === 0) setFsPwd(k.current.fs!, 0, path)
    return refused
  }
  const chdir = (address: number): number => {
    const path = namei.userPathAt(AT.fdcwd, address, LOOKUP.follow | LOOKUP.directory)
    if (typeof path === 'number') return path
    const result = enter(path)
    path.dentry.put()
    return result
  }
  const fchdir = (fd: number): number => {
    const file = vfs.fds.get(fd)
    return file ? enter(file.path) : -ERRNO.EBADF
  }
  const chroot = (address: number): number => {
    const path = namei.userPathAt(AT.fdcwd, address, LOOKUP.follow | LOOKUP.directory)
    if (typeof path === 'number') return path
    const result = capable(k, CAP.sysChroot) ? 0 : -ERRNO.EPERM
    if (result === 0) k.current.fs!.chroot(path)
    path.dentry.put()
    return result
  }
  /** getcwd(2): bytes with the NUL; -ENOENT in a removed directory, -ERANGE when it does not fit. */
  const getcwd = (buffer: number, size: number): number => {
    const { pwd, root } = k.current.fs!
    if (!pwd.dentry.hashed && pwd.dentry.parent !== pwd.dentry) return -ERRNO.ENOENT
    const bytes = Uint8Array.from(pathName(pwd, root) + '\0', (c) => c.charCodeAt(0))
    if (bytes.length > PATH_MAX) return -ERRNO.ENAMETOOLONG
    if (bytes.length > size) return -ERRNO.ERANGE
    return k.current.mm!.write(buffer, bytes, 0, bytes.length) > 0 ? -ERRNO.EFAULT : bytes.length
  }

  const mkdir = (dfd: number, at: number, mode: number): MaybeWait<number> =>
    withName(at, (name) => doMkdirat(dfd, name, mode))
  const unlink = (dfd: number, at: number): MaybeWait<number> => withName(at, (name) => doUnlinkat(dfd, name))
  const rmdir = (dfd: number, at: number): MaybeWait<number> => withName(at, (name) => doRmdir(dfd, name))
  const mknod = (dfd: number, at: number, mode: number, dev: number): MaybeWait<number> =>
    withName(at, (name) => doMknodat(dfd, name, mode, dev))
  const symlink = (target: number, dfd: number, at: number): MaybeWait<number> =>
    withName(target, (from) => withName(at, (to) => doSymlinkat(from, dfd, to)))
  const link = (oldDfd: number, old: number, newDfd: number, at: number, flags: number): MaybeWait<number> =>
    withName(old, (from) => withName(at, (to) => doLinkat(oldDfd, from, newDfd, to, flags)))
  const rename = (oldDfd: number, old: number, newDfd: number, at: number, flags: number): MaybeWait<number> =>
    withName(old, (from) => withName(at, (to) => doRenameat2(oldDfd, from, newDfd, to, flags)))

  // biome-ignore format: one name a word
  return {
    mkdir, unlink, rmdir, mknod, symlink, link, rename, readlink: doReadlinkat, getdents64, faccessat, chdir, fchdir, chroot, getcwd,
    vfsMknod, iterateDir,
  }
}

const MKNOD_TYPES: readonly number[] = [S.ifreg, S.ifchr, S.ifblk, S.ififo, S.ifsock]
const MAX_DIRENT_BYTES = 1 << 20

interface RenameData {
  readonly at: number
  readonly oldDir: Inode
  readonly old: Dentry
  readonly newDir: Inode
  readonly target: Dentry
  readonly flags: number
}

function isAncestor(dentry: Dentry, of: Dentry): boolean {
  for (let at = of; ; at = at.parent) {
    if (at === dentry) return true
    if (at.parent === at) return false
  }
}

/** Records of getdents64: struct linux_dirent64, each padded to 8 bytes. */
class DirentWriter implements DirContext {
  pos = 0
  length = 0
  full = false
  readonly bytes: Uint8Array
  readonly #view: DataView
  #last = -1

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.#view = new DataView(this.bytes.buffer)
  }

  emit(name: string, ino: number, type: number): boolean {
    const size = (19 + name.length + 1 + 7) & ~7
    if (this.length + size > this.bytes.length) {
      this.full = true
      return false
    }
    const at = this.length
    this.#setOffset(this.pos)
    this.#view.setUint32(at, ino % 0x1_0000_0000, true)
    this.#view.setUint32(at + 4, Math.floor(ino / 0x1_0000_0000), true)
    this.#view.setUint16(at + 16, size, true)
    this.bytes[at + 18] = type
    for (let i = 0; i < name.length; i++) this.bytes[at + 19 + i] = name.charCodeAt(i)
    this.#last = at
    this.length += size
    return true
  }

  /** d_off of the last record: where the next call goes on. */
  close(): void {
    this.#setOffset(this.pos)
  }

  #setOffset(offset: number): void {
    if (this.#last < 0) return
    this.#view.setUint32(this.#last + 8, offset % 0x1_0000_0000, true)
    this.#view.setUint32(this.#last + 12, Math.floor(offset / 0x1_0000_0000), true)
  }
}
