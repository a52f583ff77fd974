// Numbers of the file system interface that user space and BPF programs see (uapi fcntl.h, stat.h, magic.h; fs.h for the f_mode bits).

export const S = {
  ifmt: 0o170000,
  ifsock: 0o140000,
  iflnk: 0o120000,
  ifreg: 0o100000,
  ifblk: 0o060000,
  ifdir: 0o040000,
  ifchr: 0o020000,
  ififo: 0o010000,
  isuid: 0o4000,
  isgid: 0o2000,
  isvtx: 0o1000,
  ixgrp: 0o010,
} as const

export const O = {
  rdonly: 0,
  wronly: 1,
  rdwr: 2,
  accmode: 3,
  creat: 0o100,
  excl: 0o200,
  noctty: 0o400,
  trunc: 0o1000,
  append: 0o2000,
  nonblock: 0o4000,
  dsync: 0o10000,
  fasync: 0o20000,
  direct: 0o40000,
  largefile: 0o100000,
  directory: 0o200000,
  nofollow: 0o400000,
  noatime: 0o1000000,
  cloexec: 0o2000000,
  sync: 0o4010000,
  path: 0o10000000,
  tmpfile: 0o20200000,
} as const

/** f_mode */
export const FMODE = {
  read: 0x1,
  write: 0x2,
  lseek: 0x4,
  pread: 0x8,
  pwrite: 0x10,
  exec: 0x20,
  atomicPos: 0x8000,
  path: 0x4000,
  canRead: 0x20000,
  canWrite: 0x40000,
  opened: 0x80000,
  stream: 0x200000,
  nowait: 0x8000000,
} as const

export const AT = {
  fdcwd: -100,
  symlinkNofollow: 0x100,
  removedir: 0x200,
  eaccess: 0x200,
  symlinkFollow: 0x400,
  noAutomount: 0x800,
  emptyPath: 0x1000,
  statxSyncType: 0x6000,
} as const

/** Masks of inode_permission(). */
export const MAY = { exec: 1, write: 2, read: 4, append: 8, access: 0x10, open: 0x20, chdir: 0x40 } as const

export const DT = { unknown: 0, fifo: 1, chr: 2, dir: 4, blk: 6, reg: 8, lnk: 10, sock: 12 } as const
/** d_type of a mode, as directory entries have it. */
export const dtype = (mode: number): number => (mode >> 12) & 15

export const PATH_MAX = 4096
export const NAME_MAX = 255
/** Most symbolic links that one path may go through. */
export const MAXSYMLINKS = 40

export const CAP = {
  chown: 0,
  dacOverride: 1,
  dacReadSearch: 2,
  fowner: 3,
  fsetid: 4,
  linuxImmutable: 9,
  netBindService: 10,
  ipcLock: 14,
  sysChroot: 18,
  sysResource: 24,
  mknod: 27,
} as const

/** Most bytes that one read or write moves (MAX_RW_COUNT). */
export const MAX_RW_COUNT = 0x7ffff000

/** Device numbers inside the kernel: 12 bits major, 20 bits minor. */
export const makeDev = (major: number, minor: number): number => (major << 20) | minor
/** The same as stat(2) shows it (new_encode_dev). */
export const encodeDev = (dev: number): number => {
  const major = dev >>> 20
  const minor = dev & 0xfffff
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
}
export const decodeDev = (dev: number): number => makeDev((dev & 0xfff00) >> 8, (dev & 0xff) | ((dev >>> 12) & 0xfff00))
