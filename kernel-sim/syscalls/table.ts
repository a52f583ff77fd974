// The system calls of one kernel, and the way into and out of them: registers, tracepoints, __x64_sys_NAME, then signals and
// preemption before user mode.

import { ERRNO } from '../../base/errno.ts'
import { InternalError } from '../../base/errors.ts'
import { COST_NS } from '../costs.ts'
import type { Kernel } from '../kernel.ts'
import type { SyscallRecord } from '../profiles/syscalls.ts'
import type { Task } from '../task/task.ts'
import { TIF } from '../task/task.ts'
import type { SyscallTracepoints } from '../trace/tracepoint-table.ts'
import type { UserStep } from '../user/user-side.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { SyscallFamily, SyscallHandler } from './family.ts'

export type SyscallStep = Extract<UserStep, { kind: 'syscall' }>

/** User-mode selectors and flags that SYSCALL leaves. */
const USER_CS = 0x33
const USER_DS = 0x2b
const USER_FLAGS = 0x246

interface Entry {
  readonly record: SyscallRecord
  readonly tracepoints: SyscallTracepoints
  /** The function __x64_sys_NAME. */
  readonly call: (regs: number, task: Task, args: readonly number[]) => MaybeWait<number>
}

const notImplemented: SyscallHandler = () => -ERRNO.ENOSYS

export class SyscallTable {
  /** Number of restart_syscall. */
  readonly restartNumber: number
  readonly #k: Kernel
  readonly #byNumber: (Entry | undefined)[] = []
  readonly #handlers = new Map<string, SyscallHandler>()
  readonly #doSyscall: (regs: number, nr: number, task: Task, args: readonly number[]) => MaybeWait<number>
  readonly #entryAddress: number
  readonly #syscallExit: (task: Task) => Wait<undefined>
  readonly #interruptExit: (task: Task) => Wait<undefined>

  constructor(k: Kernel, families: readonly SyscallFamily[]) {
    this.#k = k
    const { functions, profile } = k
    this.restartNumber = this.numberOf('restart_syscall')
    for (const family of families) this.add(family)
    for (const record of profile.syscalls) {
      this.#byNumber[record.number] = {
        record,
        tracepoints: k.tracepoints.syscall(record),
        call: functions.declare(
          `long __x64_sys_${record.name}(const struct pt_regs *regs)`,
          (_regs: number, task: Task, args: readonly number[]) =>
            this.#handler(record.call)(k, task, args[0]!, args[1]!, args[2]!, args[3]!, args[4]!, args[5]!),
        ),
      }
    }
    this.#entryAddress = functions.symbol('void entry_SYSCALL_64_after_hwframe(void)').address
    this.#doSyscall = functions.declare(
      'void do_syscall_64(struct pt_regs *regs, int nr)',
      (regs: number, nr: number, task: Task, args: readonly number[]) => this.#dispatch(regs, nr, task, args),
      { hidden: true, costNs: COST_NS.syscall },
    )
    this.#syscallExit = functions.declare(
      'void syscall_exit_to_user_mode(struct pt_regs *regs)',
      (task: Task) => this.#exitToUserMode(task),
      { hidden: true },
    )
    this.#interruptExit = functions.declare(
      'void irqentry_exit_to_user_mode(struct pt_regs *regs)',
      (task: Task) => this.#exitToUserMode(task),
      { hidden: true },
    )
  }

  /** The system call with this number, if the kernel has it. */
  record(nr: number): SyscallRecord | undefined {
    return this.#byNumber[nr]?.record
  }

  /** Number of a call by its name in <asm/unistd.h>; -1 if this kernel has none. */
  numberOf(call: string): number {
    return this.#k.profile.syscalls.find((record) => record.call === call)?.number ?? -1
  }

  /** What does the work of a call; undefined for those that announce themselves and return -ENOSYS. */
  handler(call: string): SyscallHandler | undefined {
    return this.#handlers.get(call)
  }

  /** Calls that do their work from now on: what is laid over the kernel (bpf, perf_event_open) brings its own. */
  add(family: SyscallFamily): void {
    for (const [name, handler] of Object.entries(family)) {
      if (this.#handlers.has(name)) throw new InternalError(`system call ${name} is declared twice`)
      this.#handlers.set(name, handler)
    }
  }

  /** Make a system call for the current task. What comes back, if anything, is the rest of it, to be resumed until user mode. */
  enter(task: Task, step: SyscallStep): Wait<undefined> | undefined {
    const { regs } = task
    this.#setRegisters(task, step)
    task.recorded = step.recorded
    task.sp = regs
    task.bp = 0
    task.ip = this.#entryAddress
    const result = this.#doSyscall(regs, step.nr, task, step.args)
    if (isWait(result)) return this.#finishLater(task, step, result)
    return this.#finish(task, step, result)
  }

  /** A new task returns from the call that made it, with 0; the call's exit is announced in it too. */
  *returnFromFork(task: Task): Wait<undefined> {
    const { mem, layout } = this.#k
    if (task.user && task.forked) {
      const entry = this.#byNumber[mem.readInt64(task.regs + layout.ptRegs.origAx)]
      this.#announceExit(task.regs, entry, 0)
    }
    yield* this.#backToUser(task, this.#syscallExit(task))
  }

  /** What there is to do before a task that is in user mode goes on there. */
  beforeUserMode(task: Task): Wait<undefined> | undefined {
    if (!this.#k.cpu.needResched && !task.hasThreadFlag(TIF.sigpending | TIF.notifyResume)) return undefined
    task.sp = task.regs
    task.bp = 0
    task.ip = this.#k.functions.addressOf('asm_sysvec_apic_timer_interrupt')
    return this.#backToUser(task, this.#interruptExit(task))
  }

  #handler(call: string): SyscallHandler {
    return this.#handlers.get(call) ?? notImplemented
  }

  #dispatch(regs: number, nr: number, task: Task, args: readonly number[]): MaybeWait<number> {
    const k = this.#k
    const entry = this.#byNumber[nr]
    const { sysEnter } = k.trace
    if (sysEnter.armed) sysEnter.emit(regs, nr)
    if (!entry) return this.#leave(regs, task, undefined, k.settle(-ERRNO.ENOSYS))
    if (entry.tracepoints.enter.armed) entry.tracepoints.enter.emit(regs, nr)
    return this.#leave(regs, task, entry, entry.call(regs, task, args))
  }

  /** The result is there, or will be: announce it. */
  #leave(regs: number, task: Task, entry: Entry | undefined, value: MaybeWait<number>): MaybeWait<number> {
    if (isWait(value)) return this.#leaveLater(regs, task, entry, value)
    if (task.recorded && !task.recorded.settled) return this.#leaveLater(regs, task, entry, settled(value))
    this.#announceExit(regs, entry, value)
    return value
  }

  *#leaveLater(regs: number, task: Task, entry: Entry | undefined, wait: Wait<number>): Wait<number> {
    let value = yield* wait
    if (task.recorded && !task.recorded.settled) {
      const end = this.#k.settle(value)
      value = isWait(end) ? yield* end : end
    }
    this.#announceExit(regs, entry, value)
    return value
  }

  #announceExit(regs: number, entry: Entry | undefined, result: number): void {
    const { trace, mem, layout } = this.#k
    mem.writeInt64(regs + layout.ptRegs.ax, result)
    if (trace.sysExit.armed) trace.sysExit.emit(regs, result)
    if (entry?.tracepoints.exit.armed) entry.tracepoints.exit.emit(regs, result)
  }

  #finish(task: Task, step: SyscallStep, result: number): Wait<undefined> | undefined {
    task.recorded = undefined
    if (this.#k.cpu.needResched || task.hasThreadFlag(TIF.sigpending | TIF.notifyResume)) {
      return this.#workThenUser(task, step, result)
    }
    task.enterUserMode()
    task.user!.returned(task, this.#k.signals.visible(result))
    return undefined
  }

  *#finishLater(task: Task, step: SyscallStep, wait: Wait<number>): Wait<undefined> {
    const rest = this.#finish(task, step, yield* wait)
    if (rest) yield* rest
  }

  /** Signals, preemption and other work; then the task learns its call's result, unless the call is to be made again. */
  *#workThenUser(task: Task, step: SyscallStep, result: number): Wait<undefined> {
    task.interrupted = { step, result }
    yield* this.#backToUser(task, this.#syscallExit(task))
  }

  *#backToUser(task: Task, work: Wait<undefined>): Wait<undefined> {
    yield* work
    task.enterUserMode()
    const call = task.interrupted
    task.interrupted = undefined
    if (call) task.user!.returned(task, this.#k.signals.visible(call.result))
  }

  *#exitToUserMode(task: Task): Wait<undefined> {
    const k = this.#k
    while (k.cpu.needResched || task.hasThreadFlag(TIF.sigpending | TIF.notifyResume)) {
      if (k.cpu.needResched) yield* k.sched.schedule()
      if (task.hasThreadFlag(TIF.sigpending)) yield* k.signals.deliver(task)
      if (task.hasThreadFlag(TIF.notifyResume)) k.runTaskWork(task)
    }
  }

  #setRegisters(task: Task, { nr, args }: SyscallStep): void {
    const { mem, layout } = this.#k
    const { ptRegs } = layout
    const { regs } = task
    mem.writeInt64(regs + ptRegs.origAx, nr)
    mem.writeInt64(regs + ptRegs.ax, -ERRNO.ENOSYS)
    mem.writeInt64(regs + ptRegs.di, args[0] ?? 0)
    mem.writeInt64(regs + ptRegs.si, args[1] ?? 0)
    mem.writeInt64(regs + ptRegs.dx, args[2] ?? 0)
    mem.writeInt64(regs + ptRegs.r10, args[3] ?? 0)
    mem.writeInt64(regs + ptRegs.r8, args[4] ?? 0)
    mem.writeInt64(regs + ptRegs.r9, args[5] ?? 0)
    const [ip = 0] = task.userStack()
    mem.writeInt64(regs + ptRegs.ip, ip)
    mem.writeInt64(regs + ptRegs.cx, ip)
    mem.writeInt64(regs + ptRegs.r11, USER_FLAGS)
    mem.writeInt64(regs + ptRegs.flags, USER_FLAGS)
    mem.i32[(regs + ptRegs.cs) >> 2] = USER_CS
    mem.i32[(regs + ptRegs.ss) >> 2] = USER_DS
  }
}

/** A value as something to wait for. */
function* settled(value: number): Wait<number> {
  return value
}
