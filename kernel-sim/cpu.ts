// One CPU: its clock, its run queue, the task that runs on it.

import type { KernelMemory } from '../base/memory.ts'
import type { Kernel } from './kernel.ts'
import { RunQueue } from './sched/run-queue.ts'
import type { Task } from './task/task.ts'

export class Cpu {
  readonly id: number
  /** Offset of its per-CPU unit. */
  readonly unit: number
  /**
   * Its clock, CLOCK_MONOTONIC: nanoseconds since boot. Kernel code that runs moves it on by what it costs; other CPUs see what it
   * did at the instant at which it began.
   */
  nowNs = 0
  /** Up to when the running task's use of the CPU is accounted. */
  accountedNs = 0
  readonly idle: Task
  readonly rq: RunQueue
  current: Task
  /** The task that ran before, for finish_task_switch(). */
  switchedFrom: Task
  /** `current` was just switched to and has not gone on yet. */
  switchPending = false
  /** Something should run instead of `current`, as soon as it can be preempted. */
  needResched = false
  ticking = false
  /** When its idle task last got it. */
  idleSinceNs = 0
  readonly #mem: KernelMemory
  readonly #currAt: number

  /** `runqueues`: the per-CPU symbol of struct rq. */
  constructor(k: Kernel, id: number, idle: Task, runqueues: number) {
    this.id = id
    this.unit = k.percpu.unit(id)
    this.idle = idle
    this.current = idle
    this.switchedFrom = idle
    this.#mem = k.mem
    this.rq = new RunQueue(k, this.unit + runqueues)
    this.#currAt = this.rq.at + k.layout.rq.curr
    k.mem.i32[(this.rq.at + k.layout.rq.cpu) >> 2] = id
    k.mem.writePtr(this.rq.at + k.layout.rq.idle, idle.at)
    this.setCurrent(idle)
  }

  /** Nothing runs here and nothing wants to. */
  get isIdle(): boolean {
    return this.current === this.idle && this.rq.waiting === 0
  }

  setCurrent(task: Task): void {
    this.current = task
    this.#mem.writePtr(this.#currAt, task.at)
  }
}
