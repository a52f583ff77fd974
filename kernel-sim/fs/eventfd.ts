// eventfd(2): a counter behind a descriptor (struct eventfd_ctx).

import { ERRNO } from '../../base/errno.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { File } from './file.ts'
import { type FileOps, POLL, type PollTable } from './file-ops.ts'
import type { Inode } from './inode.ts'
import type { IoCall, IovIter } from './io-call.ts'
import { FMODE, O } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const EFD_SEMAPHORE = 1
const MAX = 0xffff_ffff_ffff_ffffn

class EventFd {
  readonly at: number
  readonly queue = new WaitQueue()
  constructor(at: number) {
    this.at = at
  }
}

export function declareEventFd(vfs: Vfs) {
  const { mem, alloc, layout } = vfs.context
  const { eventfd_ctx } = layout
  let nextId = 0

  const count = (ctx: EventFd): bigint => mem.dv.getBigUint64(ctx.at + eventfd_ctx.count, true)
  const setCount = (ctx: EventFd, value: bigint): void => mem.dv.setBigUint64(ctx.at + eventfd_ctx.count, value, true)

  const take = (ctx: EventFd, iter: IovIter): number => {
    const isSemaphore = (mem.dv.getInt32(ctx.at + eventfd_ctx.flags, true) & EFD_SEMAPHORE) !== 0
    const value = isSemaphore ? 1n : count(ctx)
    setCount(ctx, count(ctx) - value)
    ctx.queue.wakeAll(POLL.out)
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    return iter.copyTo(bytes, 0, 8) < 8 ? -ERRNO.EFAULT : 8
  }
  function* takeLater(ctx: EventFd, iter: IovIter): Wait<number> {
    const waited = vfs.wait([ctx.queue], () => count(ctx) > 0n, { exclusive: true })
    const result = isWait(waited) ? yield* waited : waited
    return result < 0 ? result : take(ctx, iter)
  }
  const add = (ctx: EventFd, value: bigint): number => {
    setCount(ctx, count(ctx) + value)
    ctx.queue.wakeAll(POLL.in)
    return 8
  }
  function* addLater(ctx: EventFd, value: bigint): Wait<number> {
    const waited = vfs.wait([ctx.queue], () => MAX - count(ctx) > value, { exclusive: true })
    const result = isWait(waited) ? yield* waited : waited
    return result < 0 ? result : add(ctx, value)
  }

  const ops: FileOps = {
    symbol: 'eventfd_fops',
    functions: { release: 'eventfd_release', poll: 'eventfd_poll', read_iter: 'eventfd_read', write: 'eventfd_write' },
    release: vfs.declare(
      'int eventfd_release(struct inode *inode, struct file *file)',
      (_inode: Inode, file: File): void => {
        alloc.free((file.priv as EventFd).at)
      },
    ),
    poll: vfs.declare(
      '__poll_t eventfd_poll(struct file *file, poll_table *wait)',
      (file: File, table: PollTable | undefined): number => {
        const ctx = file.priv as EventFd
        table?.add(ctx.queue)
        const value = count(ctx)
        return (value > 0n ? POLL.in : 0) | (value === MAX ? POLL.err : 0) | (value < MAX - 1n ? POLL.out : 0)
      },
    ),
    readIter: vfs.leaf(
      'ssize_t eventfd_read(struct kiocb *iocb, struct iov_iter *to)',
      (io: IoCall, iter: IovIter): MaybeWait<number> => {
        if (iter.count < 8) return -ERRNO.EINVAL
        const ctx = io.file.priv as EventFd
        if (count(ctx) > 0n) return take(ctx, iter)
        return io.nonblock ? -ERRNO.EAGAIN : takeLater(ctx, iter)
      },
    ),
    write: vfs.leaf(
      'ssize_t eventfd_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)',
      (file: File, buf: number, size: number, _io: IoCall): MaybeWait<number> => {
        if (size < 8) return -ERRNO.EINVAL
        const bytes = new Uint8Array(8)
        if (vfs.mm.read(buf, bytes, 0, 8) > 0) return -ERRNO.EFAULT
        const value = new DataView(bytes.buffer).getBigUint64(0, true)
        if (value === MAX) return -ERRNO.EINVAL
        const ctx = file.priv as EventFd
        if (MAX - count(ctx) > value) return add(ctx, value)
        return file.flags & O.nonblock ? -ERRNO.EAGAIN : addLater(ctx, value)
      },
    ),
    showFdinfo: (file) => {
      const ctx = file.priv as EventFd
      return `eventfd-count: ${count(ctx).toString(16).padStart(16)}\neventfd-id: ${mem.dv.getInt32(ctx.at + eventfd_ctx.id, true)}\n`
    },
  }

  const create = vfs.declare(
    'int do_eventfd(unsigned int count, int flags)',
    (initial: number, flags: number): number => {
      if (flags & ~(EFD_SEMAPHORE | O.cloexec | O.nonblock)) return -ERRNO.EINVAL
      const ctx = new EventFd(alloc.alloc(eventfd_ctx.size))
      setCount(ctx, BigInt(initial >>> 0))
      mem.dv.setInt32(ctx.at + eventfd_ctx.flags, flags, true)
      mem.dv.setInt32(ctx.at + eventfd_ctx.id, nextId++, true)
      const file = vfs.anonFile('[eventfd]', ops, ctx, ctx.at, O.rdwr | (flags & (O.cloexec | O.nonblock)))
      file.mode |= FMODE.nowait
      return vfs.open.installNew(file, flags)
    },
  )
  return { create }
}
