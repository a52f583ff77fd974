// System calls that wait for files to be ready: poll, select, epoll, and eventfd, which is often among them. Signal masks of the p
// forms are set around the sleep by the kernel's signal part where there is one; sizes are checked here.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Vfs } from '../fs/vfs.ts'
import type { Kernel } from '../kernel.ts'
import type { MaybeWait } from '../wait.ts'
import type { SyscallFamily, SyscallHandler } from './family.ts'

const SIGSET_BYTES = 8

/** Nanoseconds of a struct timespec (unit 1) or timeval (unit 1000) at a user address; undefined for NULL, -EFAULT, -EINVAL. */
function timeoutAt(vfs: Vfs, address: number, unit: number): number | undefined {
  if (address === 0) return undefined
  const bytes = new Uint8Array(16)
  if (vfs.mm.read(address, bytes, 0, 16) > 0) return -ERRNO.EFAULT
  const view = new DataView(bytes.buffer)
  const sec = view.getUint32(0, true) + view.getInt32(4, true) * 0x1_0000_0000
  const part = view.getInt32(8, true)
  if (sec < 0 || part < 0 || (unit === 1 && part > 999_999_999)) return -ERRNO.EINVAL
  return sec * 1e9 + part * unit
}
const milliseconds = (ms: number): number | undefined => (ms < 0 ? undefined : ms * 1e6)

const select =
  (unit: number): SyscallHandler =>
  (k, _task, n, inAt, outAt, exAt, timeout) => {
    const timeoutNs = timeoutAt(k.vfs, timeout, unit)
    if (timeoutNs !== undefined && timeoutNs < 0) return timeoutNs
    return k.vfs.poll.coreSysSelect(n | 0, inAt, outAt, exAt, 0, timeoutNs)
  }
const ppoll: SyscallHandler = (k, _task, fds, count, timeout, mask, size) => {
  const timeoutNs = timeoutAt(k.vfs, timeout, 1)
  if (timeoutNs !== undefined && timeoutNs < 0) return timeoutNs
  if (mask !== 0 && size !== SIGSET_BYTES) return -ERRNO.EINVAL
  return k.vfs.poll.doSysPoll(fds, count >>> 0, 0, timeoutNs)
}
const epollWait = (
  k: Kernel,
  fd: number,
  events: number,
  max: number,
  timeoutNs: number | undefined,
): MaybeWait<number> => k.vfs.epoll.wait(fd | 0, events, max | 0, 0, timeoutNs)
const NO_MASK = 'the signal mask is not changed while it sleeps'

// biome-ignore format: a table reads better dense
export const pollSyscalls: SyscallFamily = {
  poll: (k, _task, fds, count, timeout) => k.vfs.poll.doSysPoll(fds, count >>> 0, 0, milliseconds(timeout | 0)),
  ppoll: partial(ppoll, NO_MASK),
  select: select(1000),
  pselect6: partial(select(1), NO_MASK),
  epoll_create: (k, _task, size) => ((size | 0) <= 0 ? -ERRNO.EINVAL : k.vfs.settleFd(k.vfs.epoll.create(0))),
  epoll_create1: (k, _task, flags) => k.vfs.settleFd(k.vfs.epoll.create(flags | 0)),
  epoll_ctl: (k, _task, epfd, op, fd, event) => k.vfs.epoll.ctl(epfd | 0, op | 0, fd | 0, event),
  epoll_wait: (k, _task, fd, events, max, timeout) => epollWait(k, fd, events, max, milliseconds(timeout | 0)),
  epoll_pwait: partial((k, _task, fd, events, max, timeout, mask, size) =>
    mask !== 0 && size !== SIGSET_BYTES ? -ERRNO.EINVAL : epollWait(k, fd, events, max, milliseconds(timeout | 0)), NO_MASK),
  epoll_pwait2: partial((k, _task, fd, events, max, timeout) => {
    const timeoutNs = timeoutAt(k.vfs, timeout, 1)
    return timeoutNs !== undefined && timeoutNs < 0 ? timeoutNs : epollWait(k, fd, events, max, timeoutNs)
  }, NO_MASK),
  eventfd: (k, _task, count) => k.vfs.settleFd(k.vfs.eventfd.create(count, 0)),
  eventfd2: (k, _task, count, flags) => k.vfs.settleFd(k.vfs.eventfd.create(count, flags | 0)),
}
