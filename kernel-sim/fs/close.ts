// The end of files, and descriptors: close, __fput(), dup, fcntl, ioctl, close_range, and what exit and execve do with a table.

import { ERRNO } from '../../base/errno.ts'
import type { MaybeWait } from '../wait.ts'
import type { FilesStruct } from './fd-table.ts'
import type { File } from './file.ts'
import { capable } from './permission.ts'
import { CAP, FMODE, O } from './uapi.ts'
import type { Vfs } from './vfs.ts'

export const F = {
  dupfd: 0,
  getfd: 1,
  setfd: 2,
  getfl: 3,
  setfl: 4,
  getlk: 5,
  setlk: 6,
  setlkw: 7,
  setown: 8,
  getown: 9,
  setsig: 10,
  getsig: 11,
  ofdGetlk: 36,
  ofdSetlk: 37,
  ofdSetlkw: 38,
  dupfdCloexec: 1030,
  setpipeSz: 1031,
  getpipeSz: 1032,
} as const

export const FIOCLEX = 0x5451
export const FIONCLEX = 0x5450
export const FIONBIO = 0x5421
export const FIOASYNC = 0x5452
export const FIONREAD = 0x541b
const FIGETBSZ = 2
const FICLONE = 0x40049409
const FICLONERANGE = 0x4020940d
const SETFL_MASK = O.append | O.nonblock | O.direct | O.noatime | O.fasync
const CLOSE_RANGE = { unshare: 2, cloexec: 4 } as const

export function declareClose(vfs: Vfs) {
  const { k } = vfs

  const fput = vfs.declare('void __fput(struct file *file)', (file: File): void => {
    vfs.epoll.fileClosed(file)
    file.fop.release?.(file.inode, file)
    file.path.dentry.put()
    vfs.files.delete(file.at)
    file.free()
  })
  // A closing task runs it on its way back to user mode (6.1), or at once (__fput_sync, 6.5 and later).
  const taskFput = vfs.declare('void ____fput(struct callback_head *work)', (_work: number, file: File): void =>
    fput(file),
  )
  const syncFput = vfs.declare('void __fput_sync(struct file *file)', (file: File): void => fput(file))

  /** What the last put of a file does. */
  const release = (file: File): void => {
    if (!(file.mode & FMODE.opened)) {
      vfs.files.delete(file.at)
      file.free()
    } else if (closing === file && !vfs.isLegacy) syncFput(file)
    else vfs.host.later(() => taskFput(0, file))
  }
  /** The file that close(2) is putting right now. */
  let closing: File | undefined

  const flushBody = (file: File): number => file.fop.flush?.(file) ?? 0
  const filpFlush = vfs.declare('int filp_flush(struct file *filp, fl_owner_t id)', (file: File, _id: FilesStruct) =>
    flushBody(file),
  )
  const filpClose = vfs.declare(
    'int filp_close(struct file *filp, fl_owner_t id)',
    (file: File, id: FilesStruct): number => {
      const result = vfs.isLegacy ? flushBody(file) : filpFlush(file, id)
      file.put()
      return result
    },
  )
  const fileCloseFd = vfs.declare('struct file *file_close_fd(unsigned int fd)', (fd: number): number => {
    taken = vfs.fds.remove(fd)
    return taken?.at ?? 0
  })
  let taken: File | undefined
  const closeFd = vfs.declare('int close_fd(unsigned fd)', (fd: number): number => {
    const file = vfs.fds.remove(fd)
    return file ? filpClose(file, vfs.fds) : -ERRNO.EBADF
  })

  const close = (fd: number): number => {
    if (vfs.isLegacy) return closeFd(fd)
    fileCloseFd(fd)
    const file = taken
    if (!file) return -ERRNO.EBADF
    const result = filpFlush(file, vfs.fds)
    closing = file
    file.put()
    closing = undefined
    return result
  }

  const closeRange = vfs.declare(
    'int __close_range(unsigned fd, unsigned max_fd, unsigned int flags)',
    (first: number, last: number, flags: number): number => {
      if (flags & ~(CLOSE_RANGE.unshare | CLOSE_RANGE.cloexec) || first >>> 0 > last >>> 0) return -ERRNO.EINVAL
      if (flags & CLOSE_RANGE.unshare) vfs.unshareFiles()
      const files = vfs.fds
      for (const [fd, file] of [...files.entries()]) {
        if (fd < first >>> 0 || fd > last >>> 0) continue
        if (flags & CLOSE_RANGE.cloexec) files.setCloseOnExec(fd, true)
        else {
          files.remove(fd)
          filpClose(file, files)
        }
      }
      return 0
    },
  )

  const doDup2 = vfs.declare(
    'int do_dup2(struct files_struct *files, struct file *file, unsigned fd, unsigned flags)',
    (files: FilesStruct, file: File, fd: number, flags: number): number => {
      file.hold()
      const old = files.replace(fd, file, (flags & O.cloexec) !== 0)
      if (old) filpClose(old, files)
      return fd
    },
  )
  const ksysDup3 = vfs.declare(
    'int ksys_dup3(unsigned int oldfd, unsigned int newfd, int flags)',
    (from: number, to: number, flags: number): number => {
      if (flags & ~O.cloexec || from === to) return -ERRNO.EINVAL
      if (to < 0 || to >= vfs.fdLimit()) return -ERRNO.EBADF
      const file = vfs.fds.get(from)
      return file ? doDup2(vfs.fds, file, to, flags) : -ERRNO.EBADF
    },
  )
  const dup2 = (from: number, to: number): number => {
    if (from === to) return vfs.fds.get(from) ? from : -ERRNO.EBADF
    return ksysDup3(from, to, 0)
  }
  const dup = (fd: number): number => {
    const file = vfs.fds.get(fd)
    if (!file) return -ERRNO.EBADF
    const to = vfs.open.getUnusedFd(0)
    if (to < 0) return to
    file.hold()
    vfs.open.fdInstall(to, file)
    return to
  }
  const dupFrom = vfs.declare(
    'int f_dupfd(unsigned int from, struct file *file, unsigned flags)',
    (from: number, file: File, flags: number): number => {
      if (from < 0 || from >= vfs.fdLimit()) return -ERRNO.EINVAL
      const fd = vfs.fds.reserve(from, vfs.fdLimit(), (flags & O.cloexec) !== 0)
      if (fd < 0) return fd
      file.hold()
      vfs.open.fdInstall(fd, file)
      return fd
    },
  )

  const setFlags = (file: File, flags: number): number => {
    if (flags & O.noatime && !(file.flags & O.noatime) && !capable(k, CAP.fowner)) return -ERRNO.EPERM
    file.flags = (file.flags & ~SETFL_MASK) | (flags & SETFL_MASK)
    return 0
  }

  const doFcntl = vfs.leaf(
    'long do_fcntl(int fd, unsigned int cmd, unsigned long arg, struct file *filp)',
    (fd: number, command: number, argument: number, file: File): MaybeWait<number> => {
      const files = vfs.fds
      switch (command) {
        case F.dupfd:
        case F.dupfdCloexec:
          return dupFrom(argument, file, command === F.dupfd ? 0 : O.cloexec)
        case F.getfd:
          return files.isCloseOnExec(fd) ? 1 : 0
        case F.setfd:
          files.setCloseOnExec(fd, (argument & 1) === 1)
          return 0
        case F.getfl:
          return file.flags
        case F.setfl:
          return setFlags(file, argument)
        // One process per file in what is modelled: no lock is ever in the way, and none is kept.
        case F.setlk:
        case F.setlkw:
        case F.ofdSetlk:
        case F.ofdSetlkw:
          return 0
        case F.getlk:
        case F.ofdGetlk:
          return k.current.mm!.write(argument, UNLOCKED, 0, 2) > 0 ? -ERRNO.EFAULT : 0
        case F.getown:
        case F.getsig:
        case F.setown:
        case F.setsig:
          return 0
        case F.setpipeSz:
        case F.getpipeSz:
          return vfs.pipeFcntl(file, command, argument)
        default:
          return -ERRNO.EINVAL
      }
    },
  )
  const securityFcntl = vfs.security('int security_file_fcntl(struct file *file, unsigned int cmd, unsigned long arg)')
  const fcntl = (fd: number, command: number, argument: number): MaybeWait<number> => {
    const file = vfs.fds.get(fd)
    if (!file) return -ERRNO.EBADF
    if (file.mode & FMODE.path && !PATH_COMMANDS.includes(command)) return -ERRNO.EBADF
    return securityFcntl(file, command, argument) || doFcntl(fd, command, argument, file)
  }

  const vfsIoctl = vfs.leaf(
    'long vfs_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)',
    (file: File, command: number, argument: number): MaybeWait<number> =>
      file.fop.ioctl?.(file, command, argument) ?? -ERRNO.ENOTTY,
  )
  /** Commands of every file; undefined when it is for the driver. */
  const doVfsIoctl = vfs.declare(
    'int do_vfs_ioctl(struct file *filp, unsigned int fd, unsigned int cmd, unsigned long arg)',
    (file: File, fd: number, command: number, argument: number): number => {
      switch (command) {
        case FIOCLEX:
        case FIONCLEX:
          vfs.fds.setCloseOnExec(fd, command === FIOCLEX)
          return 0
        case FIONBIO: {
          const on = vfs.readUserInt32(argument)
          if (on === undefined) return -ERRNO.EFAULT
          file.flags = on ? file.flags | O.nonblock : file.flags & ~O.nonblock
          return 0
        }
        case FIOASYNC: {
          const on = vfs.readUserInt32(argument)
          if (on === undefined) return -ERRNO.EFAULT
          file.flags = on ? file.flags | O.fasync : file.flags & ~O.fasync
          return 0
        }
        case FIGETBSZ:
          return vfs.writeUserInt32(argument, 4096) ? 0 : -ERRNO.EFAULT
        case FIONREAD:
          if (!file.inode.isRegular) return -ERRNO.ENOIOCTLCMD
          return vfs.writeUserInt32(argument, file.inode.size - file.pos) ? 0 : -ERRNO.EFAULT
        case FICLONE:
        case FICLONERANGE:
          return -ERRNO.EOPNOTSUPP
        default:
          return -ERRNO.ENOIOCTLCMD
      }
    },
  )
  const securityIoctl = vfs.security('int security_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)')
  const ioctl = (fd: number, command: number, argument: number): MaybeWait<number> => {
    const file = vfs.usable(fd)
    if (!file) return -ERRNO.EBADF
    const refused = securityIoctl(file, command, argument)
    if (refused) return refused
    const result = doVfsIoctl(file, fd, command, argument)
    return result === -ERRNO.ENOIOCTLCMD ? vfsIoctl(file, command, argument) : result
  }

  /** close_files(): the last user of a table is gone. */
  const closeAll = (files: FilesStruct): void => {
    for (const [fd, file] of [...files.entries()]) {
      files.remove(fd)
      filpClose(file, files)
    }
    files.free()
  }
  const closeOnExec = vfs.declare('void do_close_on_exec(struct files_struct *files)', (files: FilesStruct): void => {
    for (const [fd, file] of [...files.entries()]) {
      if (!files.isCloseOnExec(fd)) continue
      files.remove(fd)
      filpClose(file, files)
    }
  })

  return { release, close, closeRange, dup, dup2, dup3: ksysDup3, fcntl, ioctl, closeAll, closeOnExec, filpClose }
}

const PATH_COMMANDS: readonly number[] = [F.dupfd, F.dupfdCloexec, F.getfd, F.setfd, F.getfl]
/** l_type = F_UNLCK. */
const UNLOCKED = Uint8Array.of(2, 0)
