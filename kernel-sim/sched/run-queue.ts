// Run queue of one CPU: the tasks that could run and do not. `urgent` ones come first, in order: replayed tasks, which compete with
// nobody; then the fair ones by virtual runtime, ties in the order they were queued; then replayed tasks that are held until their
// recorded instant and merely look as if they ran. What runs is never in it.
// The counters of struct rq (per-CPU `runqueues`) follow.

import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'

/** Weight of nice 0; vruntime goes as fast as time for it. */
export const NICE_0_WEIGHT = 1024

export class RunQueue {
  /** Offset of this CPU's struct rq. */
  readonly at: number
  readonly #k: Kernel
  readonly #urgent: Task[] = []
  /** Ordered by vruntime. */
  readonly #fair: Task[] = []
  readonly #held: Task[] = []
  /** No task that runs here is behind this. */
  minVruntime = 0

  constructor(k: Kernel, at: number) {
    this.#k = k
    this.at = at
  }

  /** Tasks that want the CPU, without the one that has it. */
  get waiting(): number {
    return this.#urgent.length + this.#fair.length
  }

  get hasUrgent(): boolean {
    return this.#urgent.length > 0
  }

  /** The fair task that would run next. */
  firstFair(): Task | undefined {
    return this.#fair[0]
  }

  enqueue(task: Task): void {
    if (task.uncontended) {
      if (task.holdUntilNs > 0) this.#held.push(task)
      else this.#urgent.push(task)
      return
    }
    const fair = this.#fair
    let i = fair.length
    while (i > 0 && fair[i - 1]!.vruntime > task.vruntime) i--
    fair.splice(i, 0, task)
  }

  /** Takes the next task to run out of the queue. */
  pick(): Task | undefined {
    const task = this.#urgent.shift() ?? this.#fair.shift() ?? this.#held.shift()
    if (task && task.vruntime > this.minVruntime) this.#setMin(task.vruntime)
    return task
  }

  remove(task: Task): boolean {
    for (const queue of [this.#urgent, this.#fair, this.#held]) {
      const i = queue.indexOf(task)
      if (i < 0) continue
      queue.splice(i, 1)
      return true
    }
    return false
  }

  /** Bring the counters of struct rq in line; `current` is what runs. */
  count(current: Task): void {
    const { mem, layout } = this.#k
    const { rq } = layout
    const running = this.waiting + this.#held.length + (current.isIdle ? 0 : 1)
    mem.i32[(this.at + rq.nrRunning) >> 2] = running
    if (rq.cfsNrRunning >= 0) mem.i32[(this.at + rq.cfsNrRunning) >> 2] = running
    if (rq.cfsHNrRunning >= 0) mem.i32[(this.at + rq.cfsHNrRunning) >> 2] = running
  }

  #setMin(vruntime: number): void {
    this.minVruntime = vruntime
    const { rq } = this.#k.layout
    if (rq.minVruntime >= 0) this.#k.mem.writeInt64(this.at + rq.minVruntime, vruntime)
  }
}
