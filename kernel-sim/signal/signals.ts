// Sending and delivering signals, with Linux's call chain and tracepoints. A signal waits in its task's pending set, or in its
// process's; a task looks on its way to user mode. One with a handler goes to the user side, whose handler ends in rt_sigreturn; the
// interrupted mask and call are kept here, not in a frame on the user stack.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import type { SyscallStep } from '../syscalls/table.ts'
import type { PendingSignal } from '../task/group.ts'
import { STATE, type Task, TIF } from '../task/task.ts'
import type { Wait } from '../wait.ts'
import { CLD, defaultAction, isStop, SA, SEND_SIG_PRIV, SIG, SIG_DFL, SIG_IGN } from './numbers.ts'
import {
  blockable,
  hasSignal,
  inSet,
  readSet,
  type Sigset,
  setSignal,
  single,
  union,
  without,
  writeSet,
} from './sigset.ts'

/** What rt_sigreturn goes back to. */
export interface SignalFrame {
  readonly mask: Sigset
  /** The call to make again, if the signal interrupted one that restarts. */
  readonly restart: SyscallStep | undefined
  /** What the interrupted call returned. */
  readonly result: number
}

/** Results of trace_signal_generate. */
const RESULT = { delivered: 0, ignored: 1, alreadyPending: 2 } as const
/** struct sigaction on x86-64: handler, flags, restorer, mask. */
export const SIGACTION = { handler: 0, flags: 8, restorer: 16, mask: 24, size: 32 } as const
export const PIDTYPE_PID = 0
export const PIDTYPE_TGID = 1

export class Signals {
  readonly #k: Kernel
  /** Send to a process (`type` PIDTYPE_TGID) or to one thread. `info`: offset of a siginfo, or SEND_SIG_*. 0 or an errno. */
  readonly doSendSigInfo: (signal: number, info: number, p: Task, type: number) => number
  readonly groupSendSigInfo: (signal: number, info: number, p: Task, type: number) => number
  readonly doNotifyParent: (p: Task, signal: number) => number
  readonly #getSignal: (ksig: number, task: Task) => Wait<number>
  readonly #signalWakeUp: (p: Task, state: number) => undefined
  /** The signal that get_signal() found, 0 if there was none. */
  #found: PendingSignal = { signal: 0, info: 0 }

  constructor(k: Kernel) {
    this.#k = k
    const { functions } = k
    const send = functions.declare(
      'int __send_signal_locked(int sig, struct kernel_siginfo *info, struct task_struct *t, enum pid_type type, bool force)',
      (signal: number, info: number, p: Task, type: number, _force: number) => this.#send(signal, info, p, type),
    )
    const sendLocked = functions.declare(
      'int send_signal_locked(int sig, struct kernel_siginfo *info, struct task_struct *t, enum pid_type type)',
      (signal: number, info: number, p: Task, type: number) => send(signal, info, p, type, 0),
    )
    this.doSendSigInfo = functions.declare(
      'int do_send_sig_info(int sig, struct kernel_siginfo *info, struct task_struct *p, enum pid_type type)',
      (signal: number, info: number, p: Task, type: number) => sendLocked(signal, info, p, type),
    )
    this.groupSendSigInfo = functions.declare(
      'int group_send_sig_info(int sig, struct kernel_siginfo *info, struct task_struct *p, enum pid_type type)',
      (signal: number, info: number, p: Task, type: number) => {
        if (!k.credentials.mayKill(k.current, p, signal)) return -ERRNO.EPERM
        return signal === 0 ? 0 : this.doSendSigInfo(signal, info, p, type)
      },
    )
    this.doNotifyParent = functions.declare(
      'bool do_notify_parent(struct task_struct *tsk, int sig)',
      (p: Task, signal: number) => this.#notifyParent(p, signal, sendLocked),
    )
    this.#getSignal = functions.declare('bool get_signal(struct ksignal *ksig)', (ksig: number, task: Task) =>
      this.#dequeueAll(task, ksig),
    )
    this.#signalWakeUp = functions.declare(
      'void signal_wake_up_state(struct task_struct *t, unsigned int state)',
      (p: Task, state: number) => {
        p.setThreadFlag(TIF.sigpending, true)
        k.sched.tryToWakeUp(p, state | STATE.interruptible, 0)
        return undefined
      },
    )
  }

  /** What a call's result is to user space: no -ERESTART* ever shows. */
  visible(result: number): number {
    return result <= -ERRNO.ERESTARTSYS && result >= -ERRNO.ERESTART_RESTARTBLOCK ? -ERRNO.EINTR : result
  }

  /** A siginfo of kill() and its like; for the caller to free, unless it was queued. */
  userInfo(signal: number, code: number, sender: Task): number {
    const { alloc, mem, layout } = this.#k
    const info = alloc.alloc(layout.size.siginfo)
    mem.i32[(info + layout.siginfo.signo) >> 2] = signal
    mem.i32[(info + layout.siginfo.code) >> 2] = code
    mem.i32[(info + layout.siginfo.pid) >> 2] = sender.tgid
    mem.i32[(info + layout.siginfo.uid) >> 2] = this.#k.credentials.uid(sender)
    return info
  }

  /** sighand->action[signal - 1], a struct k_sigaction. */
  action(task: Task, signal: number): number {
    return task.sighand + this.#k.layout.sighand.action + (signal - 1) * SIGACTION.size
  }

  handler(task: Task, signal: number): number {
    return this.#k.mem.readInt64(this.action(task, signal) + SIGACTION.handler)
  }

  /** Set the task's mask; signals that this lets through are noticed. */
  setBlocked(task: Task, set: Sigset): void {
    writeSet(this.#k.mem, task.at + this.#k.layout.task.blocked, blockable(set))
    this.recalc(task)
  }

  blocked(task: Task): Sigset {
    return readSet(this.#k.mem, task.at + this.#k.layout.task.blocked)
  }

  /** Signals that wait and are blocked (sigpending). */
  pendingBlocked(task: Task): Sigset {
    const { mem, layout } = this.#k
    const waiting = union(
      readSet(mem, task.at + layout.task.pendingSignals),
      readSet(mem, task.signal + layout.signal.sharedPending),
    )
    const mask = this.blocked(task)
    return { lo: waiting.lo & mask.lo, hi: waiting.hi & mask.hi }
  }

  /** Takes a pending signal of `set`, blocked or not; whoever takes it frees its siginfo. */
  take(task: Task, set: Sigset): PendingSignal | undefined {
    return this.#dequeue(task, { lo: ~set.lo, hi: ~set.hi })
  }

  /** recalc_sigpending(): whether something waits that is not blocked. */
  recalc(task: Task): void {
    const { mem, layout } = this.#k
    const own = readSet(mem, task.at + layout.task.pendingSignals)
    const shared = readSet(mem, task.signal + layout.signal.sharedPending)
    const open = without(union(own, shared), this.blocked(task))
    task.setThreadFlag(TIF.sigpending, (open.lo | open.hi) !== 0 || task.group.stopped)
  }

  /** On the way to user mode: deal with what is pending. Does not return when the task dies. */
  *deliver(task: Task): Wait<undefined> {
    const call = task.interrupted
    const ksig = task.stackRoom(this.#k.layout.size.ksignal)
    if ((yield* this.#getSignal(ksig, task)) === 0) {
      this.#restartWithoutHandler(task)
      if (task.restoreMask) {
        this.setBlocked(task, task.restoreMask)
        task.restoreMask = undefined
      }
      this.recalc(task)
      return
    }
    const { signal, info } = this.#found
    const { mem } = this.#k
    const action = this.action(task, signal)
    const flags = mem.readInt64(action + SIGACTION.flags)
    const handler = mem.readInt64(action + SIGACTION.handler)
    if (flags & SA.resethand) mem.writeInt64(action + SIGACTION.handler, SIG_DFL)
    const restart =
      call && !task.uncontended && restartsAfterHandler(call.result, (flags & SA.restart) !== 0) ? call.step : undefined
    const mask = task.restoreMask ?? this.blocked(task)
    task.restoreMask = undefined
    task.signalFrames.push({ mask, restart, result: call ? this.visible(call.result) : 0 })
    let during = union(this.blocked(task), readSet(mem, action + SIGACTION.mask))
    if ((flags & SA.nodefer) === 0) during = union(during, single(signal))
    this.setBlocked(task, during)
    task.interrupted = undefined
    if (call && !restart) task.user!.returned(task, this.visible(call.result))
    task.user!.handleSignal(task, signal, handler)
    this.#forget(info)
  }

  /** rt_sigreturn: back to what the handler interrupted. The result is that of the interrupted call. */
  signalReturn(task: Task): number {
    const frame = task.signalFrames.pop()
    if (!frame) return 0
    this.setBlocked(task, frame.mask)
    task.restart = frame.restart
    return frame.result
  }

  /** Whether sending this to the process has no effect: SIG_IGN, or the default is to ignore. */
  ignored(p: Task, signal: number): boolean {
    const handler = this.handler(p, signal)
    return handler === SIG_IGN || (handler === SIG_DFL && defaultAction(signal) === 'ignore')
  }

  #restartWithoutHandler(task: Task): void {
    const call = task.interrupted
    if (!call || task.uncontended || !restartsUnhandled(call.result)) return
    task.interrupted = undefined
    task.restart =
      call.result === -ERRNO.ERESTART_RESTARTBLOCK
        ? { kind: 'syscall', nr: this.#k.syscalls.restartNumber, args: [] }
        : call.step
  }

  #send(signal: number, info: number, p: Task, type: number): number {
    const { mem, layout, trace } = this.#k
    const group = type !== PIDTYPE_PID
    const set = group ? p.signal + layout.signal.sharedPending : p.at + layout.task.pendingSignals
    let result: number = RESULT.delivered
    if (!this.#prepare(signal, p)) result = RESULT.ignored
    else if (signal < 32 && hasSignal(mem, set, signal)) result = RESULT.alreadyPending
    else {
      setSignal(mem, set, signal, true)
      ;(group ? p.group.pending : p.pendingInfo).push({ signal, info })
      this.#complete(signal, p, group)
    }
    if (trace.signalGenerate.armed) trace.signalGenerate.emit(signal, info, p, group ? 1 : 0, result)
    if (result !== RESULT.delivered) this.#forget(info)
    return 0
  }

  /** prepare_signal(): SIGCONT wakes the stopped, stop signals and SIGCONT cancel each other. False if the signal is ignored. */
  #prepare(signal: number, p: Task): boolean {
    const { group } = p
    if (group.exiting) return false
    if (signal === SIG.CONT && group.stopped) {
      group.stopped = false
      for (const thread of group.threads) this.#k.sched.tryToWakeUp(thread, STATE.stopped, 0)
    }
    const { mem, layout } = this.#k
    if (hasSignal(mem, p.at + layout.task.blocked, signal)) return true
    return !this.ignored(p, signal) || signal === SIG.KILL
  }

  /** complete_signal(): choose the thread that takes it, wake it; a fatal one ends the whole process. */
  #complete(signal: number, p: Task, group: boolean): void {
    const { mem, layout } = this.#k
    const wants = (t: Task): boolean =>
      t.exitState === 0 && (signal === SIG.KILL || !hasSignal(mem, t.at + layout.task.blocked, signal))
    const target = wants(p) || !group ? p : p.group.threads.find(wants)
    if (!target || !wants(target)) return
    const action = defaultAction(signal)
    if (this.handler(p, signal) === SIG_DFL && action === 'terminate' && !p.group.exiting) {
      p.group.startExit(signal)
      for (const thread of p.group.threads) {
        if (thread.exitState !== 0) continue
        setSignal(mem, thread.at + layout.task.pendingSignals, SIG.KILL, true)
        this.#signalWakeUp(thread, STATE.wakeKill)
      }
      return
    }
    this.#signalWakeUp(target, signal === SIG.KILL ? STATE.wakeKill : 0)
  }

  *#dequeueAll(task: Task, ksig: number): Wait<number> {
    const k = this.#k
    const { trace } = k
    for (;;) {
      if (task.killed && (task.group.exiting || task.group.execBy)) {
        if (trace.signalDeliver.armed) trace.signalDeliver.emit(SIG.KILL, 0, this.action(task, SIG.KILL))
        yield* k.processes.exit.doGroupExit(task.group.exitCode)
      }
      if (task.group.stopped) yield* this.#stop(task)
      const found = this.#dequeue(task)
      if (!found) return 0
      const { signal, info } = found
      if (trace.signalDeliver.armed) trace.signalDeliver.emit(signal, info, this.action(task, signal))
      const handler = this.handler(task, signal)
      if (handler !== SIG_DFL && handler !== SIG_IGN) {
        this.#found = found
        this.#fill(ksig, task, found)
        return 1
      }
      this.#forget(info)
      if (handler === SIG_IGN) continue
      const action = defaultAction(signal)
      if (action === 'ignore' || (task.group.isInit && signal !== SIG.KILL)) continue
      if (isStop(signal)) {
        task.group.stopped = true
        continue
      }
      yield* k.processes.exit.doGroupExit(action === 'core' ? signal | 0x80 : signal)
    }
  }

  /** struct ksignal: what get_signal() found. */
  #fill(ksig: number, task: Task, { signal, info }: PendingSignal): void {
    const { mem, layout } = this.#k
    const action = this.action(task, signal)
    mem.i32[(ksig + layout.ksignal.sig) >> 2] = signal
    mem.u8.copyWithin(ksig + layout.ksignal.ka, action, action + SIGACTION.size)
    if (info > SEND_SIG_PRIV) {
      mem.u8.copyWithin(ksig + layout.ksignal.info, info, info + layout.size.siginfo)
    } else mem.i32[(ksig + layout.ksignal.info + layout.siginfo.signo) >> 2] = signal
  }

  *#stop(task: Task): Wait<undefined> {
    task.exitCode = SIG.STOP
    if (task.isLeader) this.notifyStop(task, CLD.stopped)
    task.state = STATE.stopped
    yield* this.#k.sched.schedule()
    if (task.isLeader) this.notifyStop(task, CLD.continued)
  }

  /** Tell the parent that a child stopped or went on. */
  notifyStop(task: Task, code: number): void {
    const parent = task.realParent
    const flags = this.#k.mem.readInt64(this.action(parent, SIG.CHLD) + SIGACTION.flags)
    if ((flags & SA.nocldstop) === 0) {
      this.doSendSigInfo(SIG.CHLD, this.#childInfo(task, SIG.CHLD, code, SIG.STOP), parent, PIDTYPE_TGID)
    }
    parent.group.waitChild.wakeAll()
  }

  /** The next signal that is not in `mask`: the task's own first, lower numbers first. */
  #dequeue(task: Task, mask: Sigset = this.blocked(task)): PendingSignal | undefined {
    const { mem, layout } = this.#k
    for (const [queue, set] of [
      [task.pendingInfo, task.at + layout.task.pendingSignals],
      [task.group.pending, task.signal + layout.signal.sharedPending],
    ] as const) {
      let best = -1
      for (let i = 0; i < queue.length; i++) {
        const { signal } = queue[i]!
        if (inSet(mask, signal)) continue
        if (best < 0 || signal < queue[best]!.signal) best = i
      }
      if (best < 0) continue
      const [found] = queue.splice(best, 1)
      if (!queue.some((other) => other.signal === found!.signal)) setSignal(mem, set, found!.signal, false)
      this.recalc(task)
      return found
    }
    return undefined
  }

  /** True when the parent does not care: the child goes without being waited for. */
  #notifyParent(
    p: Task,
    signal: number,
    send: (signal: number, info: number, p: Task, type: number) => number,
  ): number {
    const parent = p.realParent
    const code = p.exitCode & 0x7f
    const cld = code === 0 ? CLD.exited : p.exitCode & 0x80 ? CLD.dumped : CLD.killed
    const status = code === 0 ? (p.exitCode >> 8) & 0xff : code
    let autoreap = false
    if (signal === SIG.CHLD) {
      const handler = this.handler(parent, SIG.CHLD)
      const flags = this.#k.mem.readInt64(this.action(parent, SIG.CHLD) + SIGACTION.flags)
      if (handler === SIG_IGN || flags & SA.nocldwait) autoreap = true
      if (handler === SIG_IGN) signal = 0
    }
    if (signal > 0) send(signal, this.#childInfo(p, signal, cld, status), parent, PIDTYPE_TGID)
    parent.group.waitChild.wakeAll()
    return autoreap ? 1 : 0
  }

  #childInfo(child: Task, signal: number, code: number, status: number): number {
    const { mem, layout } = this.#k
    const info = this.userInfo(signal, code, child)
    mem.i32[(info + layout.siginfo.status) >> 2] = status
    return info
  }

  #forget(info: number): void {
    if (info > SEND_SIG_PRIV) this.#k.alloc.free(info)
  }
}

/** Whether a call with this result is made again after its signal's handler. */
function restartsAfterHandler(result: number, wanted: boolean): boolean {
  return result === -ERRNO.ERESTARTNOINTR || (result === -ERRNO.ERESTARTSYS && wanted)
}

/** Whether it is made again where nobody handled the signal. */
function restartsUnhandled(result: number): boolean {
  return (
    result === -ERRNO.ERESTARTSYS ||
    result === -ERRNO.ERESTARTNOINTR ||
    result === -ERRNO.ERESTARTNOHAND ||
    result === -ERRNO.ERESTART_RESTARTBLOCK
  )
}
