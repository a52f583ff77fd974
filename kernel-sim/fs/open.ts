// Opening: from open(2) down to do_dentry_open(), and back with a descriptor. Also how files that have no name in the tree come to be.

import { ERRNO } from '../../base/errno.ts'
import { after, isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { Dentry } from './dentry.ts'
import { File } from './file.ts'
import type { FileOps } from './file-ops.ts'
import type { Inode } from './inode.ts'
import type { Path } from './mount.ts'
import { type Filename, LAST, LOOKUP, Nameidata, WALK_TRAILING } from './namei.ts'
import { ownerOrCapable } from './permission.ts'
import { FMODE, MAY, O, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** FMODE_CREATED: this open made the file. */
export const FMODE_CREATED = 0x100000

// biome-ignore format: a sum of flags
const VALID_OPEN_FLAGS = O.accmode | O.creat | O.excl | O.noctty | O.trunc | O.append | O.nonblock | O.dsync | O.fasync | O.direct |
  O.largefile | O.directory | O.nofollow | O.noatime | O.cloexec | O.sync | O.path | O.tmpfile
const O_PATH_FLAGS = O.directory | O.nofollow | O.path | O.cloexec

/** struct open_flags, in the frame of whoever made it. */
export interface OpenFlags {
  readonly at: number
  readonly flags: number
  readonly mode: number
  readonly accMode: number
  readonly lookup: number
  /** The descriptor that the file is to get, -1 for an open of the kernel's own. In a replay the recorded one, afterwards. */
  fd: number
}

const EMPTY_FOPS: FileOps = { symbol: 'empty_fops', functions: {} }

export function declareOpen(vfs: Vfs) {
  const { k, context, layout } = vfs
  const { mem } = context

  const fileAlloc = vfs.security('int security_file_alloc(struct file *file)')
  const alloc = vfs.declare(
    'struct file *alloc_empty_file(int flags, const struct cred *cred)',
    (flags: number, cred: number): number => {
      const file = new File(context, flags, cred, EMPTY_FOPS, vfs.release)
      file.mode = (flags + 1) & O.accmode
      vfs.files.set(file.at, file)
      fileAlloc(file)
      return file.at
    },
  )
  const allocFile = (flags: number): File => vfs.files.get(alloc(flags, k.current.cred))!

  const securityOpen = vfs.security('int security_file_open(struct file *file)')

  /** Give the file its place, check with security, run the driver's open. 0 or negative errno. */
  const dentryOpenBody = (file: File): MaybeWait<number> => {
    const inode = file.path.dentry.inode!
    file.path.dentry.hold()
    if (file.flags & O.path) {
      file.bind(file.path, inode, inode.sb.opsTable(EMPTY_FOPS, 'file_operations'))
      file.mode = FMODE.path | FMODE.opened
      file.fop = EMPTY_FOPS
      return 0
    }
    file.fop = inode.fop
    file.bind(file.path, inode, inode.sb.opsTable(inode.fop, 'file_operations'))
    if (inode.pages) file.mappable = inode.pages
    let mode = file.mode
    if (inode.isRegular || inode.isDir) mode |= FMODE.atomicPos
    file.mode = mode
    const refused = securityOpen(file)
    if (refused) return undo(file, refused)
    file.mode = mode | FMODE.lseek | FMODE.pread | FMODE.pwrite
    const opened = file.fop.open?.(inode, file) ?? 0
    return isWait(opened) ? finishLater(file, opened) : finish(file, opened)
  }
  function* finishLater(file: File, opened: Exclude<MaybeWait<number>, number>) {
    return finish(file, yield* opened)
  }
  const finish = (file: File, opened: number): number => {
    if (opened !== 0) return undo(file, opened)
    const { fop } = file
    let { mode } = file
    mode |= FMODE.opened
    if (mode & FMODE.read && (fop.read || fop.readIter)) mode |= FMODE.canRead
    if (mode & FMODE.write && (fop.write || fop.writeIter)) mode |= FMODE.canWrite
    if (mode & FMODE.lseek && !fop.llseek) mode &= ~FMODE.lseek
    file.mode = mode
    file.flags &= ~(O.creat | O.excl | O.noctty | O.trunc)
    // No file system here does direct I/O.
    if (file.flags & O.direct) return undo(file, -ERRNO.EINVAL, true)
    return 0
  }
  const undo = (file: File, error: number, opened = false): number => {
    if (opened) file.fop.release?.(file.inode, file)
    file.path.dentry.put()
    file.mode &= ~FMODE.opened
    return error
  }
  const doDentryOpen = vfs.isLegacy
    ? vfs.declare(
        'int do_dentry_open(struct file *f, struct inode *inode, int (*open)(struct inode *, struct file *))',
        (file: File, _inode: Inode, _open: number) => dentryOpenBody(file),
      )
    : vfs.declare(
        'int do_dentry_open(struct file *f, int (*open)(struct inode *, struct file *))',
        (file: File, _open: number) => dentryOpenBody(file),
      )

  /** Open the file at `path` (the file takes its own reference). */
  const vfsOpen = vfs.declare(
    'int vfs_open(const struct path *path, struct file *file)',
    (_pathAt: number, file: File, path: Path): MaybeWait<number> => {
      file.path = path
      const inode = path.dentry.inode!
      // Both variants take what they need and ignore the rest.
      return (doDentryOpen as (f: File, i: Inode | number, o: number) => MaybeWait<number>)(file, inode, 0)
    },
  )

  const mayOpen = vfs.declare(
    `int may_open(${vfs.idmapParam}, const struct path *path, int acc_mode, int flag)`,
    (idmap: number, _pathAt: number, accMode: number, flag: number, inode: Inode): number => {
      const type = inode.mode & S.ifmt
      if (type === S.iflnk) return -ERRNO.ELOOP
      if (type === S.ifdir && accMode & MAY.write) return -ERRNO.EISDIR
      if (type !== S.ifreg && accMode & MAY.exec) return -ERRNO.EACCES
      const refused = vfs.permission.inodePermission(idmap, inode, MAY.open | accMode)
      if (refused) return refused
      if (flag & O.noatime && !ownerOrCapable(k, inode)) return -ERRNO.EPERM
      return 0
    },
  )

  const securityCreate = vfs.security(
    'int security_inode_create(struct inode *dir, struct dentry *dentry, umode_t mode)',
  )
  const securityMknod = vfs.security(
    'int security_path_mknod(const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev)',
  )
  const securityPostOpen = vfs.security('int security_file_post_open(struct file *file, int mask)')

  /** The held dentry of the last component, made if O_CREAT says so; negative errno. */
  const lookupOpen = (nd: Nameidata, file: File, op: OpenFlags): Dentry | number => {
    const dir = nd.path.dentry.inode!
    const dentry = vfs.namei.lookupExcl(nd)
    if (typeof dentry === 'number' || dentry.inode || !(op.flags & O.creat)) return dentry
    const mode = (op.mode & ~k.current.fs!.umask) | S.ifreg
    const refused =
      securityMknod(nd.at, dentry, mode, 0) ||
      vfs.permission.inodePermission(vfs.idmap, dir, MAY.write | MAY.exec) ||
      securityCreate(dir, dentry, mode)
    const failed = refused || (dir.iop.create ? dir.iop.create(dir, dentry, mode) : -ERRNO.EACCES)
    if (failed) {
      dentry.put()
      return failed
    }
    file.mode |= FMODE_CREATED
    return dentry
  }

  /** open_last_lookups(): 0 with nd.path at the file, 1 for a link to follow, negative errno. */
  const openLast = (nd: Nameidata, file: File, op: OpenFlags): number => {
    if (nd.lastType !== LAST.norm) {
      // The name ends in `.`, `..` or slashes only: a directory, which O_CREAT does not make.
      return nd.lastType === LAST.root ? 0 : vfs.namei.handleDots(nd, nd.lastType)
    }
    let dentry: Dentry | number | undefined
    if (!(op.flags & O.creat)) {
      if (nd.trailingSlash) nd.setFlags(nd.flags | LOOKUP.follow | LOOKUP.directory)
      vfs.namei.lookupFast(nd)
      dentry = nd.found ?? vfs.namei.lookupReal(nd.path.dentry, nd.last, nd.lastAt)
    } else {
      if (nd.trailingSlash) return -ERRNO.EISDIR
      dentry = lookupOpen(nd, file, op)
    }
    if (typeof dentry === 'number') return dentry
    if (op.flags & O.excl && op.flags & O.creat && !(file.mode & FMODE_CREATED)) {
      dentry.put()
      return -ERRNO.EEXIST
    }
    return vfs.namei.stepInto(nd, WALK_TRAILING, dentry)
  }

  /** do_open(): checks, the open itself, truncation. */
  const doOpen = (nd: Nameidata, file: File, op: OpenFlags): MaybeWait<number> => {
    const inode = nd.path.dentry.inode!
    let { accMode } = op
    let truncates = false
    if (op.flags & O.creat) {
      if (op.flags & O.excl && !(file.mode & FMODE_CREATED)) return -ERRNO.EEXIST
      if (inode.isDir) return -ERRNO.EISDIR
    }
    if (nd.flags & LOOKUP.directory && !inode.isDir) return -ERRNO.ENOTDIR
    if (file.mode & FMODE_CREATED) accMode = 0
    else if (inode.isRegular && op.flags & O.trunc) truncates = true
    const refused = mayOpen(vfs.idmap, nd.at, accMode, op.flags, inode)
    if (refused) return refused
    const last = vfsOpen(nd.at, file, nd.path)
    if (isWait(last)) return last
    const failed = last || securityPostOpen(file, accMode)
    return failed || (truncates ? vfs.attr.doTruncate(vfs.idmap, nd.path.dentry, 0, 0, file) : 0)
  }

  /** The open file, or negative errno (ERR_PTR). */
  const pathOpenat = vfs.declare(
    'struct file *path_openat(struct nameidata *nd, const struct open_flags *op, unsigned flags)',
    (nd: Nameidata, op: OpenFlags, _flags: number): MaybeWait<number> => {
      const file = allocFile(op.flags)
      let name = nd.name.name
      let result = vfs.namei.pathInit(nd, name)
      if (result === 0) {
        for (;;) {
          result = vfs.namei.linkPathWalk(nd, name)
          if (result === 0) result = op.flags & O.path ? lookupPath(nd) : openLast(nd, file, op)
          if (result !== 1) break
          name = nd.link
          // A link is never followed by an exclusive create.
          nd.setFlags(nd.flags & ~(LOOKUP.open | LOOKUP.create | LOOKUP.excl))
        }
        if (result === 0) {
          const last = op.flags & O.path ? openPath(nd, file) : doOpen(nd, file, op)
          if (isWait(last)) return openedLater(nd, op, file, last)
          result = last
        }
        nd.drop()
      }
      return opened(op, file, result)
    },
  )
  function* openedLater(nd: Nameidata, op: OpenFlags, file: File, wait: Wait<number>): Wait<number> {
    const result = yield* wait
    nd.drop()
    const end = opened(op, file, result)
    return isWait(end) ? yield* end : end
  }
  /** The open file or the error. In a replay as it was recorded: what the model could not open is an empty file. */
  const opened = (op: OpenFlags, file: File, error: number): MaybeWait<number> => {
    if (op.fd < 0 || !k.current.recorded) return outcome(file, error)
    return after(k.settle(error || op.fd), (fd) => {
      if (fd < 0) return outcome(file, fd)
      op.fd = fd
      if (error === 0) return file.at
      file.put()
      return vfs.placeholder(op.flags).at
    })
  }
  const outcome = (file: File, error: number): number => {
    if (error === 0) return file.at
    file.put()
    return error
  }
  const lookupPath = (nd: Nameidata): number => {
    if (nd.lastType === LAST.root) return 0
    if (nd.trailingSlash) nd.setFlags(nd.flags | LOOKUP.follow | LOOKUP.directory)
    return vfs.namei.walkComponent(nd, WALK_TRAILING)
  }
  const openPath = (nd: Nameidata, file: File): MaybeWait<number> =>
    nd.flags & LOOKUP.directory && !nd.path.dentry.inode!.isDir ? -ERRNO.ENOTDIR : vfsOpen(nd.at, file, nd.path)

  const doFilpOpen = vfs.declare(
    'struct file *do_filp_open(int dfd, struct filename *pathname, const struct open_flags *op)',
    (dfd: number, name: Filename, op: OpenFlags): MaybeWait<number> => {
      const nd = new Nameidata(vfs, dfd, name, op.lookup)
      return pathOpenat(nd, op, op.lookup)
    },
  )

  /** struct open_flags for open_how's flags and mode; negative errno for combinations that Linux refuses. */
  const buildFlags = (flags: number, mode: number): OpenFlags | number => {
    if (flags & ~VALID_OPEN_FLAGS) return -ERRNO.EINVAL
    if (flags & O.path) {
      if (flags & ~O_PATH_FLAGS) return -ERRNO.EINVAL
    }
    // __O_TMPFILE goes with O_DIRECTORY, and with writing; no file system here has nameless files.
    if ((flags & O.tmpfile) === O.tmpfile) return (flags & O.accmode) === O.rdonly ? -ERRNO.EINVAL : -ERRNO.EOPNOTSUPP
    if (flags & O.creat && flags & O.directory) return -ERRNO.EINVAL
    let accMode =
      flags & O.path ? 0 : [MAY.read, MAY.write, MAY.read | MAY.write, MAY.read | MAY.write][flags & O.accmode]!
    if (flags & O.trunc) accMode |= MAY.write
    if (flags & O.append) accMode |= MAY.append
    let intent = flags & O.path ? 0 : LOOKUP.open
    if (flags & O.creat) intent |= LOOKUP.create | (flags & O.excl ? LOOKUP.excl : 0)
    let lookup = flags & O.directory ? LOOKUP.directory : 0
    // O_EXCL with O_CREAT never follows the last link.
    if (!(flags & O.nofollow) && !(flags & O.creat && flags & O.excl)) lookup |= LOOKUP.follow
    const { open_flags } = layout
    k.current.sp -= (Math.max(open_flags.size, 0) + 15) & ~15
    const at = k.current.sp
    if (open_flags.size >= 0) {
      mem.dv.setInt32(at + open_flags.open_flag, flags, true)
      mem.dv.setUint16(at + open_flags.mode, mode, true)
      mem.dv.setInt32(at + open_flags.acc_mode, accMode, true)
      mem.dv.setInt32(at + open_flags.intent, intent, true)
      mem.dv.setInt32(at + open_flags.lookup_flags, lookup, true)
    }
    return { at, flags: flags & ~O.cloexec, mode, accMode, lookup: lookup | intent, fd: -1 }
  }

  const getUnusedFd = vfs.declare('int get_unused_fd_flags(unsigned flags)', (flags: number): number =>
    vfs.fds.reserve(0, vfs.fdLimit(), (flags & O.cloexec) !== 0),
  )
  const fdInstall = vfs.declare(
    'void fd_install(unsigned int fd, struct file *file)',
    (fd: number, file: File): void => {
      vfs.fds.install(fd, file)
    },
  )

  const installOpened = (fd: number, op: OpenFlags, name: Filename, file: number): number => {
    vfs.namei.putname(name)
    if (file < 0 || op.fd !== fd) vfs.fds.release(fd)
    if (file < 0) return file
    if (op.fd === fd) fdInstall(fd, vfs.files.get(file)!)
    else vfs.adoptFile(op.fd, vfs.files.get(file)!)
    return op.fd
  }

  /** `howAt` is the struct open_how on the kernel stack. */
  const doSysOpenat2 = vfs.declare(
    'long do_sys_openat2(int dfd, const char __user *filename, struct open_how *how)',
    (dfd: number, address: number, _howAt: number, flags: number, mode: number): MaybeWait<number> => {
      const op = buildFlags(flags, mode)
      if (typeof op === 'number') return op
      const name = vfs.namei.getname(address)
      if (typeof name === 'number') return name
      const fd = getUnusedFd(flags)
      if (fd < 0) {
        vfs.namei.putname(name)
        return fd
      }
      op.fd = fd
      return after(doFilpOpen(dfd, name, op), (file) => installOpened(fd, op, name, file))
    },
  )

  /** The struct open_how of a call, on the kernel stack. */
  const openHow = (flags: number, mode: number): number => {
    k.current.sp -= 32
    const at = k.current.sp
    mem.writeInt64(at, flags)
    mem.writeInt64(at + 8, mode)
    mem.writeInt64(at + 16, 0)
    return at
  }

  const doSysOpen = vfs.declare(
    'long do_sys_open(int dfd, const char __user *filename, int flags, umode_t mode)',
    (dfd: number, filename: number, flags: number, mode: number): MaybeWait<number> => {
      const valid = flags & VALID_OPEN_FLAGS & (flags & O.path ? O_PATH_FLAGS : -1)
      const how = valid & (O.creat | (O.tmpfile & ~O.directory)) ? mode & 0o7777 : 0
      return doSysOpenat2(dfd, filename, openHow(valid, how), valid, how)
    },
  )

  /** A file for an inode without a name in the tree (pipe, socket, anon_inode): alloc_file_pseudo(). Not installed yet. */
  const pseudoFile = (mount: Path['mount'], inode: Inode, name: string, flags: number): File => {
    const dentry = vfs.newDentry(undefined, name, mount.sb)
    dentry.instantiate(inode)
    const file = allocFile(flags)
    file.path = { mount, dentry }
    file.fop = inode.fop
    file.bind(file.path, inode, inode.sb.opsTable(inode.fop, 'file_operations'))
    file.mode |= FMODE.opened
    if (file.mode & FMODE.read && (inode.fop.read || inode.fop.readIter)) file.mode |= FMODE.canRead
    if (file.mode & FMODE.write && (inode.fop.write || inode.fop.writeIter)) file.mode |= FMODE.canWrite
    return file
  }

  /** Reserve a descriptor and install the file; on -EMFILE the file is put. */
  const installNew = (file: File, flags: number): number => {
    const fd = getUnusedFd(flags)
    if (fd < 0) file.put()
    else fdInstall(fd, file)
    return fd
  }

  // biome-ignore format: one name a word
  return { doSysOpen, doSysOpenat2, openHow, doFilpOpen, buildFlags, getUnusedFd, fdInstall, pseudoFile, installNew, vfsOpen, allocFile }
}

export { VALID_OPEN_FLAGS }
