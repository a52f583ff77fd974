// What stat(2), statx(2) and statfs(2) say, and how Linux gets there.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { after, type MaybeWait } from '../wait.ts'
import type { Inode } from './inode.ts'
import type { Path } from './mount.ts'
import { type Filename, LOOKUP, PathOut } from './namei.ts'
import { AT, encodeDev, NAME_MAX } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const STATX_BASIC_STATS = 0x7ff
const STAT_BYTES = 144
const STATX_BYTES = 256
const STATFS_BYTES = 120

/** A struct kstat on the kernel stack, with what it was made from. */
export interface Kstat {
  readonly at: number
  path: Path | undefined
}

export function declareStat(vfs: Vfs) {
  const { k, context, layout } = vfs
  const { mem } = context
  const kstatBytes = (Math.max(layout.kstat.size, 16) + 15) & ~15
  const user = new Uint8Array(STATX_BYTES)
  const view = new DataView(user.buffer)

  const newKstat = (): Kstat => {
    k.current.sp -= kstatBytes
    return { at: k.current.sp, path: undefined }
  }

  const fillAttr = (inode: Inode, stat: Kstat): void => {
    const { kstat } = layout
    const { at } = stat
    const { dv } = mem
    mem.u8.fill(0, at, at + kstatBytes)
    dv.setInt32(at + kstat.result_mask, STATX_BASIC_STATS, true)
    dv.setUint16(at + kstat.mode, inode.mode, true)
    dv.setUint32(at + kstat.nlink, inode.nlink, true)
    dv.setUint32(at + kstat.blksize, PAGE_SIZE, true)
    mem.writeInt64(at + kstat.ino, inode.ino)
    dv.setUint32(at + kstat.dev, inode.sb.dev, true)
    dv.setUint32(at + kstat.rdev, inode.rdev, true)
    dv.setUint32(at + kstat.uid, inode.uid, true)
    dv.setUint32(at + kstat.gid, inode.gid, true)
    mem.writeInt64(at + kstat.size, inode.size)
    mem.writeInt64(at + kstat.blocks, inode.blocks)
  }

  const simpleGetattr = vfs.leaf(
    `int simple_getattr(${vfs.idmapParam}, const struct path *path, struct kstat *stat, u32 request_mask, unsigned int query_flags)`,
    (_idmap: number, _path: number, stat: Kstat, _mask: number, _flags: number, inode: Inode): number => {
      inode.iop.refresh?.(inode)
      if (inode.pages) inode.blocks = Math.ceil(inode.size / PAGE_SIZE) * 8
      fillAttr(inode, stat)
      return 0
    },
  )

  const getattrNosec = vfs.declare(
    'int vfs_getattr_nosec(const struct path *path, struct kstat *stat, u32 request_mask, unsigned int query_flags)',
    (pathAt: number, stat: Kstat, mask: number, flags: number, path: Path): MaybeWait<number> => {
      stat.path = path
      return simpleGetattr(vfs.idmap, pathAt, stat, mask, flags, path.dentry.inode!)
    },
  )

  const security = vfs.security('int security_inode_getattr(const struct path *path)')
  const vfsGetattr = vfs.declare(
    'int vfs_getattr(const struct path *path, struct kstat *stat, u32 request_mask, unsigned int query_flags)',
    (pathAt: number, stat: Kstat, mask: number, flags: number, path: Path): MaybeWait<number> =>
      security(pathAt) || getattrNosec(pathAt, stat, mask, flags, path),
  )

  const vfsFstat = vfs.declare(
    'int vfs_fstat(int fd, struct kstat *stat)',
    (fd: number, stat: Kstat): MaybeWait<number> => {
      const file = vfs.fds.get(fd)
      return file ? vfsGetattr(file.pathAt, stat, STATX_BASIC_STATS, 0, file.path) : -ERRNO.EBADF
    },
  )

  const lookupFlags = (flags: number): number =>
    (flags & AT.symlinkNofollow ? 0 : LOOKUP.follow) | (flags & AT.emptyPath ? LOOKUP.empty : 0)

  const vfsStatx = vfs.declare(
    'int vfs_statx(int dfd, struct filename *filename, int flags, struct kstat *stat, u32 request_mask)',
    (dfd: number, name: Filename, flags: number, stat: Kstat, mask: number): MaybeWait<number> => {
      if (flags & ~(AT.symlinkNofollow | AT.noAutomount | AT.emptyPath | AT.statxSyncType)) return -ERRNO.EINVAL
      const out = new PathOut(vfs)
      const failed = vfs.namei.filenameLookup(dfd, name, lookupFlags(flags), out, 0)
      return after(failed ? k.settle(failed) : 0, (error) => {
        if (error) return error
        // A recording found what the model did not: something empty stands for it.
        if (failed) out.set(vfs.placeholderPath())
        return after(vfsGetattr(out.at, stat, mask, flags, out.path!), (result) => {
          out.path!.dentry.put()
          return result
        })
      })
    },
  )

  const vfsFstatat = vfs.declare(
    'int vfs_fstatat(int dfd, const char __user *filename, struct kstat *stat, int flags)',
    (dfd: number, address: number, stat: Kstat, flags: number): MaybeWait<number> => {
      // An empty name with AT_EMPTY_PATH is the descriptor itself.
      if (flags === AT.emptyPath && dfd >= 0 && k.current.mm?.readString(address, 1) === '') return vfsFstat(dfd, stat)
      const name = vfs.namei.getname(address, flags & AT.emptyPath ? LOOKUP.empty : 0)
      if (typeof name === 'number') return name
      return after(vfsStatx(dfd, name, flags | AT.noAutomount, stat, STATX_BASIC_STATS), (result) => {
        vfs.namei.putname(name)
        return result
      })
    },
  )

  const put64 = (at: number, value: number): void => {
    view.setUint32(at, value % 0x1_0000_0000, true)
    view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true)
  }
  const copyOut = (address: number, bytes: number): number =>
    k.current.mm!.write(address, user, 0, bytes) > 0 ? -ERRNO.EFAULT : 0

  /** cp_new_stat(): struct stat of what `stat` was taken of. */
  const copyStat = (address: number, stat: Kstat): number => {
    const inode = stat.path!.dentry.inode!
    const { kstat } = layout
    user.fill(0, 0, STAT_BYTES)
    put64(0, encodeDev(inode.sb.dev))
    put64(8, mem.readInt64(stat.at + kstat.ino))
    put64(16, mem.dv.getUint32(stat.at + kstat.nlink, true))
    view.setUint32(24, mem.dv.getUint16(stat.at + kstat.mode, true), true)
    view.setUint32(28, mem.dv.getUint32(stat.at + kstat.uid, true), true)
    view.setUint32(32, mem.dv.getUint32(stat.at + kstat.gid, true), true)
    put64(40, encodeDev(inode.rdev))
    put64(48, mem.readInt64(stat.at + kstat.size))
    put64(56, PAGE_SIZE)
    put64(64, mem.readInt64(stat.at + kstat.blocks))
    for (const [at, which] of STAT_TIMES) {
      const time = inode.time(which)
      put64(at, time.sec)
      put64(at + 8, time.nsec)
    }
    return copyOut(address, STAT_BYTES)
  }

  /** cp_statx() */
  const copyStatx = (address: number, stat: Kstat): number => {
    const inode = stat.path!.dentry.inode!
    user.fill(0, 0, STATX_BYTES)
    view.setUint32(0, STATX_BASIC_STATS | 0x1000, true)
    view.setUint32(4, PAGE_SIZE, true)
    view.setUint32(16, inode.nlink, true)
    view.setUint32(20, inode.uid, true)
    view.setUint32(24, inode.gid, true)
    view.setUint16(28, inode.mode, true)
    put64(32, inode.ino)
    put64(40, inode.size)
    put64(48, inode.blocks)
    for (const [at, which] of STATX_TIMES) {
      const time = inode.time(which)
      put64(at, time.sec)
      view.setUint32(at + 8, time.nsec, true)
    }
    view.setUint32(128, inode.rdev >>> 20, true)
    view.setUint32(132, inode.rdev & 0xfffff, true)
    view.setUint32(136, inode.sb.dev >>> 20, true)
    view.setUint32(140, inode.sb.dev & 0xfffff, true)
    put64(144, stat.path!.mount.id)
    return copyOut(address, STATX_BYTES)
  }

  const stat = (dfd: number, address: number, buffer: number, flags: number): MaybeWait<number> => {
    const kstat = newKstat()
    return after(vfsFstatat(dfd, address, kstat, flags), (failed) => failed || copyStat(buffer, kstat))
  }
  const fstat = (fd: number, buffer: number): MaybeWait<number> => {
    const kstat = newKstat()
    return after(vfsFstat(fd, kstat), (failed) => failed || copyStat(buffer, kstat))
  }
  const statx = (dfd: number, address: number, flags: number, mask: number, buffer: number): MaybeWait<number> => {
    if (mask & 0x80000000 || (flags & AT.statxSyncType) === AT.statxSyncType) return -ERRNO.EINVAL
    const name = vfs.namei.getname(address, flags & AT.emptyPath ? LOOKUP.empty : 0)
    if (typeof name === 'number') return name
    const kstat = newKstat()
    return after(vfsStatx(dfd, name, flags, kstat, mask), (failed) => {
      vfs.namei.putname(name)
      return failed || copyStatx(buffer, kstat)
    })
  }

  const vfsStatfs = vfs.declare(
    'int vfs_statfs(const struct path *path, struct kstatfs *buf)',
    (_path: number, _buf: number, path: Path): number => {
      const { sb } = path.dentry
      user.fill(0, 0, STATFS_BYTES)
      put64(0, sb.type.magic)
      put64(8, PAGE_SIZE)
      const counts = sb.type.statfs?.(sb)
      if (counts) {
        put64(16, counts.blocks)
        put64(24, counts.bfree)
        put64(32, counts.bavail)
        put64(40, counts.files)
        put64(48, counts.ffree)
        put64(72, PAGE_SIZE)
      }
      view.setUint32(56, encodeDev(sb.dev), true)
      put64(64, NAME_MAX)
      put64(72, PAGE_SIZE)
      put64(80, ST_VALID)
      return 0
    },
  )
  const userStatfs = vfs.declare(
    'int user_statfs(const char __user *pathname, struct kstatfs *st)',
    (address: number, st: number): number => {
      const path = vfs.namei.userPathAt(AT.fdcwd, address, LOOKUP.follow)
      if (typeof path === 'number') return path
      const result = vfsStatfs(0, st, path)
      path.dentry.put()
      return result
    },
  )
  const fdStatfs = vfs.declare('int fd_statfs(int fd, struct kstatfs *st)', (fd: number, st: number): number => {
    const file = vfs.fds.get(fd)
    return file ? vfsStatfs(file.pathAt, st, file.path) : -ERRNO.EBADF
  })
  const statfs = (address: number, buffer: number): number => userStatfs(address, 0) || copyOut(buffer, STATFS_BYTES)
  const fstatfs = (fd: number, buffer: number): number => fdStatfs(fd, 0) || copyOut(buffer, STATFS_BYTES)

  return { stat, fstat, statx, statfs, fstatfs, vfsGetattr, newKstat }
}

/** f_flags: the flags are valid. */
const ST_VALID = 0x20

const STAT_TIMES = [
  [72, 'atime'],
  [88, 'mtime'],
  [104, 'ctime'],
] as const
const STATX_TIMES = [
  [64, 'atime'],
  [96, 'ctime'],
  [112, 'mtime'],
] as const
