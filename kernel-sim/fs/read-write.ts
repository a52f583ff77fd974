// Moving bytes: read, write and their vector, positioned and in-kernel forms, lseek, fsync. Results are bytes or negative errno.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { TASK_SIZE } from '../mm/mm.ts'
import { after, isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { File } from './file.ts'
import { IoCall, ioCallBytes, type Segment } from './io-call.ts'
import { FMODE, MAX_RW_COUNT, MAY, O } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const UIO_MAXIOV = 1024
/** RWF_* of preadv2 and pwritev2 that are understood. */
const RWF = { hipri: 1, dsync: 2, sync: 4, nowait: 8, append: 16 } as const

/** Bytes that sendfile and copy_file_range move at a time: what a pipe holds. */
const SPLICE_BYTES = 16 * PAGE_SIZE

type Direction = 'read' | 'write'

export function declareReadWrite(vfs: Vfs) {
  const { k, context } = vfs
  const { mem } = context
  const ioBytes = (ioCallBytes(context) + 15) & ~15
  const ioac = k.layouts.bind('task_io_accounting', { rchar: 'rchar', wchar: 'wchar', syscr: 'syscr', syscw: 'syscw' })

  /** The kiocb, iov_iter and loff_t of a call, in the frame of the running function. */
  const ioCall = (file: File, pos: number, segments: readonly Segment[], nonblock = false): IoCall => {
    const task = k.current
    task.sp -= ioBytes
    return new IoCall(context, task.sp, file, pos, task.mm, segments, nonblock || (file.flags & O.nonblock) !== 0)
  }

  const account = (direction: Direction, result: number): void => {
    const at = k.current.at + k.layout.task.ioac
    const chars = at + (direction === 'read' ? ioac.rchar : ioac.wchar)
    const calls = at + (direction === 'read' ? ioac.syscr : ioac.syscw)
    if (result > 0) mem.writeInt64(chars, mem.readInt64(chars) + result)
    mem.writeInt64(calls, mem.readInt64(calls) + 1)
  }

  const securityPermission = vfs.security('int security_file_permission(struct file *file, int mask)')
  const rwVerifyArea = vfs.declare(
    'int rw_verify_area(int read_write, struct file *file, const loff_t *ppos, size_t count)',
    (write: number, file: File, _ppos: number, count: number, pos: number): number => {
      if (count < 0 || count > Number.MAX_SAFE_INTEGER) return -ERRNO.EINVAL
      if (pos < 0) return -ERRNO.EINVAL
      return securityPermission(file, write ? MAY.write : MAY.read)
    },
  )

  /** Whether an access of `count` bytes may be made at all: mode, address, limits. 0 or negative errno. */
  const check = (file: File, direction: Direction, buf: number, count: number): number => {
    const { mode } = file
    if (!(mode & (direction === 'read' ? FMODE.read : FMODE.write))) return -ERRNO.EBADF
    if (!(mode & (direction === 'read' ? FMODE.canRead : FMODE.canWrite))) return -ERRNO.EINVAL
    if (buf < 0 || (count > 0 && buf + count > TASK_SIZE)) return count < 0 ? -ERRNO.EINVAL : -ERRNO.EFAULT
    return 0
  }

  const finish = (direction: Direction, result: number): number => {
    account(direction, result)
    return result
  }
  function* finishLater(direction: Direction, wait: Wait<number>): Wait<number> {
    return finish(direction, yield* wait)
  }

  const vfsRead = vfs.declare(
    'ssize_t vfs_read(struct file *file, char __user *buf, size_t count, loff_t *pos)',
    (file: File, buf: number, count: number, posAt: number, io: IoCall): MaybeWait<number> => {
      const refused = check(file, 'read', buf, count) || rwVerifyArea(0, file, posAt, count, io.pos)
      if (refused) return refused
      const length = Math.min(count, MAX_RW_COUNT)
      io.iter.truncate(length)
      const result = file.fop.read ? file.fop.read(file, buf, length, io) : file.fop.readIter!(io, io.iter)
      return isWait(result) ? finishLater('read', result) : finish('read', result)
    },
  )

  const vfsWrite = vfs.declare(
    'ssize_t vfs_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)',
    (file: File, buf: number, count: number, posAt: number, io: IoCall): MaybeWait<number> => {
      const refused = check(file, 'write', buf, count) || rwVerifyArea(1, file, posAt, count, io.pos)
      if (refused) return refused
      const length = Math.min(count, MAX_RW_COUNT)
      io.iter.truncate(length)
      const result = file.fop.write ? file.fop.write(file, buf, length, io) : file.fop.writeIter!(io, io.iter)
      return isWait(result) ? finishLater('write', result) : finish('write', result)
    },
  )

  /** Where file.pos goes after a call through it; streams have no position. */
  const settle = (file: File, io: IoCall, result: number): number => {
    if (result >= 0 && !(file.mode & FMODE.stream)) file.pos = io.pos
    return result
  }
  function* settleLater(file: File, io: IoCall, wait: Wait<number>): Wait<number> {
    const result = settle(file, io, yield* wait)
    file.put()
    return result
  }
  /** A call that moves through file.pos. While it sleeps the file is held, as fdget() does for shared tables. */
  const through = (file: File, io: IoCall, result: MaybeWait<number>): MaybeWait<number> => {
    if (!isWait(result)) return settle(file, io, result)
    file.hold()
    return settleLater(file, io, result)
  }
  function* heldLater(file: File, wait: Wait<number>): Wait<number> {
    const result = yield* wait
    file.put()
    return result
  }
  const held = (file: File, result: MaybeWait<number>): MaybeWait<number> => {
    if (!isWait(result)) return result
    file.hold()
    return heldLater(file, result)
  }

  const start = (file: File): number => (file.mode & FMODE.stream ? 0 : file.pos)

  const ksysRead = vfs.declare(
    'ssize_t ksys_read(unsigned int fd, char __user *buf, size_t count)',
    (fd: number, buf: number, count: number): MaybeWait<number> => {
      const file = vfs.usable(fd)
      if (!file) return -ERRNO.EBADF
      const io = ioCall(file, start(file), [{ base: buf, length: count }])
      return through(file, io, vfsRead(file, buf, count, io.posAt, io))
    },
  )

  const ksysWrite = vfs.declare(
    'ssize_t ksys_write(unsigned int fd, const char __user *buf, size_t count)',
    (fd: number, buf: number, count: number): MaybeWait<number> => {
      const file = vfs.usable(fd)
      if (!file) return -ERRNO.EBADF
      const io = ioCall(file, start(file), [{ base: buf, length: count }])
      return through(file, io, vfsWrite(file, buf, count, io.posAt, io))
    },
  )

  const ksysPread = vfs.declare(
    'ssize_t ksys_pread64(unsigned int fd, char __user *buf, size_t count, loff_t pos)',
    (fd: number, buf: number, count: number, pos: number): MaybeWait<number> => {
      if (pos < 0) return -ERRNO.EINVAL
      const file = vfs.usable(fd)
      if (!file) return -ERRNO.EBADF
      if (!(file.mode & FMODE.pread)) return -ERRNO.ESPIPE
      const io = ioCall(file, pos, [{ base: buf, length: count }])
      return held(file, vfsRead(file, buf, count, io.posAt, io))
    },
  )

  const ksysPwrite = vfs.declare(
    'ssize_t ksys_pwrite64(unsigned int fd, const char __user *buf, size_t count, loff_t pos)',
    (fd: number, buf: number, count: number, pos: number): MaybeWait<number> => {
      if (pos < 0) return -ERRNO.EINVAL
      const file = vfs.usable(fd)
      if (!file) return -ERRNO.EBADF
      if (!(file.mode & FMODE.pwrite)) return -ERRNO.ESPIPE
      const io = ioCall(file, pos, [{ base: buf, length: count }])
      return held(file, vfsWrite(file, buf, count, io.posAt, io))
    },
  )

  /** import_iovec(): the segments at a user address; negative errno. */
  const importIovec = (address: number, count: number): Segment[] | number => {
    if (count < 0 || count > UIO_MAXIOV) return -ERRNO.EINVAL
    const bytes = new Uint8Array(count * 16)
    if (!k.current.mm || k.current.mm.read(address, bytes, 0, bytes.length) > 0) return -ERRNO.EFAULT
    const view = new DataView(bytes.buffer)
    const segments: Segment[] = []
    for (let i = 0; i < count; i++) {
      const base = view.getUint32(i * 16, true) + view.getInt32(i * 16 + 4, true) * 0x1_0000_0000
      const length = view.getUint32(i * 16 + 8, true) + view.getInt32(i * 16 + 12, true) * 0x1_0000_0000
      if (length < 0) return -ERRNO.EINVAL
      if (base < 0 || base + length > TASK_SIZE) return -ERRNO.EFAULT
      if (length > 0) segments.push({ base, length })
    }
    return segments
  }

  /** A file with only plain read or write gets the segments one by one. */
  function* eachSegment(file: File, direction: Direction, segments: readonly Segment[], io: IoCall): Wait<number> {
    let moved = 0
    for (const { base, length } of segments) {
      const step =
        direction === 'read' ? file.fop.read!(file, base, length, io) : file.fop.write!(file, base, length, io)
      const result = isWait(step) ? yield* step : step
      if (result < 0) return moved > 0 ? moved : result
      moved += result
      if (result < length) break
    }
    return moved
  }

  const vectored = (direction: Direction) =>
    vfs.declare(
      direction === 'read'
        ? 'ssize_t vfs_readv(struct file *file, const struct iovec __user *vec, unsigned long vlen, loff_t *pos, rwf_t flags)'
        : 'ssize_t vfs_writev(struct file *file, const struct iovec __user *vec, unsigned long vlen, loff_t *pos, rwf_t flags)',
      (file: File, vec: number, vlen: number, _pos: number, flags: number, from: IoStart): MaybeWait<number> => {
        if (flags & ~(RWF.hipri | RWF.dsync | RWF.sync | RWF.nowait | RWF.append)) return -ERRNO.EOPNOTSUPP
        const segments = importIovec(vec, vlen)
        if (typeof segments === 'number') return segments
        const io = ioCall(file, from.pos, segments, (flags & RWF.nowait) !== 0)
        const refused =
          check(file, direction, 0, 0) ||
          rwVerifyArea(direction === 'read' ? 0 : 1, file, io.posAt, io.iter.count, from.pos)
        if (refused) return refused
        io.iter.truncate(MAX_RW_COUNT)
        const iterate = direction === 'read' ? file.fop.readIter : file.fop.writeIter
        const result = iterate ? iterate(io, io.iter) : eachSegment(file, direction, segments, io)
        if (!from.through)
          return held(file, isWait(result) ? finishLater(direction, result) : finish(direction, result))
        return through(file, io, isWait(result) ? finishLater(direction, result) : finish(direction, result))
      },
    )
  const vfsReadv = vectored('read')
  const vfsWritev = vectored('write')

  const doVector = (name: string, body: typeof vfsReadv) =>
    vfs.declare(
      `ssize_t ${name}(unsigned long fd, const struct iovec __user *vec, unsigned long vlen, rwf_t flags)`,
      (fd: number, vec: number, vlen: number, flags: number): MaybeWait<number> => {
        const file = vfs.usable(fd)
        if (!file) return -ERRNO.EBADF
        return body(file, vec, vlen, 0, flags, { pos: start(file), through: true })
      },
    )
  const doReadv = doVector('do_readv', vfsReadv)
  const doWritev = doVector('do_writev', vfsWritev)

  const positioned = (
    direction: Direction,
    fd: number,
    vec: number,
    vlen: number,
    pos: number,
    flags: number,
  ): MaybeWait<number> => {
    if (pos < 0) return -ERRNO.EINVAL
    const file = vfs.usable(fd)
    if (!file) return -ERRNO.EBADF
    if (!(file.mode & (direction === 'read' ? FMODE.pread : FMODE.pwrite))) return -ERRNO.ESPIPE
    return (direction === 'read' ? vfsReadv : vfsWritev)(file, vec, vlen, 0, flags, { pos, through: false })
  }

  const vfsLlseek = vfs.declare(
    'loff_t vfs_llseek(struct file *file, loff_t offset, int whence)',
    (file: File, offset: number, whence: number): MaybeWait<number> => {
      const pos = file.mode & FMODE.lseek ? file.fop.llseek!(file, offset, whence) : -ERRNO.ESPIPE
      return k.settle(pos, (recorded) => {
        if (recorded >= 0) file.pos = recorded
      })
    },
  )

  /** lseek(2) inlines ksys_lseek(). */
  const lseek = (fd: number, offset: number, whence: number): MaybeWait<number> => {
    const file = vfs.usable(fd)
    if (!file) return -ERRNO.EBADF
    return whence < 0 || whence > 4 ? -ERRNO.EINVAL : vfsLlseek(file, offset, whence)
  }

  const vfsFsyncRange = vfs.declare(
    'int vfs_fsync_range(struct file *file, loff_t start, loff_t end, int datasync)',
    (file: File, from: number, to: number, datasync: number): MaybeWait<number> =>
      file.fop.fsync?.(file, from, to, datasync) ?? -ERRNO.EINVAL,
  )
  const vfsFsync = vfs.declare(
    'int vfs_fsync(struct file *file, int datasync)',
    (file: File, datasync: number): MaybeWait<number> => vfsFsyncRange(file, 0, Number.MAX_SAFE_INTEGER, datasync),
  )
  const doFsync = vfs.declare(
    'int do_fsync(unsigned int fd, int datasync)',
    (fd: number, datasync: number): MaybeWait<number> => {
      const file = vfs.usable(fd)
      return file ? vfsFsync(file, datasync) : -ERRNO.EBADF
    },
  )

  /** Move bytes between two files through a kernel buffer; `out.posAt` undefined: through its own position. */
  function* pump(from: File, fromPos: number, to: File, toPos: number | undefined, length: number): Wait<number> {
    const buffer = context.alloc.allocPages(SPLICE_BYTES / PAGE_SIZE)
    let moved = 0
    let position = toPos ?? start(to)
    const mark = k.current.sp
    while (moved < length) {
      const segment = [{ base: buffer, length: Math.min(SPLICE_BYTES, length - moved) }]
      k.current.sp = mark
      const input = kernelCall(from, fromPos + moved, segment)
      const got = from.fop.readIter!(input, input.iter)
      const bytes = isWait(got) ? yield* got : got
      if (bytes <= 0) {
        if (moved === 0) moved = bytes
        break
      }
      const output = kernelCall(to, position, [{ base: buffer, length: bytes }])
      const put = to.fop.writeIter!(output, output.iter)
      const written = isWait(put) ? yield* put : put
      if (written <= 0) {
        if (moved === 0) moved = written
        break
      }
      moved += written
      position = output.pos
      if (written < bytes) break
    }
    k.current.sp = mark
    context.alloc.freePages(buffer)
    if (toPos === undefined && moved > 0 && !(to.mode & FMODE.stream)) to.pos = position
    return moved
  }
  const kernelCall = (file: File, pos: number, segments: readonly Segment[]): IoCall => {
    k.current.sp -= ioBytes
    const nonblock = (file.flags & O.nonblock) !== 0
    return new IoCall(context, k.current.sp, file, pos, undefined, segments, nonblock)
  }
  /** Run kernel code that need not sleep to its end at once, if it does not. */
  const eager = (wait: Wait<number>): MaybeWait<number> => {
    const first = wait.next()
    return first.done ? first.value : resumed(wait)
  }
  function* resumed(wait: Wait<number>): Wait<number> {
    yield
    return yield* wait
  }

  /** The reads and writes inside are not the call: in a replay its recorded end comes after all of them. */
  const asOne = (work: () => MaybeWait<number>): MaybeWait<number> => {
    const { recorded } = k.current
    if (!recorded || recorded.settled) return work()
    recorded.settled = true
    return after(work(), (result) => {
      recorded.settled = false
      return k.settle(result)
    })
  }

  const doSpliceDirect = vfs.declare(
    `${vfs.isLegacy ? 'long' : 'ssize_t'} do_splice_direct(struct file *in, loff_t *ppos, struct file *out, loff_t *opos, size_t len, unsigned int flags)`,
    (
      from: File,
      _ppos: number,
      to: File,
      _opos: number,
      length: number,
      _flags: number,
      pos: SplicePositions,
    ): MaybeWait<number> => asOne(() => eager(pump(from, pos.from, to, pos.to, length))),
  )

  const doSendfile = vfs.declare(
    'ssize_t do_sendfile(int out_fd, int in_fd, loff_t *ppos, size_t count, loff_t max)',
    (outFd: number, inFd: number, offsetAt: number, count: number, _max: number): MaybeWait<number> => {
      const from = vfs.usable(inFd)
      if (!from || !(from.mode & FMODE.read)) return -ERRNO.EBADF
      let pos = start(from)
      if (offsetAt !== 0) {
        if (!(from.mode & FMODE.pread)) return -ERRNO.ESPIPE
        const read = vfs.readUserInt64(offsetAt)
        if (read === undefined) return -ERRNO.EFAULT
        pos = read
      }
      const to = vfs.usable(outFd)
      if (!to || !(to.mode & FMODE.write)) return -ERRNO.EBADF
      const refused = rwVerifyArea(0, from, 0, count, pos) || rwVerifyArea(1, to, 0, count, start(to))
      if (refused) return refused
      if (!from.fop.readIter || !to.fop.writeIter || !from.inode.isRegular) return -ERRNO.EINVAL
      if (to.flags & O.append) return -ERRNO.EINVAL
      const length = Math.min(count, MAX_RW_COUNT)
      const done = (result: number): number => {
        if (result > 0) {
          if (offsetAt !== 0) vfs.writeUserInt64(offsetAt, pos + result)
          else from.pos = pos + result
        }
        account('read', result)
        account('write', result)
        return result
      }
      const result = doSpliceDirect(from, 0, to, 0, length, 0, { from: pos, to: undefined })
      return isWait(result) ? doneLater(result, done) : done(result)
    },
  )
  function* doneLater(wait: Wait<number>, done: (result: number) => number): Wait<number> {
    return done(yield* wait)
  }

  const vfsCopyFileRange = vfs.declare(
    'ssize_t vfs_copy_file_range(struct file *file_in, loff_t pos_in, struct file *file_out, loff_t pos_out, size_t len, unsigned int flags)',
    (from: File, posIn: number, to: File, posOut: number, length: number, flags: number): MaybeWait<number> => {
      if (flags !== 0) return -ERRNO.EINVAL
      if (from.inode.isDir || to.inode.isDir) return -ERRNO.EISDIR
      if (!from.inode.isRegular || !to.inode.isRegular) return -ERRNO.EINVAL
      if (!(from.mode & FMODE.read) || !(to.mode & FMODE.write) || to.flags & O.append) return -ERRNO.EBADF
      const count = posIn >= from.inode.size ? 0 : Math.min(length, from.inode.size - posIn)
      if (from.inode === to.inode && posOut + count > posIn && posOut < posIn + count) return -ERRNO.EINVAL
      const refused = rwVerifyArea(0, from, 0, count, posIn) || rwVerifyArea(1, to, 0, count, posOut)
      if (refused || count === 0) return refused
      const done = (result: number): number => {
        account('read', result)
        account('write', result)
        return result
      }
      const length32 = Math.min(count, MAX_RW_COUNT)
      const result = doSpliceDirect(from, 0, to, 0, length32, 0, { from: posIn, to: posOut })
      return isWait(result) ? doneLater(result, done) : done(result)
    },
  )

  /** copy_file_range(2): positions at user addresses, 0 for the files' own. */
  const copyFileRange = (
    inFd: number,
    inAt: number,
    outFd: number,
    outAt: number,
    length: number,
    flags: number,
  ): MaybeWait<number> => {
    const from = vfs.usable(inFd)
    const to = vfs.usable(outFd)
    if (!from || !to) return -ERRNO.EBADF
    const posIn = inAt === 0 ? start(from) : vfs.readUserInt64(inAt)
    const posOut = outAt === 0 ? start(to) : vfs.readUserInt64(outAt)
    if (posIn === undefined || posOut === undefined) return -ERRNO.EFAULT
    const done = (result: number): number => {
      if (result <= 0) return result
      if (inAt === 0) from.pos = posIn + result
      else vfs.writeUserInt64(inAt, posIn + result)
      if (outAt === 0) to.pos = posOut + result
      else vfs.writeUserInt64(outAt, posOut + result)
      return result
    }
    const result = vfsCopyFileRange(from, posIn, to, posOut, length, flags)
    return isWait(result) ? doneLater(result, done) : done(result)
  }

  // biome-ignore format: one name a word
  return {
    vfsRead, vfsWrite, ksysRead, ksysWrite, ksysPread, ksysPwrite, doReadv, doWritev, positioned, lseek, vfsFsyncRange, doFsync,
    doSendfile, copyFileRange, importIovec, ioCall,
  }
}

interface IoStart {
  readonly pos: number
  /** Whether the call moves the file's own position. */
  readonly through: boolean
}

interface SplicePositions {
  readonly from: number
  readonly to: number | undefined
}
