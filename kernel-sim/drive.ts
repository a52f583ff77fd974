// Moves the machine on: takes what comes next in virtual time, an event or a CPU with something to run, until nothing is left or the
// limit is reached. A CPU is a candidate at the time of its own clock; at equal times events come first, then the lower CPU.

import { InternalError } from '../base/errors.ts'
import type { Cpu } from './cpu.ts'
import type { Kernel } from './kernel.ts'
import type { Task } from './task/task.ts'
import type { Wait } from './wait.ts'

export interface RunLimits {
  /** Stop before what comes after this instant. */
  readonly untilNs?: number
  /** Stop after so many steps, so that the host gets a turn. */
  readonly maxSteps?: number
}

/** idle: nothing will ever happen; time: the instant was reached; steps: there is more to do now. */
export type RunEnd = 'idle' | 'time' | 'steps'

export class Driver {
  readonly #k: Kernel
  /** Virtual time up to which everything has happened. */
  nowNs = 0
  #running = false

  constructor(k: Kernel) {
    this.#k = k
  }

  run({ untilNs = Number.POSITIVE_INFINITY, maxSteps = Number.POSITIVE_INFINITY }: RunLimits = {}): RunEnd {
    if (this.#running) throw new InternalError('the kernel runs already')
    this.#running = true
    try {
      return this.#run(untilNs, maxSteps)
    } finally {
      this.#running = false
    }
  }

  #run(untilNs: number, maxSteps: number): RunEnd {
    const { events } = this.#k
    for (let steps = 0; steps < maxSteps; steps++) {
      const eventNs = events.nextNs()
      const cpu = this.#nextCpu(eventNs)
      const timeNs = cpu ? this.#readyNs(cpu) : eventNs
      if (timeNs === Number.POSITIVE_INFINITY) return 'idle'
      if (timeNs > untilNs) {
        this.nowNs = Math.max(this.nowNs, untilNs)
        return 'time'
      }
      if (timeNs > this.nowNs) this.nowNs = timeNs
      if (cpu) this.#step(cpu)
      else this.#event()
    }
    return 'steps'
  }

  /** The CPU that runs before `eventNs`, if any. */
  #nextCpu(eventNs: number): Cpu | undefined {
    let best: Cpu | undefined
    let bestNs = eventNs
    for (const cpu of this.#k.cpus) {
      const readyNs = this.#readyNs(cpu)
      if (readyNs < bestNs) {
        best = cpu
        bestNs = readyNs
      }
    }
    return best
  }

  /** When this CPU has its next step to make. */
  #readyNs(cpu: Cpu): number {
    const { current } = cpu
    if (cpu.switchPending) return cpu.nowNs
    if (current === cpu.idle) return cpu.rq.waiting > 0 ? cpu.nowNs : Number.POSITIVE_INFINITY
    if (current.holdUntilNs > 0) return cpu.rq.hasUrgent ? cpu.nowNs : Number.POSITIVE_INFINITY
    if (current.suspended || cpu.needResched) return cpu.nowNs
    return cpu.nowNs + current.userLeftNs
  }

  #event(): void {
    const k = this.#k
    const next = k.events.pop()
    if (!next) return
    const cpu = k.cpus[next.event.cpu]!
    this.#advance(cpu, next.event.timeNs)
    k.cpu = cpu
    k.current = cpu.current
    next.run()
  }

  /** Bring a CPU's clock to an instant: what runs in user mode has run until then. */
  #advance(cpu: Cpu, timeNs: number): void {
    if (timeNs <= cpu.nowNs) return
    const { current } = cpu
    if (current.userLeftNs > 0 && !current.suspended && current.holdUntilNs === 0) {
      const ran = Math.min(timeNs - cpu.nowNs, current.userLeftNs)
      current.userLeftNs -= ran
      current.utime += ran
    }
    cpu.nowNs = timeNs
  }

  #step(cpu: Cpu): void {
    const k = this.#k
    const task = cpu.current
    k.cpu = cpu
    k.current = task
    const switched = cpu.switchPending
    cpu.switchPending = false
    if (switched && task.switchedOutHeld) {
      task.switchedOutHeld = false
      k.sched.resumeHeld()
      return
    }
    if (task.holdUntilNs > 0) k.sched.preemptHeld(cpu)
    else if (task.suspended) this.#resume(task)
    else if (task.userLeftNs > 0 && !cpu.needResched) this.#advance(cpu, cpu.nowNs + task.userLeftNs)
    else this.#userMode(task)
  }

  /** The task goes on in the kernel, to where it leaves the CPU again or is back in user mode. */
  #resume(task: Task): void {
    if (task.suspended!.next().done) task.suspended = undefined
  }

  #start(task: Task, kernelCode: Wait<undefined>): void {
    task.suspended = kernelCode
    this.#resume(task)
  }

  #userMode(task: Task): void {
    const k = this.#k
    const before = k.syscalls.beforeUserMode(task)
    if (before) {
      this.#start(task, before)
      return
    }
    const step = task.restart ?? task.user!.next(task)
    task.restart = undefined
    switch (step.kind) {
      case 'syscall': {
        const rest = k.syscalls.enter(task, step)
        if (rest) this.#start(task, rest)
        return
      }
      case 'run':
        task.userLeftNs = step.ns
        return
      case 'fault':
        k.userFault(task, step.address, step.write)
        return
      case 'idle':
        if (step.untilNs === Number.POSITIVE_INFINITY) this.#start(task, k.sleeps.forever())
        else k.sched.hold(task, step.untilNs)
        return
    }
  }
}
