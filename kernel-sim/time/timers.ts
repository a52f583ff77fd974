// Interval timers of processes: ITIMER_REAL, which alarm() also sets. The ones that count CPU time never run out here.

import type { Kernel } from '../kernel.ts'
import { SEND_SIG_PRIV, SIG } from '../signal/numbers.ts'
import { PIDTYPE_TGID } from '../signal/signals.ts'
import type { ThreadGroup } from '../task/group.ts'
import type { Scheduled } from './event-queue.ts'

interface RealTimer {
  event: Scheduled
  intervalNs: number
}

export class IntervalTimers {
  readonly #k: Kernel
  readonly #real = new Map<ThreadGroup, RealTimer>()
  readonly #expire: (timer: number, group: ThreadGroup) => number

  constructor(k: Kernel) {
    this.#k = k
    this.#expire = k.functions.declare(
      'enum hrtimer_restart it_real_fn(struct hrtimer *timer)',
      (_timer: number, group: ThreadGroup) => {
        k.signals.doSendSigInfo(SIG.ALRM, SEND_SIG_PRIV, group.leader, PIDTYPE_TGID)
        return 0
      },
    )
  }

  /** Nanoseconds until it runs out (0: not set), and how it is set again. */
  get(group: ThreadGroup): { readonly valueNs: number; readonly intervalNs: number } {
    const timer = this.#real.get(group)
    if (!timer) return { valueNs: 0, intervalNs: 0 }
    return { valueNs: Math.max(1, timer.event.timeNs - this.#k.nowNs), intervalNs: timer.intervalNs }
  }

  set(group: ThreadGroup, valueNs: number, intervalNs: number): void {
    this.cancelAll(group)
    if (valueNs > 0) this.#arm(group, this.#k.nowNs + valueNs, intervalNs)
  }

  cancelAll(group: ThreadGroup): void {
    const timer = this.#real.get(group)
    if (timer) this.#k.events.cancel(timer.event)
    this.#real.delete(group)
  }

  #arm(group: ThreadGroup, atNs: number, intervalNs: number): void {
    const k = this.#k
    const event = k.sleeps.at(atNs, k.cpu.id, () => {
      this.#real.delete(group)
      if (intervalNs > 0) this.#arm(group, atNs + intervalNs, intervalNs)
      this.#expire(group.at + k.layout.signal.realTimer, group)
    })
    this.#real.set(group, { event, intervalNs })
  }
}
