// System calls of signals.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Kernel } from '../kernel.ts'
import { NSIG, SI, SIG } from '../signal/numbers.ts'
import { PIDTYPE_PID, PIDTYPE_TGID, SIGACTION } from '../signal/signals.ts'
import { type Sigset, union, without } from '../signal/sigset.ts'
import { PIDTYPE } from '../task/pids.ts'
import { STATE, type Task } from '../task/task.ts'
import { int64, readUser, setInt64, writeUser } from '../user-memory.ts'
import { after, type MaybeWait, type Wait } from '../wait.ts'
import type { SyscallFamily } from './family.ts'

const { EFAULT, EINVAL, EPERM, ESRCH } = ERRNO
const SIGSET_BYTES = 8
const HOW = { block: 0, unblock: 1, setmask: 2 } as const
const STACK_T_BYTES = 24
const SS_DISABLE = 2
const SIGINFO_BYTES = 128

function readSigset(task: Task, address: number): Sigset | undefined {
  const view = readUser(task, address, SIGSET_BYTES)
  return view && { lo: view.getInt32(0, true), hi: view.getInt32(4, true) }
}

function writeSigset(task: Task, address: number, set: Sigset): boolean {
  const view = new DataView(new ArrayBuffer(SIGSET_BYTES))
  view.setInt32(0, set.lo, true)
  view.setInt32(4, set.hi, true)
  return writeUser(task, address, view)
}

function sigaction(k: Kernel, task: Task, signal: number, act: number, oact: number, size: number): number {
  if (size !== SIGSET_BYTES || signal < 1 || signal > NSIG) return -EINVAL
  if (act !== 0 && (signal === SIG.KILL || signal === SIG.STOP)) return -EINVAL
  const at = k.signals.action(task, signal)
  const wanted = act === 0 ? undefined : readUser(task, act, SIGACTION.size)
  if (act !== 0 && !wanted) return -EFAULT
  const old = new DataView(k.mem.u8.slice(at, at + SIGACTION.size).buffer)
  if (wanted) k.mem.u8.set(new Uint8Array(wanted.buffer), at)
  return oact !== 0 && !writeUser(task, oact, old) ? -EFAULT : 0
}

function sigprocmask(k: Kernel, task: Task, how: number, nset: number, oset: number, size: number): number {
  if (size !== SIGSET_BYTES) return -EINVAL
  const old = k.signals.blocked(task)
  if (nset !== 0) {
    const set = readSigset(task, nset)
    if (!set) return -EFAULT
    if (how !== HOW.block && how !== HOW.unblock && how !== HOW.setmask) return -EINVAL
    k.signals.setBlocked(task, how === HOW.block ? union(old, set) : how === HOW.unblock ? without(old, set) : set)
  }
  return oset !== 0 && !writeSigset(task, oset, old) ? -EFAULT : 0
}

/** Sleep with another mask; the old one is back after the handler. */
function sigsuspend(k: Kernel, task: Task, address: number, size: number): MaybeWait<number> {
  if (size !== SIGSET_BYTES) return -EINVAL
  const set = readSigset(task, address)
  if (!set) return -EFAULT
  task.restoreMask = k.signals.blocked(task)
  k.signals.setBlocked(task, set)
  return after(
    k.sleeps.wait([], () => false),
    () => k.settle(-ERRNO.ERESTARTNOHAND),
  )
}

function* pause(k: Kernel): Wait<number> {
  yield* k.sleeps.forever()
  return -ERRNO.ERESTARTNOHAND
}

/** kill(): a process, a process group, or all but init and the caller's own. */
function kill(k: Kernel, task: Task, pid: number, signal: number): number {
  if (signal < 0 || signal > NSIG) return -EINVAL
  if (pid > 0) {
    const target = k.tasks.get(pid)
    return target ? send(k, task, target.groupLeader, signal, SI.user) : -ESRCH
  }
  const group = pid === 0 ? k.pids.number(k.pids.of(task, PIDTYPE.pgid)) : -pid
  const targets = [...k.tasks.all()].filter(
    (p) =>
      p.isLeader &&
      p.user !== undefined &&
      (pid === -1 ? p.pid !== 1 && p.group !== task.group : k.pids.number(k.pids.of(p, PIDTYPE.pgid)) === group),
  )
  if (targets.length === 0) return -ESRCH
  let result: number = -EPERM
  for (const target of targets) if (send(k, task, target, signal, SI.user) === 0) result = 0
  return result
}

function send(k: Kernel, sender: Task, target: Task, signal: number, code: number): number {
  const info = k.signals.userInfo(signal, code, sender)
  const result = k.signals.groupSendSigInfo(signal, info, target, PIDTYPE_TGID)
  if (result !== 0 || signal === 0) k.alloc.free(info)
  return result
}

function sendThread(k: Kernel, sender: Task, tgid: number, tid: number, signal: number): number {
  if (tid <= 0 || signal < 0 || signal > NSIG) return -EINVAL
  const target = k.tasks.get(tid)
  if (!target || (tgid > 0 && target.tgid !== tgid)) return -ESRCH
  if (!k.credentials.mayKill(sender, target, signal)) return -EPERM
  return signal === 0
    ? 0
    : k.signals.doSendSigInfo(signal, k.signals.userInfo(signal, SI.tkill, sender), target, PIDTYPE_PID)
}

function sigaltstack(k: Kernel, task: Task, ss: number, oss: number): number {
  const { mem, layout } = k
  const o = layout.task
  const wanted = ss === 0 ? undefined : readUser(task, ss, STACK_T_BYTES)
  if (ss !== 0 && !wanted) return -EFAULT
  const old = new DataView(new ArrayBuffer(STACK_T_BYTES))
  setInt64(old, 0, mem.readInt64(task.at + o.sasSp))
  const size = mem.readInt64(task.at + o.sasSize)
  old.setInt32(8, size === 0 ? SS_DISABLE : 0, true)
  setInt64(old, 16, size)
  if (wanted) {
    const disable = (wanted.getInt32(8, true) & SS_DISABLE) !== 0
    mem.writeInt64(task.at + o.sasSp, disable ? 0 : int64(wanted, 0))
    mem.writeInt64(task.at + o.sasSize, disable ? 0 : int64(wanted, 16))
    mem.i32[(task.at + o.sasFlags) >> 2] = wanted.getInt32(8, true)
  }
  return oss !== 0 && !writeUser(task, oss, old) ? -EFAULT : 0
}

/** sigtimedwait(): takes a pending signal of the set without a handler. */
function sigtimedwait(
  k: Kernel,
  task: Task,
  uthese: number,
  uinfo: number,
  uts: number,
  size: number,
): MaybeWait<number> {
  if (size !== SIGSET_BYTES) return -EINVAL
  const set = readSigset(task, uthese)
  if (!set) return -EFAULT
  const time = uts === 0 ? undefined : readUser(task, uts, 16)
  if (uts !== 0 && !time) return -EFAULT
  let taken: { signal: number; info: number } | undefined
  const take = (): boolean => (taken = k.signals.take(task, set)) !== undefined
  const blocked = k.signals.blocked(task)
  if (!take()) k.signals.setBlocked(task, without(blocked, set))
  const options = time ? { timeoutNs: int64(time, 0) * 1e9 + int64(time, 8) } : {}
  const slept = taken ? 0 : k.sleeps.wait([], take, { ...options, state: STATE.interruptible })
  return after(slept, (error) => {
    k.signals.setBlocked(task, blocked)
    if (!taken) take()
    if (!taken) return k.settle(error === -ERRNO.ETIME ? -ERRNO.EAGAIN : -ERRNO.EINTR)
    const { signal, info } = taken
    if (uinfo !== 0) {
      const view = new DataView(new ArrayBuffer(SIGINFO_BYTES))
      if (info > 1) new Uint8Array(view.buffer).set(k.mem.bytes(info, k.layout.size.siginfo))
      else view.setInt32(0, signal, true)
      if (!writeUser(task, uinfo, view)) return -EFAULT
    }
    return k.settle(signal)
  })
}

export const signalSyscalls: SyscallFamily = {
  rt_sigaction: sigaction,
  rt_sigprocmask: sigprocmask,
  rt_sigreturn: (k, task) => k.signals.signalReturn(task),
  rt_sigsuspend: sigsuspend,
  rt_sigpending: (k, task, address) => (writeSigset(task, address, k.signals.pendingBlocked(task)) ? 0 : -EFAULT),
  rt_sigtimedwait: sigtimedwait,
  sigaltstack: partial(sigaltstack, 'kept and told, but handlers run in no memory of their own'),
  pause,
  kill: (k, task, pid, signal) => kill(k, task, pid >> 0, signal),
  tkill: (k, task, tid, signal) => sendThread(k, task, 0, tid, signal),
  tgkill: (k, task, tgid, tid, signal) => (tgid <= 0 ? -EINVAL : sendThread(k, task, tgid, tid, signal)),
}
