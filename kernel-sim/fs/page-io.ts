// Reading and writing files whose bytes are in the page cache: generic_file_read_iter(), generic_file_write_iter() and what they
// stand on. Works for any inode with pages.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { after, type MaybeWait } from '../wait.ts'
import type { File } from './file.ts'
import type { Inode } from './inode.ts'
import type { IoCall, IovIter } from './io-call.ts'
import { O, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** lseek's whence. */
export const SEEK = { set: 0, cur: 1, end: 2, data: 3, hole: 4 } as const

const DAY_SECONDS = 86400

export function declarePageIo(vfs: Vfs) {
  const { k, context } = vfs
  const { mem } = context

  const touchAtime = vfs.declare('void touch_atime(const struct path *path)', (_path: number, inode: Inode): void => {
    // relatime: only when it is older than the last change, or than a day.
    const { sec } = inode.time('atime')
    const changed = inode.time('mtime')
    if (sec > changed.sec && context.now().sec - sec < DAY_SECONDS) return
    inode.touch('atime')
  })
  const accessed = (file: File): void => {
    if (!(file.flags & O.noatime)) touchAtime(file.pathAt, file.inode)
  }

  const filemapRead = vfs.leaf(
    'ssize_t filemap_read(struct kiocb *iocb, struct iov_iter *iter, ssize_t already_read)',
    (io: IoCall, iter: IovIter, already: number): number => {
      const { inode } = io.file
      const { size } = inode
      let { pos } = io
      let moved = already
      while (pos < size && iter.count > 0) {
        const within = pos % PAGE_SIZE
        const length = Math.min(PAGE_SIZE - within, size - pos, iter.count)
        const copied = iter.copyTo(mem.u8, inode.pages!.page(Math.floor(pos / PAGE_SIZE)) + within, length)
        pos += copied
        moved += copied
        if (copied < length) {
          if (moved === 0) moved = -ERRNO.EFAULT
          break
        }
      }
      io.pos = pos
      accessed(io.file)
      return moved
    },
  )

  const readIter = vfs.declare(
    'ssize_t generic_file_read_iter(struct kiocb *iocb, struct iov_iter *iter)',
    (io: IoCall, iter: IovIter): MaybeWait<number> => (iter.count === 0 ? 0 : filemapRead(io, iter, 0)),
  )

  const writeChecks = vfs.declare(
    'ssize_t generic_write_checks(struct kiocb *iocb, struct iov_iter *from)',
    (io: IoCall, iter: IovIter): number => {
      if (iter.count === 0) return 0
      if (io.file.flags & O.append) io.pos = io.file.inode.size
      const limit = vfs.fileSizeLimit()
      if (io.pos >= limit) return -ERRNO.EFBIG
      iter.truncate(limit - io.pos)
      return iter.count
    },
  )

  const performWrite = vfs.leaf(
    'ssize_t generic_perform_write(struct kiocb *iocb, struct iov_iter *i)',
    (io: IoCall, iter: IovIter): number => {
      const { inode } = io.file
      let { pos } = io
      let moved = 0
      while (iter.count > 0) {
        const within = pos % PAGE_SIZE
        const length = Math.min(PAGE_SIZE - within, iter.count)
        const copied = iter.copyFrom(mem.u8, inode.pages!.page(Math.floor(pos / PAGE_SIZE)) + within, length)
        if (copied === 0) break
        pos += copied
        moved += copied
        if (pos > inode.size) inode.size = pos
        if (copied < length) break
      }
      if (moved === 0) return -ERRNO.EFAULT
      io.pos = pos
      return moved
    },
  )

  const fileUpdateTime = vfs.declare('int file_update_time(struct file *file)', (file: File): number => {
    file.inode.touch('mtime', 'ctime')
    return 0
  })

  const lockedWrite = vfs.declare(
    'ssize_t __generic_file_write_iter(struct kiocb *iocb, struct iov_iter *from)',
    (io: IoCall, iter: IovIter): MaybeWait<number> => {
      const { inode } = io.file
      // A write takes set-user-id and set-group-id away (file_remove_privs).
      if (inode.mode & S.isuid || (inode.mode & (S.isgid | S.ixgrp)) === (S.isgid | S.ixgrp))
        if (k.current.pid !== 0 && !vfs.mayKeepPrivileges()) inode.mode &= ~(S.isuid | S.isgid)
      return fileUpdateTime(io.file) || performWrite(io, iter)
    },
  )

  const writeIter = vfs.declare(
    'ssize_t generic_file_write_iter(struct kiocb *iocb, struct iov_iter *from)',
    (io: IoCall, iter: IovIter): MaybeWait<number> => {
      const checked = writeChecks(io, iter)
      return checked > 0 ? after(lockedWrite(io, iter), (moved) => sync(io, moved)) : checked
    },
  )
  /** generic_write_sync(): what O_DSYNC and O_SYNC ask for, once the bytes are in. */
  const sync = (io: IoCall, moved: number): MaybeWait<number> => {
    if (moved <= 0 || !(io.file.flags & O.dsync)) return moved
    const end = io.pos
    const datasync = io.file.flags & (O.sync & ~O.dsync) ? 0 : 1
    return after(vfs.io.vfsFsyncRange(io.file, end - moved, end - 1, datasync), (failed) => failed || moved)
  }

  const fileOpen = vfs.declare('int generic_file_open(struct inode *inode, struct file *filp)', (): number => 0)
  const noopFsync = vfs.leaf(
    'int noop_fsync(struct file *file, loff_t start, loff_t end, int datasync)',
    (_file: File, _start: number, _end: number, _datasync: number): number => 0,
  )

  const llseek = vfs.declare(
    'loff_t generic_file_llseek(struct file *file, loff_t offset, int whence)',
    (file: File, offset: number, whence: number): number => {
      const { size } = file.inode
      let pos = offset
      if (whence === SEEK.cur) {
        if (offset === 0) return file.pos
        pos += file.pos
      } else if (whence === SEEK.end) pos += size
      // The whole file is data, its end the only hole.
      else if (whence === SEEK.data || whence === SEEK.hole) {
        if (offset < 0 || offset >= size) return -ERRNO.ENXIO
        if (whence === SEEK.hole) pos = size
      }
      if (pos < 0) return -ERRNO.EINVAL
      file.pos = pos
      return pos
    },
  )

  return { readIter, writeIter, fileOpen, noopFsync, llseek, accessed }
}
