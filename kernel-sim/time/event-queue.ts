// What happens at a stated instant: a binary heap ordered by time, then CPU, then the order of scheduling. Cancelled events stay in
// the heap until they come up.

/** An event in the queue, for cancelling it. */
export interface Scheduled {
  readonly timeNs: number
  readonly cpu: number
  readonly seq: number
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined
}

export class EventQueue {
  readonly #heap: Scheduled[] = []
  #seq = 0
  #live = 0

  /** Events that have neither run nor been cancelled. */
  get size(): number {
    return this.#live
  }

  at(timeNs: number, cpu: number, run: () => void): Scheduled {
    const event: Scheduled = { timeNs, cpu, seq: this.#seq++, run }
    this.#live++
    const heap = this.#heap
    let i = heap.push(event) - 1
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!before(event, heap[up]!)) break
      heap[i] = heap[up]!
      i = up
    }
    heap[i] = event
    return event
  }

  cancel(event: Scheduled): void {
    if (event.run === undefined) return
    event.run = undefined
    this.#live--
  }

  /** Time of the next event, Infinity if there is none. */
  nextNs(): number {
    this.#dropCancelled()
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0]!.timeNs
  }

  /** Takes out the next event; its `run` is for the caller to call. */
  pop(): { readonly event: Scheduled; readonly run: () => void } | undefined {
    this.#dropCancelled()
    const event = this.#heap[0]
    if (!event) return undefined
    const run = event.run!
    event.run = undefined
    this.#live--
    this.#removeTop()
    return { event, run }
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) this.#removeTop()
  }

  #removeTop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    const length = heap.length
    if (length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= length) break
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs
  return a.cpu !== b.cpu ? a.cpu < b.cpu : a.seq < b.seq
}
