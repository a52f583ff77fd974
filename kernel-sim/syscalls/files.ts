// System calls on files, directories and descriptors. What they do is in fs/; here are their arguments: int arguments are cut to 32
// bits as the kernel's wrappers do, user addresses stay numbers.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import { AT, O } from '../fs/uapi.ts'
import type { Vfs } from '../fs/vfs.ts'
import type { MaybeWait } from '../wait.ts'
import type { SyscallFamily, SyscallHandler } from './family.ts'

type Args = [a: number, b: number, c: number, d: number, e: number, f: number]

/** A handler from a function of the file system and the argument registers. */
const call =
  (body: (vfs: Vfs, ...args: Args) => MaybeWait<number>): SyscallHandler =>
  (k, _task, a, b, c, d, e, f) =>
    body(k.vfs, a, b, c, d, e, f)

const open = (vfs: Vfs, dfd: number, path: number, flags: number, mode: number): MaybeWait<number> =>
  vfs.open.doSysOpen(dfd | 0, path, flags | 0 | O.largefile, mode & 0xffff)

/** struct open_how at a user address: -E2BIG when bytes behind what is known are not zero, -EINVAL when it is too short. */
function openat2(vfs: Vfs, dfd: number, path: number, how: number, size: number): MaybeWait<number> {
  if (size < 24) return -ERRNO.EINVAL
  const bytes = new Uint8Array(Math.min(size, 4096))
  if (vfs.mm.read(how, bytes, 0, bytes.length) > 0) return -ERRNO.EFAULT
  if (bytes.subarray(24).some((byte) => byte !== 0)) return -ERRNO.E2BIG
  const view = new DataView(bytes.buffer)
  const [flags, mode, resolve] = [view.getUint32(0, true), view.getUint32(8, true), view.getUint32(16, true)]
  if (view.getUint32(4, true) !== 0 || mode & ~0o7777 || resolve & ~0x3f) return -ERRNO.EINVAL
  if (mode !== 0 && !(flags & O.creat)) return -ERRNO.EINVAL
  const all = flags | O.largefile
  return vfs.open.doSysOpenat2(dfd | 0, path, vfs.open.openHow(all, mode), all, mode)
}

/** Two struct timespec, or two struct timeval of `unit` nanoseconds; undefined at NULL, -EFAULT. */
function readTimes(
  vfs: Vfs,
  address: number,
  unit: number,
): readonly [{ sec: number; nsec: number }, { sec: number; nsec: number }] | undefined | number {
  if (address === 0) return undefined
  const bytes = new Uint8Array(32)
  if (vfs.mm.read(address, bytes, 0, 32) > 0) return -ERRNO.EFAULT
  const view = new DataView(bytes.buffer)
  const time = (at: number) => ({
    sec: view.getUint32(at, true) + view.getInt32(at + 4, true) * 0x1_0000_0000,
    nsec: view.getInt32(at + 8, true) * unit,
  })
  return [time(0), time(16)]
}
function utimes(vfs: Vfs, dfd: number, path: number, at: number, unit: number, flags: number): number {
  const times = readTimes(vfs, at, unit)
  return typeof times === 'number' ? times : vfs.attr.utimens(dfd, path, times, flags)
}

const positioned = (direction: 'read' | 'write') =>
  call((vfs, fd, vec, count, low, _high, flags) => vfs.io.positioned(direction, fd | 0, vec, count, low, flags | 0))
/** preadv2 and pwritev2: position -1 means the file's own. */
const positioned2 = (direction: 'read' | 'write') =>
  call((vfs, fd, vec, count, low, _high, flags) => {
    if (low !== -1) return vfs.io.positioned(direction, fd | 0, vec, count, low, flags | 0)
    return (direction === 'read' ? vfs.io.doReadv : vfs.io.doWritev)(fd | 0, vec, count, flags | 0)
  })

const xattrUnsupported: SyscallHandler = () => -ERRNO.EOPNOTSUPP

function fsyncLike(vfs: Vfs, fd: number): number {
  return vfs.usable(fd | 0) ? 0 : -ERRNO.EBADF
}

const POSIX_FADV_NOREUSE = 5
function fadvise(vfs: Vfs, fd: number, length: number, advice: number): number {
  const file = vfs.usable(fd | 0)
  if (!file) return -ERRNO.EBADF
  if (file.inode.priv !== undefined && !file.inode.pages) return -ERRNO.ESPIPE
  return length < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE ? -ERRNO.EINVAL : 0
}

function fallocate(vfs: Vfs, fd: number, offset: number, length: number): number {
  const file = vfs.usable(fd | 0)
  if (!file) return -ERRNO.EBADF
  if (offset < 0 || length <= 0) return -ERRNO.EINVAL
  if (!(file.mode & 2)) return -ERRNO.EBADF
  if (!file.inode.isRegular) return file.inode.isDir ? -ERRNO.EISDIR : -ERRNO.ENODEV
  return -ERRNO.EOPNOTSUPP
}

const umask: SyscallHandler = (_k, task, mask) => {
  const old = task.fs!.umask
  task.fs!.umask = mask & 0o777
  return old
}

// biome-ignore format: a table reads better dense
export const fileSyscalls: SyscallFamily = {
  read: call((vfs, fd, buf, count) => vfs.io.ksysRead(fd | 0, buf, count)),
  write: call((vfs, fd, buf, count) => vfs.io.ksysWrite(fd | 0, buf, count)),
  pread64: call((vfs, fd, buf, count, pos) => vfs.io.ksysPread(fd | 0, buf, count, pos)),
  pwrite64: call((vfs, fd, buf, count, pos) => vfs.io.ksysPwrite(fd | 0, buf, count, pos)),
  readv: call((vfs, fd, vec, count) => vfs.io.doReadv(fd | 0, vec, count, 0)),
  writev: call((vfs, fd, vec, count) => vfs.io.doWritev(fd | 0, vec, count, 0)),
  preadv: positioned('read'),
  pwritev: positioned('write'),
  preadv2: positioned2('read'),
  pwritev2: positioned2('write'),
  lseek: call((vfs, fd, offset, whence) => vfs.io.lseek(fd | 0, offset, whence | 0)),
  sendfile: call((vfs, out, from, offset, count) => vfs.io.doSendfile(out | 0, from | 0, offset, count, 0)),
  copy_file_range: call((vfs, from, fromAt, to, toAt, count, flags) => vfs.io.copyFileRange(from | 0, fromAt, to | 0, toAt, count, flags | 0)),
  fsync: call((vfs, fd) => vfs.io.doFsync(fd | 0, 0)),
  fdatasync: call((vfs, fd) => vfs.io.doFsync(fd | 0, 1)),
  sync: () => 0,
  syncfs: call(fsyncLike),
  sync_file_range: call(fsyncLike),
  fadvise64: call((vfs, fd, _offset, length, advice) => fadvise(vfs, fd, length, advice | 0)),
  readahead: call(fsyncLike),
  fallocate: partial(call((vfs, fd, _mode, offset, length) => fallocate(vfs, fd, offset, length)), 'no file system here preallocates: -EOPNOTSUPP, as on ramfs'),

  open: call((vfs, path, flags, mode) => open(vfs, AT.fdcwd, path, flags, mode)),
  openat: call((vfs, dfd, path, flags, mode) => open(vfs, dfd, path, flags, mode)),
  openat2: partial(call((vfs, dfd, path, how, size) => openat2(vfs, dfd, path, how, size)), 'resolve flags are accepted and not enforced'),
  creat: call((vfs, path, mode) => open(vfs, AT.fdcwd, path, O.creat | O.wronly | O.trunc, mode)),
  close: call((vfs, fd) => vfs.closing.close(fd | 0)),
  close_range: call((vfs, first, last, flags) => vfs.closing.closeRange(first, last, flags | 0)),
  dup: call((vfs, fd) => vfs.settleFd(vfs.closing.dup(fd | 0))),
  dup2: call((vfs, from, to) => vfs.settleFd(vfs.closing.dup2(from | 0, to | 0))),
  dup3: call((vfs, from, to, flags) => vfs.settleFd(vfs.closing.dup3(from | 0, to | 0, flags | 0))),
  fcntl: partial(call((vfs, fd, command, argument) => vfs.closing.fcntl(fd | 0, command | 0, argument)), 'record locks are granted and not kept; no leases, no signals for I/O'),
  flock: partial(call(fsyncLike), 'locks are granted and not kept'),
  ioctl: call((vfs, fd, command, argument) => vfs.closing.ioctl(fd | 0, command >>> 0, argument)),
  pipe: call((vfs, fds) => vfs.pipe.doPipe2(fds, 0)),
  pipe2: call((vfs, fds, flags) => vfs.pipe.doPipe2(fds, flags | 0)),

  stat: call((vfs, path, buf) => vfs.stat.stat(AT.fdcwd, path, buf, 0)),
  lstat: call((vfs, path, buf) => vfs.stat.stat(AT.fdcwd, path, buf, AT.symlinkNofollow)),
  fstat: call((vfs, fd, buf) => vfs.stat.fstat(fd | 0, buf)),
  newfstatat: call((vfs, dfd, path, buf, flags) => vfs.stat.stat(dfd | 0, path, buf, flags | 0)),
  statx: partial(call((vfs, dfd, path, flags, mask, buf) => vfs.stat.statx(dfd | 0, path, flags | 0, mask | 0, buf)), 'no birth time, no attributes'),
  statfs: call((vfs, path, buf) => vfs.stat.statfs(path, buf)),
  fstatfs: call((vfs, fd, buf) => vfs.stat.fstatfs(fd | 0, buf)),
  access: call((vfs, path, mode) => vfs.names.faccessat(AT.fdcwd, path, mode | 0, 0)),
  faccessat: call((vfs, dfd, path, mode) => vfs.names.faccessat(dfd | 0, path, mode | 0, 0)),
  faccessat2: call((vfs, dfd, path, mode, flags) => vfs.names.faccessat(dfd | 0, path, mode | 0, flags | 0)),
  readlink: call((vfs, path, buf, size) => vfs.names.readlink(AT.fdcwd, path, buf, size | 0)),
  readlinkat: call((vfs, dfd, path, buf, size) => vfs.names.readlink(dfd | 0, path, buf, size | 0)),
  getdents64: call((vfs, fd, buf, count) => vfs.names.getdents64(fd | 0, buf, count)),
  getcwd: call((vfs, buf, size) => vfs.names.getcwd(buf, size)),
  chdir: call((vfs, path) => vfs.names.chdir(path)),
  fchdir: call((vfs, fd) => vfs.names.fchdir(fd | 0)),
  chroot: call((vfs, path) => vfs.names.chroot(path)),
  umask,

  mkdir: call((vfs, path, mode) => vfs.names.mkdir(AT.fdcwd, path, mode & 0xffff)),
  mkdirat: call((vfs, dfd, path, mode) => vfs.names.mkdir(dfd | 0, path, mode & 0xffff)),
  rmdir: call((vfs, path) => vfs.names.rmdir(AT.fdcwd, path)),
  unlink: call((vfs, path) => vfs.names.unlink(AT.fdcwd, path)),
  unlinkat: call((vfs, dfd, path, flags) => {
    if (flags & ~AT.removedir) return -ERRNO.EINVAL
    return flags & AT.removedir ? vfs.names.rmdir(dfd | 0, path) : vfs.names.unlink(dfd | 0, path)
  }),
  rename: call((vfs, from, to) => vfs.names.rename(AT.fdcwd, from, AT.fdcwd, to, 0)),
  renameat: call((vfs, fromDfd, from, toDfd, to) => vfs.names.rename(fromDfd | 0, from, toDfd | 0, to, 0)),
  renameat2: partial(call((vfs, fromDfd, from, toDfd, to, flags) => vfs.names.rename(fromDfd | 0, from, toDfd | 0, to, flags | 0)), 'RENAME_EXCHANGE and RENAME_WHITEOUT are -EINVAL'),
  link: call((vfs, from, to) => vfs.names.link(AT.fdcwd, from, AT.fdcwd, to, 0)),
  linkat: call((vfs, fromDfd, from, toDfd, to, flags) => vfs.names.link(fromDfd | 0, from, toDfd | 0, to, flags | 0)),
  symlink: call((vfs, target, path) => vfs.names.symlink(target, AT.fdcwd, path)),
  symlinkat: call((vfs, target, dfd, path) => vfs.names.symlink(target, dfd | 0, path)),
  mknod: call((vfs, path, mode, dev) => vfs.names.mknod(AT.fdcwd, path, mode & 0xffff, dev >>> 0)),
  mknodat: call((vfs, dfd, path, mode, dev) => vfs.names.mknod(dfd | 0, path, mode & 0xffff, dev >>> 0)),
  truncate: call((vfs, path, length) => vfs.attr.truncate(path, length)),
  ftruncate: call((vfs, fd, length) => vfs.attr.ftruncate(fd | 0, length, 1)),
  chmod: call((vfs, path, mode) => vfs.attr.chmod(AT.fdcwd, path, mode & 0xffff, 0)),
  fchmod: call((vfs, fd, mode) => vfs.attr.fchmod(fd | 0, mode & 0xffff)),
  fchmodat: call((vfs, dfd, path, mode) => vfs.attr.chmod(dfd | 0, path, mode & 0xffff, 0)),
  fchmodat2: call((vfs, dfd, path, mode, flags) => vfs.attr.chmod(dfd | 0, path, mode & 0xffff, flags | 0)),
  chown: call((vfs, path, user, group) => vfs.attr.chown(AT.fdcwd, path, user | 0, group | 0, 0)),
  lchown: call((vfs, path, user, group) => vfs.attr.chown(AT.fdcwd, path, user | 0, group | 0, AT.symlinkNofollow)),
  fchown: call((vfs, fd, user, group) => vfs.attr.fchown(fd | 0, user | 0, group | 0)),
  fchownat: call((vfs, dfd, path, user, group, flags) => vfs.attr.chown(dfd | 0, path, user | 0, group | 0, flags | 0)),
  utimensat: call((vfs, dfd, path, times, flags) => utimes(vfs, dfd | 0, path, times, 1, flags | 0)),
  futimesat: call((vfs, dfd, path, times) => utimes(vfs, dfd | 0, path, times, 1000, 0)),
  utimes: call((vfs, path, times) => utimes(vfs, AT.fdcwd, path, times, 1000, 0)),

  getxattr: xattrUnsupported,
  lgetxattr: xattrUnsupported,
  fgetxattr: xattrUnsupported,
  setxattr: xattrUnsupported,
  lsetxattr: xattrUnsupported,
  fsetxattr: xattrUnsupported,
  listxattr: () => 0,
  llistxattr: () => 0,
  flistxattr: () => 0,
}
