// Changing what a file is: size, mode, owner, times. All go through notify_change().

import { ERRNO } from '../../base/errno.ts'
import type { Dentry } from './dentry.ts'
import type { File } from './file.ts'
import type { Inode } from './inode.ts'
import type { Path } from './mount.ts'
import { LOOKUP } from './namei.ts'
import { capable, fsuid, inGroup, ownerOrCapable } from './permission.ts'
import { AT, CAP, FMODE, MAY, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** ia_valid bits, and what struct iattr holds of a change. */
// biome-ignore format: a table reads better dense
const ATTR = {
  mode: 1, uid: 2, gid: 4, size: 8, atime: 16, mtime: 32, ctime: 64, atimeSet: 128, mtimeSet: 256, force: 512, killSuid: 2048,
  killSgid: 4096, file: 8192, touch: 1 << 17, open: 1 << 15,
} as const

interface Change {
  valid: number
  mode?: number
  uid?: number
  gid?: number
  size?: number
  atime?: Time
  mtime?: Time
}
interface Time {
  readonly sec: number
  readonly nsec: number
}

const UTIME_NOW = 0x3fffffff
const UTIME_OMIT = 0x3ffffffe

export function declareAttr(vfs: Vfs) {
  const { k, context } = vfs
  const { mem } = context
  const iattr = k.layouts.bind('iattr', {
    valid: 'ia_valid',
    mode: 'ia_mode',
    uid: 'ia_uid|ia_vfsuid',
    gid: 'ia_gid|ia_vfsgid',
    size: 'ia_size',
  })
  const iattrBytes = (Math.max(k.layouts.sizeOf('iattr'), 16) + 15) & ~15

  const newIattr = (change: Change): number => {
    k.current.sp -= iattrBytes
    const at = k.current.sp
    mem.u8.fill(0, at, at + iattrBytes)
    if (iattr.valid < 0) return at
    mem.dv.setInt32(at + iattr.valid, change.valid, true)
    mem.dv.setUint16(at + iattr.mode, change.mode ?? 0, true)
    mem.dv.setUint32(at + iattr.uid, change.uid ?? 0, true)
    mem.dv.setUint32(at + iattr.gid, change.gid ?? 0, true)
    mem.writeInt64(at + iattr.size, change.size ?? 0)
    return at
  }

  /** setattr_prepare(): whether the current task may. */
  const mayChange = (inode: Inode, change: Change): number => {
    if (change.valid & ATTR.force) return 0
    if (change.uid !== undefined && change.uid !== inode.uid && !capable(k, CAP.chown)) return -ERRNO.EPERM
    if (change.uid !== undefined && fsuid(k) !== inode.uid && !capable(k, CAP.chown)) return -ERRNO.EPERM
    if (change.gid !== undefined && !(fsuid(k) === inode.uid && (change.gid === inode.gid || inGroup(k, change.gid))))
      if (!capable(k, CAP.chown)) return -ERRNO.EPERM
    if (change.valid & ATTR.mode && !ownerOrCapable(k, inode)) return -ERRNO.EPERM
    if (change.valid & (ATTR.atimeSet | ATTR.mtimeSet) && !ownerOrCapable(k, inode)) return -ERRNO.EPERM
    return 0
  }

  const simpleSetattr = vfs.declare(
    `int simple_setattr(${vfs.idmapParam}, struct dentry *dentry, struct iattr *iattr)`,
    (_idmap: number, dentry: Dentry, _iattr: number, change: Change): number => {
      const inode = dentry.inode!
      const refused = mayChange(inode, change)
      if (refused) return refused
      if (change.size !== undefined) {
        inode.pages?.truncate(change.size)
        inode.size = change.size
      }
      if (change.uid !== undefined) inode.uid = change.uid
      if (change.gid !== undefined) inode.gid = change.gid
      if (change.mode !== undefined) {
        let { mode } = change
        if (!inGroup(k, inode.gid) && !capable(k, CAP.fsetid)) mode &= ~S.isgid
        inode.mode = (inode.mode & S.ifmt) | (mode & 0o7777)
      }
      if (change.valid & ATTR.atime) inode.setTime('atime', change.atime ?? context.now())
      if (change.valid & ATTR.mtime) inode.setTime('mtime', change.mtime ?? context.now())
      inode.touch('ctime')
      return 0
    },
  )

  const security = vfs.security(
    `int security_inode_setattr(${vfs.isLegacy ? vfs.idmapParam : 'struct mnt_idmap *idmap'}, struct dentry *dentry, struct iattr *attr)`,
  )
  const notifyChange = vfs.declare(
    `int notify_change(${vfs.idmapParam}, struct dentry *dentry, struct iattr *attr, struct inode **delegated_inode)`,
    (idmap: number, dentry: Dentry, at: number, _delegated: number, change: Change): number => {
      const inode = dentry.inode!
      if (change.valid & ATTR.touch && !ownerOrCapable(k, inode)) {
        const refused = vfs.permission.inodePermission(idmap, inode, MAY.write)
        if (refused) return refused
      }
      // Set-user-id does not survive a change of owner, except on directories.
      if (change.valid & (ATTR.killSuid | ATTR.killSgid) && !inode.isDir) {
        const kept = inode.mode & ~(S.isuid | (inode.mode & S.ixgrp ? S.isgid : 0))
        if (kept !== inode.mode) change.mode = kept & 0o7777
      }
      return security(idmap, dentry, at) || simpleSetattr(idmap, dentry, at, change)
    },
  )

  const doTruncate = vfs.declare(
    `int do_truncate(${vfs.idmapParam}, struct dentry *dentry, loff_t length, unsigned int time_attrs, struct file *filp)`,
    (idmap: number, dentry: Dentry, length: number, timeAttrs: number, _file: File | undefined): number => {
      if (length < 0) return -ERRNO.EINVAL
      const change: Change = { valid: ATTR.size | ATTR.mtime | ATTR.ctime | ATTR.force | timeAttrs, size: length }
      return notifyChange(idmap, dentry, newIattr(change), 0, change)
    },
  )

  const securityTruncate = vfs.security('int security_path_truncate(const struct path *path)')
  const vfsTruncate = vfs.declare(
    'long vfs_truncate(const struct path *path, loff_t length)',
    (pathAt: number, length: number, path: Path): number => {
      const inode = path.dentry.inode!
      if (inode.isDir) return -ERRNO.EISDIR
      if (!inode.isRegular) return -ERRNO.EINVAL
      const refused = vfs.permission.inodePermission(vfs.idmap, inode, MAY.write) || securityTruncate(pathAt)
      return refused || doTruncate(vfs.idmap, path.dentry, length, 0, undefined)
    },
  )
  const truncate = vfs.declare(
    'long do_sys_truncate(const char __user *pathname, loff_t length)',
    (address: number, length: number): number => {
      if (length < 0) return -ERRNO.EINVAL
      const path = vfs.namei.userPathAt(AT.fdcwd, address, LOOKUP.follow)
      if (typeof path === 'number') return path
      const result = vfsTruncate(0, length, path)
      path.dentry.put()
      return result
    },
  )
  const ftruncate = vfs.declare(
    'long do_sys_ftruncate(unsigned int fd, loff_t length, int small)',
    (fd: number, length: number, _small: number): number => {
      if (length < 0) return -ERRNO.EINVAL
      const file = vfs.usable(fd)
      if (!file) return -ERRNO.EBADF
      if (!file.inode.isRegular || !(file.mode & FMODE.write)) return -ERRNO.EINVAL
      return doTruncate(vfs.idmap, file.dentry, length, 0, file)
    },
  )

  const securityChmod = vfs.security('int security_path_chmod(const struct path *path, umode_t mode)')
  const chmodCommon = vfs.declare(
    'int chmod_common(const struct path *path, umode_t mode)',
    (pathAt: number, mode: number, path: Path): number => {
      const refused = securityChmod(pathAt, mode)
      if (refused) return refused
      if (path.dentry.inode!.isLink) return -ERRNO.EOPNOTSUPP
      const change: Change = { valid: ATTR.mode | ATTR.ctime, mode: mode & 0o7777 }
      return notifyChange(vfs.idmap, path.dentry, newIattr(change), 0, change)
    },
  )
  const chmod = (dfd: number, address: number, mode: number, flags: number): number => {
    const path = vfs.namei.userPathAt(dfd, address, pathFlags(flags))
    if (typeof path === 'number') return path
    const result = chmodCommon(0, mode, path)
    path.dentry.put()
    return result
  }
  const fchmod = (fd: number, mode: number): number => {
    const file = vfs.usable(fd)
    return file ? chmodCommon(file.pathAt, mode, file.path) : -ERRNO.EBADF
  }

  const securityChown = vfs.security('int security_path_chown(const struct path *path, kuid_t uid, kgid_t gid)')
  const chownCommon = vfs.declare(
    'int chown_common(const struct path *path, uid_t user, gid_t group)',
    (pathAt: number, user: number, group: number, path: Path): number => {
      const change: Change = { valid: ATTR.ctime }
      if (user !== -1) {
        change.valid |= ATTR.uid
        change.uid = user
      }
      if (group !== -1) {
        change.valid |= ATTR.gid
        change.gid = group
      }
      if (!path.dentry.inode!.isDir) change.valid |= ATTR.killSuid | ATTR.killSgid
      const refused = securityChown(pathAt, user, group)
      return refused || notifyChange(vfs.idmap, path.dentry, newIattr(change), 0, change)
    },
  )
  const chown = vfs.declare(
    'int do_fchownat(int dfd, const char __user *filename, uid_t user, gid_t group, int flag)',
    (dfd: number, address: number, user: number, group: number, flags: number): number => {
      if (flags & ~(AT.symlinkNofollow | AT.emptyPath)) return -ERRNO.EINVAL
      const path = vfs.namei.userPathAt(dfd, address, pathFlags(flags))
      if (typeof path === 'number') return path
      const result = chownCommon(0, user, group, path)
      path.dentry.put()
      return result
    },
  )
  const fchown = (fd: number, user: number, group: number): number => {
    const file = vfs.usable(fd)
    return file ? chownCommon(file.pathAt, user, group, file.path) : -ERRNO.EBADF
  }

  const vfsUtimes = vfs.declare(
    'int vfs_utimes(const struct path *path, struct timespec64 *times)',
    (_path: number, _times: number, times: readonly [Time, Time] | undefined, path: Path): number => {
      const change: Change = { valid: ATTR.ctime | ATTR.mtime | ATTR.atime }
      if (!times || (times[0].nsec === UTIME_NOW && times[1].nsec === UTIME_NOW)) change.valid |= ATTR.touch
      else {
        if (times[0].nsec === UTIME_OMIT) change.valid &= ~ATTR.atime
        else if (times[0].nsec !== UTIME_NOW) change.atime = times[0]
        if (times[1].nsec === UTIME_OMIT) change.valid &= ~ATTR.mtime
        else if (times[1].nsec !== UTIME_NOW) change.mtime = times[1]
        change.valid |= ATTR.atimeSet | ATTR.mtimeSet
      }
      return notifyChange(vfs.idmap, path.dentry, newIattr(change), 0, change)
    },
  )
  /** utimensat(2): `address` 0 means the file behind `dfd`; times are two struct timespec. */
  const utimens = (dfd: number, address: number, times: readonly [Time, Time] | undefined, flags: number): number => {
    for (const { nsec } of times ?? [])
      if (nsec !== UTIME_NOW && nsec !== UTIME_OMIT && (nsec < 0 || nsec > 999_999_999)) return -ERRNO.EINVAL
    if (address === 0 && dfd !== AT.fdcwd) {
      const file = vfs.usable(dfd)
      if (!file) return -ERRNO.EBADF
      return flags ? -ERRNO.EINVAL : vfsUtimes(file.pathAt, 0, times, file.path)
    }
    if (flags & ~(AT.symlinkNofollow | AT.emptyPath)) return -ERRNO.EINVAL
    const path = vfs.namei.userPathAt(dfd, address, pathFlags(flags))
    if (typeof path === 'number') return path
    const result = vfsUtimes(0, 0, times, path)
    path.dentry.put()
    return result
  }

  const pathFlags = (flags: number): number =>
    (flags & AT.symlinkNofollow ? 0 : LOOKUP.follow) | (flags & AT.emptyPath ? LOOKUP.empty : 0)

  return { doTruncate, truncate, ftruncate, chmod, fchmod, chown, fchown, utimens, notifyChange }
}
