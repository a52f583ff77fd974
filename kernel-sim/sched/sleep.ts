// Sleeping until something is so: on wait queues, for a time, for ever.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import { signalPendingState } from '../signal/pending.ts'
import { STATE, type Task } from '../task/task.ts'
import type { Scheduled } from '../time/event-queue.ts'
import { after, type MaybeWait, type Wait } from '../wait.ts'
import { type Waiter, WaitQueue } from './wait-queue.ts'

const HRTIMER_MODE_REL = 1

export interface SleepOptions {
  /** STATE.interruptible (default), killable or uninterruptible. */
  readonly state?: number
  /** From now; Infinity (default) for no limit, 0 only looks. */
  readonly timeoutNs?: number
  /** One of several that wait for the same thing: a wake-up wakes one of them. */
  readonly exclusive?: boolean
}

/** What ends on its own: a sleeping task's timer. */
export class Sleeps {
  readonly #k: Kernel
  /** hrtimer_wakeup(): a sleeper's time has come. */
  readonly #hrtimerWakeup: (timer: number, task: Task) => number

  readonly #hrtimerNanosleep: (rqtp: number, mode: number, clock: number) => MaybeWait<number>

  constructor(k: Kernel) {
    this.#k = k
    const doNanosleep = k.functions.declare(
      'int do_nanosleep(struct hrtimer_sleeper *t, enum hrtimer_mode mode)',
      (timer: number, _mode: number, untilNs: number) => {
        const slept = this.#until(untilNs, timer)
        return after(slept, (error) => k.settle(error === 0 ? 0 : -ERRNO.ERESTART_RESTARTBLOCK))
      },
    )
    this.#hrtimerNanosleep = k.functions.declare(
      'long hrtimer_nanosleep(ktime_t rqtp, const enum hrtimer_mode mode, const clockid_t clockid)',
      (untilNs: number, mode: number, _clock: number) =>
        doNanosleep(k.current.stackRoom(k.layout.size.hrtimerSleeper), mode, untilNs),
    )
    this.#hrtimerWakeup = k.functions.declare(
      'enum hrtimer_restart hrtimer_wakeup(struct hrtimer *timer)',
      (_timer: number, task: Task) => {
        k.sched.wakeUpProcess(task)
        return 0
      },
    )
  }

  /** Until `condition` holds: 0, -ERESTARTSYS after a signal, -ETIME after the time. Whoever may make it true wakes one of the queues. */
  wait(
    queues: WaitQueue | readonly WaitQueue[],
    condition: () => boolean,
    options: SleepOptions = {},
  ): MaybeWait<number> {
    if (condition()) return 0
    if (options.timeoutNs === 0) return -ERRNO.ETIME
    return this.#wait(queues instanceof WaitQueue ? [queues] : queues, condition, options)
  }

  /** hrtimer_nanosleep() until an instant: 0, or -ERESTART_RESTARTBLOCK when a signal came first. */
  nanosleep(untilNs: number, clock: number): MaybeWait<number> {
    return this.#hrtimerNanosleep(untilNs, HRTIMER_MODE_REL, clock)
  }

  /** 0 after the time, -ERESTARTSYS when a signal came first. `timer`: offset of the sleeper's struct hrtimer, 0 if it has none. */
  *#until(timeNs: number, timer = 0, state: number = STATE.interruptible): Wait<number> {
    const k = this.#k
    const task = k.current
    let due = timeNs <= k.nowNs
    const event = due ? undefined : this.#wakeAt(timeNs, task, timer, () => (due = true))
    while (!due && !signalPendingState(task, state)) {
      task.state = state
      yield* k.sched.schedule()
    }
    task.state = STATE.running
    if (event) k.events.cancel(event)
    return due ? 0 : -ERRNO.ERESTARTSYS
  }

  /** Until a signal comes. */
  *forever(): Wait<undefined> {
    const task = this.#k.current
    do {
      task.state = STATE.interruptible
      yield* this.#k.sched.schedule()
    } while (!signalPendingState(task, STATE.interruptible))
    task.state = STATE.running
  }

  /** Call at an instant, on the CPU where the task is now, from the timer interrupt. */
  at(timeNs: number, cpu: number, run: () => void): Scheduled {
    return this.#k.events.at(timeNs, cpu, () => this.#k.interrupt(run))
  }

  *#wait(queues: readonly WaitQueue[], condition: () => boolean, options: SleepOptions): Wait<number> {
    const k = this.#k
    const task = k.current
    const { state = STATE.interruptible, timeoutNs = Number.POSITIVE_INFINITY, exclusive = false } = options
    const waiter: Waiter = { exclusive, wake: () => k.sched.tryToWakeUp(task, state & ~STATE.noLoad, 0) === 1 }
    for (const queue of queues) queue.add(waiter)
    let due = false
    const timer =
      timeoutNs === Number.POSITIVE_INFINITY
        ? undefined
        : this.#wakeAt(k.nowNs + timeoutNs, task, 0, () => (due = true))
    let result = 0
    for (;;) {
      task.state = state
      if (condition()) break
      if (due) result = -ERRNO.ETIME
      else if (signalPendingState(task, state)) result = -ERRNO.ERESTARTSYS
      if (result !== 0) break
      yield* k.sched.schedule()
    }
    task.state = STATE.running
    for (const queue of queues) queue.remove(waiter)
    if (timer) k.events.cancel(timer)
    return result
  }

  #wakeAt(timeNs: number, task: Task, timer: number, due: () => void): Scheduled {
    return this.at(timeNs, task.cpu, () => {
      due()
      this.#hrtimerWakeup(timer, task)
    })
  }
}
