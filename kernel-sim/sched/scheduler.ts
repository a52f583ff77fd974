// The scheduler: who runs on which CPU. Fair tasks share by virtual runtime, kernel code is preempted only where it sleeps or returns
// to user mode (PREEMPT_VOLUNTARY), replayed tasks run at their instants and compete with nobody.
//
// A task that sleeps has set its state and yields inside __schedule(); by then its CPU's `current` is another task, which whoever
// drives the CPU (drive.ts) resumes. A resumed task returns from the yield, calls finish_task_switch() and goes on.

import { BASE_SLICE_NS, COST_NS, idleExitNs, TICK_NS } from '../costs.ts'
import type { Cpu } from '../cpu.ts'
import type { Kernel } from '../kernel.ts'
import { signalPendingState } from '../signal/pending.ts'
import { PF, STATE, type Task } from '../task/task.ts'
import type { Wait } from '../wait.ts'
import { NICE_0_WEIGHT } from './run-queue.ts'

/** Modes of __schedule(). */
const SM = { none: 0, preempt: 1, idle: -1 } as const
/** How far ahead in vruntime a task that wakes must be to preempt. */
const WAKEUP_GRANULARITY_NS = 1_000_000
/** WF_FORK and WF_TTWU of wake_flags. */
const WF = { fork: 4, ttwu: 8 } as const

export class Scheduler {
  readonly #k: Kernel
  readonly #sliceNs: number

  /** Leave the CPU if the task's state says so, or let others run. */
  readonly schedule: () => Wait<undefined>
  readonly scheduleIdle: () => Wait<undefined>
  /** 1 if `p` was in one of the states and runs now, or will. */
  readonly tryToWakeUp: (p: Task, state: number, wakeFlags: number) => number
  readonly wakeUpProcess: (p: Task) => number
  readonly wakeUpNewTask: (p: Task) => undefined
  readonly schedFork: (cloneFlags: number, p: Task) => number
  readonly #finishTaskSwitch: (prev: Task) => undefined
  readonly #scheduleTail: (prev: Task) => undefined
  readonly #schedTick: () => undefined

  constructor(k: Kernel) {
    this.#k = k
    this.#sliceNs = BASE_SLICE_NS * (1 + Math.floor(Math.log2(Math.min(k.cpuCount, 8))))
    const { functions } = k
    const inner = functions.declare('void __schedule(int sched_mode)', (mode: number) => this.#schedule(mode), {
      hidden: true,
    })
    this.schedule = functions.declare('void schedule(void)', () => inner(SM.none))
    this.scheduleIdle = functions.declare('void schedule_idle(void)', () => inner(SM.idle))
    const finish = functions.known('finish_task_switch') ? 'finish_task_switch' : 'finish_task_switch.isra.0'
    this.#finishTaskSwitch = functions.declare(
      `struct rq *${finish}(struct task_struct *prev)`,
      (prev: Task) => this.#finish(prev),
      { withoutBtf: true },
    )
    this.#scheduleTail = functions.declare('void schedule_tail(struct task_struct *prev)', (prev: Task) => {
      this.#finishTaskSwitch(prev)
      return undefined
    })
    const ttwuDoActivate = functions.declare(
      'void ttwu_do_activate(struct rq *rq, struct task_struct *p, int wake_flags, struct rq_flags *rf)',
      (_rq: number, p: Task, wakeFlags: number, _rf: number) => this.#activate(p, k.cpus[p.cpu]!, wakeFlags),
    )
    this.tryToWakeUp = functions.declare(
      'int try_to_wake_up(struct task_struct *p, unsigned int state, int wake_flags)',
      (p: Task, state: number, wakeFlags: number) => this.#wake(p, state, wakeFlags, ttwuDoActivate),
    )
    this.wakeUpProcess = functions.declare('int wake_up_process(struct task_struct *p)', (p: Task) =>
      this.tryToWakeUp(p, STATE.interruptible | STATE.uninterruptible, 0),
    )
    this.wakeUpNewTask = functions.declare('void wake_up_new_task(struct task_struct *p)', (p: Task) => {
      p.state = STATE.running
      this.#setCpu(p, this.#selectCpu(p))
      this.#activate(p, k.cpus[p.cpu]!, WF.fork)
      if (k.trace.schedWakeupNew.armed) k.trace.schedWakeupNew.emit(p)
      return undefined
    })
    this.schedFork = functions.declare(
      'int sched_fork(unsigned long clone_flags, struct task_struct *p)',
      (_flags: number, p: Task) => {
        p.state = STATE.new
        p.resetSchedEntity()
        p.vruntime = k.cpu.rq.minVruntime
        return 0
      },
    )
    this.#schedTick = functions.declare(
      functions.known('sched_tick') ? 'void sched_tick(void)' : 'void scheduler_tick(void)',
      () => this.#tick(k.cpu),
      { costNs: COST_NS.tick },
    )
  }

  /** First thing a new task does: it was switched to for the first time. */
  startNewTask(): void {
    this.#scheduleTail(this.#k.cpu.switchedFrom)
  }

  /** A held task is switched to: nothing of its own code sees that. */
  resumeHeld(): void {
    this.#finishTaskSwitch(this.#k.cpu.switchedFrom)
  }

  /** Take the CPU from a task that is held until its recorded instant, for one whose instant has come. */
  preemptHeld(cpu: Cpu): void {
    const prev = cpu.current
    cpu.needResched = false
    const next = cpu.rq.pick()
    if (!next) return
    prev.switchedOutHeld = true
    cpu.rq.enqueue(prev)
    this.#switchTo(cpu, prev, next, true, STATE.running)
  }

  /** Stay as it is, on the CPU, until the instant (replay). The task yields, unless the instant has come. */
  *holdUntil(timeNs: number): Wait<undefined> {
    if (this.hold(this.#k.current, timeNs)) yield
  }

  /** False if the instant has come. */
  hold(task: Task, timeNs: number): boolean {
    const k = this.#k
    if (timeNs <= k.cpus[task.cpu]!.nowNs) return false
    task.holdUntilNs = timeNs
    k.events.at(timeNs, task.cpu, () => {
      task.holdUntilNs = 0
      const cpu = k.cpus[task.cpu]!
      if (cpu.current === task) return
      cpu.rq.remove(task)
      cpu.rq.enqueue(task)
      cpu.needResched = true
    })
    return true
  }

  /** Account for what the running task has used of its CPU since the last time. */
  updateCurrent(cpu: Cpu): void {
    const task = cpu.current
    const used = cpu.nowNs - cpu.accountedNs
    cpu.accountedNs = cpu.nowNs
    if (task.isIdle || used <= 0) return
    task.sumExecRuntime += used
    task.vruntime += Math.floor((used * NICE_0_WEIGHT) / task.weight)
    task.updateSystemTime()
    const { trace } = this.#k
    if (trace.schedStatRuntime.armed) trace.schedStatRuntime.emit(task, used, task.vruntime)
  }

  /** Make sure that this CPU ticks while something runs. */
  startTick(cpu: Cpu): void {
    if (cpu.ticking) return
    cpu.ticking = true
    this.#k.events.at((Math.floor(cpu.nowNs / TICK_NS) + 1) * TICK_NS, cpu.id, () => this.#onTick(cpu))
  }

  #onTick(cpu: Cpu): void {
    cpu.ticking = false
    if (cpu.current.isIdle) return
    this.#k.interrupt(() => this.#schedTick())
    this.startTick(cpu)
  }

  #tick(cpu: Cpu): undefined {
    this.updateCurrent(cpu)
    const task = cpu.current
    if (cpu.rq.waiting > 0 && (task.uncontended || task.sumExecRuntime - task.sliceStartNs >= this.#sliceNs)) {
      cpu.needResched = true
    }
    return undefined
  }

  *#schedule(mode: number): Wait<undefined> {
    const k = this.#k
    const { cpu, current: prev } = k
    this.updateCurrent(cpu)
    cpu.needResched = false
    const { state } = prev
    let runnable = !prev.isIdle
    let voluntary = false
    if (mode === SM.none && state !== STATE.running) {
      voluntary = true
      if (signalPendingState(prev, state)) prev.state = STATE.running
      else runnable = false
    }
    prev.onRq = runnable
    if (!runnable) this.#endRecorded(prev)
    if (runnable) {
      prev.queuedNs = cpu.nowNs
      cpu.rq.enqueue(prev)
    }
    const next = cpu.rq.pick() ?? this.#pull(cpu) ?? cpu.idle
    if (next === prev) return
    prev.countSwitch(voluntary)
    this.#switchTo(cpu, prev, next, mode === SM.preempt, state)
    yield
    this.#finishTaskSwitch(k.cpu.switchedFrom)
  }

  /** A replayed call that sleeps is woken when its recorded end comes. */
  #endRecorded(task: Task): void {
    const { recorded } = task
    if (!recorded || recorded.settled || recorded.expired || recorded.endsAtNs === Number.POSITIVE_INFINITY) return
    this.#k.sleeps.at(recorded.endsAtNs, task.cpu, () => {
      if (task.recorded !== recorded || recorded.settled) return
      recorded.expired = true
      this.tryToWakeUp(task, STATE.interruptible | STATE.uninterruptible | STATE.wakeKill, 0)
    })
  }

  #switchTo(cpu: Cpu, prev: Task, next: Task, preempted: boolean, prevState: number): void {
    const k = this.#k
    // What was queued by a CPU whose clock is ahead does not run before it was.
    if (!next.isIdle && next.queuedNs > cpu.nowNs) cpu.nowNs = next.queuedNs
    if (!next.uncontended) {
      if (prev.isIdle) cpu.nowNs += idleExitNs(cpu.nowNs - cpu.idleSinceNs)
      cpu.nowNs += COST_NS.contextSwitch
    }
    if (next.isIdle) cpu.idleSinceNs = cpu.nowNs
    cpu.accountedNs = cpu.nowNs
    next.arrived(cpu.nowNs)
    prev.saveStackPointer()
    if (k.trace.schedSwitch.armed) k.trace.schedSwitch.emit(preempted ? 1 : 0, prev, next, prevState)
    next.onCpu = true
    cpu.switchedFrom = prev
    cpu.switchPending = true
    cpu.setCurrent(next)
    k.current = next
    cpu.rq.count(next)
    if (!next.isIdle) this.startTick(cpu)
  }

  #finish(prev: Task): undefined {
    prev.onCpu = false
    if (prev.state === STATE.taskDead) this.#k.processes.exit.putDead(prev)
    return undefined
  }

  #wake(
    p: Task,
    state: number,
    wakeFlags: number,
    activate: (rq: number, p: Task, flags: number, rf: number) => void,
  ): number {
    const k = this.#k
    if ((p.state & state) === 0) return 0
    const { trace } = k
    if (trace.schedWaking.armed) trace.schedWaking.emit(p)
    if (!p.onRq) {
      this.#setCpu(p, this.#selectCpu(p))
      activate(k.cpus[p.cpu]!.rq.at, p, wakeFlags | WF.ttwu, 0)
    }
    p.state = STATE.running
    if (trace.schedWakeup.armed) trace.schedWakeup.emit(p)
    return 1
  }

  #activate(p: Task, cpu: Cpu, wakeFlags: number): undefined {
    const k = this.#k
    const { rq } = cpu
    p.onRq = true
    p.queuedNs = k.nowNs
    if (!p.uncontended)
      p.vruntime = Math.max(p.vruntime, rq.minVruntime - (wakeFlags & WF.fork ? 0 : this.#sliceNs / 2))
    rq.enqueue(p)
    rq.count(cpu.current)
    const { current } = cpu
    if (current.isIdle) {
      const remote = cpu !== k.cpu
      cpu.nowNs = Math.max(cpu.nowNs, k.nowNs + (remote && !p.uncontended ? COST_NS.ipi : 0))
      cpu.needResched = true
    } else if (p.uncontended) {
      cpu.needResched = true
    } else if (!current.uncontended && !(wakeFlags & WF.fork)) {
      if (p.vruntime + WAKEUP_GRANULARITY_NS < current.vruntime) cpu.needResched = true
    }
    return undefined
  }

  /** select_task_rq(): where it ran if that is idle, else another idle CPU, else where it ran. */
  #selectCpu(p: Task): number {
    const { cpus } = this.#k
    const last = p.mayRunOn(p.cpu) ? p.cpu : p.firstAllowedCpu()
    if (cpus[last]!.isIdle) return last
    for (const cpu of cpus) if (cpu.isIdle && p.mayRunOn(cpu.id)) return cpu.id
    return last
  }

  #setCpu(p: Task, cpu: number): void {
    if (p.cpu === cpu) return
    const { trace } = this.#k
    if (trace.schedMigrateTask.armed) trace.schedMigrateTask.emit(p, cpu)
    p.migrate(cpu)
  }

  /** newidle_balance(): a CPU that runs dry takes a waiting task from another. */
  #pull(cpu: Cpu): Task | undefined {
    for (const other of this.#k.cpus) {
      if (other === cpu || other.current.isIdle) continue
      const task = other.rq.firstFair()
      if (!task?.mayRunOn(cpu.id) || task.flags & PF.noSetAffinity) continue
      other.rq.remove(task)
      other.rq.count(other.current)
      task.vruntime += cpu.rq.minVruntime - other.rq.minVruntime
      this.#setCpu(task, cpu.id)
      return task
    }
    return undefined
  }
}
