// What tasks sleep on until something happens. Waking calls each waiter; one that is exclusive counts against the number to wake.

/** Someone on a wait queue: a sleeping task, or whatever wants to be told (epoll). */
export interface Waiter {
  readonly exclusive: boolean
  /** True when it was woken (a task that runs already was not). `events`: what happened, POLL* bits; 0 when that is not said. */
  wake(events: number): boolean
}

export class WaitQueue {
  #waiters: Waiter[] = []

  get empty(): boolean {
    return this.#waiters.length === 0
  }

  /** Exclusive waiters queue behind all others. */
  add(waiter: Waiter): void {
    if (waiter.exclusive) this.#waiters.push(waiter)
    else this.#waiters.unshift(waiter)
  }

  remove(waiter: Waiter): void {
    const i = this.#waiters.indexOf(waiter)
    if (i >= 0) this.#waiters.splice(i, 1)
  }

  /** Wake everyone who is not exclusive and up to `exclusive` of the others. They take themselves off when they run. */
  wake(exclusive = 1, events = 0): void {
    if (this.#waiters.length === 0) return
    for (const waiter of [...this.#waiters]) {
      if (waiter.wake(events) && waiter.exclusive && --exclusive === 0) break
    }
  }

  wakeAll(events = 0): void {
    this.wake(0, events)
  }
}
