// System calls on sockets. What they do is in net/.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Net } from '../net/net.ts'
import type { MaybeWait } from '../wait.ts'
import type { SyscallFamily, SyscallHandler } from './family.ts'

type Args = [a: number, b: number, c: number, d: number, e: number, f: number]
const call =
  (body: (calls: Net['calls'], ...args: Args) => MaybeWait<number>): SyscallHandler =>
  (k, _task, a, b, c, d, e, f) =>
    body(k.net.calls, a, b, c, d, e, f)

/** The same for a call whose result is a descriptor. */
const fdCall =
  (body: (calls: Net['calls'], ...args: Args) => number): SyscallHandler =>
  (k, _task, a, b, c, d, e, f) =>
    k.vfs.settleFd(body(k.net.calls, a, b, c, d, e, f))

const MMSGHDR_BYTES = 64

/** sendmmsg and recvmmsg: one message after the other, as long as none would sleep. */
const several =
  (one: 'sendmsg' | 'recvmsg'): SyscallHandler =>
  (k, _task, fd, vector, count, flags) => {
    const send = k.net.calls[one]
    let done = 0
    for (; done < Math.min(count >>> 0, 1024); done++) {
      const at = vector + done * MMSGHDR_BYTES
      const result = send(fd | 0, at, flags | (done > 0 ? 0x40 : 0), 1)
      if (typeof result !== 'number') return done > 0 ? done : result
      if (result < 0) return done > 0 ? done : result
      if (!k.vfs.writeUserInt32(at + 56, result)) return -ERRNO.EFAULT
    }
    return done
  }

// biome-ignore format: a table reads better dense
export const socketSyscalls: SyscallFamily = {
  socket: partial(fdCall((net, family, type, protocol) => net.socket(family | 0, type | 0, protocol | 0)), 'AF_UNIX, AF_INET and AF_INET6 only; internet sockets reach this machine only, without packets'),
  socketpair: call((net, family, type, protocol, out) => net.socketpair(family | 0, type | 0, protocol | 0, out)),
  bind: call((net, fd, address, length) => net.bind(fd | 0, address, length | 0)),
  listen: call((net, fd, backlog) => net.listen(fd | 0, backlog | 0)),
  accept: call((net, fd, address, length) => net.accept4(fd | 0, address, length, 0)),
  accept4: call((net, fd, address, length, flags) => net.accept4(fd | 0, address, length, flags | 0)),
  connect: call((net, fd, address, length) => net.connect(fd | 0, address, length | 0)),
  getsockname: call((net, fd, address, length) => net.getsockname(fd | 0, address, length)),
  getpeername: call((net, fd, address, length) => net.getpeername(fd | 0, address, length)),
  sendto: call((net, fd, buf, length, flags, address, addressLength) => net.sendto(fd | 0, buf, length, flags | 0, address, addressLength | 0)),
  recvfrom: call((net, fd, buf, length, flags, address, addressLength) => net.recvfrom(fd | 0, buf, length, flags | 0, address, addressLength)),
  sendmsg: call((net, fd, message, flags) => net.sendmsg(fd | 0, message, flags | 0, 1)),
  recvmsg: call((net, fd, message, flags) => net.recvmsg(fd | 0, message, flags | 0, 1)),
  sendmmsg: several('sendmsg'),
  recvmmsg: partial(several('recvmsg'), 'the timeout is not looked at'),
  shutdown: call((net, fd, how) => net.shutdown(fd | 0, how | 0)),
  setsockopt: partial(call((net, fd, level, name, value, length) => net.setsockopt(fd | 0, level | 0, name | 0, value, length | 0)), 'most options are kept and given back without effect'),
  getsockopt: call((net, fd, level, name, value, length) => net.getsockopt(fd | 0, level | 0, name | 0, value, length)),
}
