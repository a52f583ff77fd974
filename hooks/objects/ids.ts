// Ids of the objects of one kind, as idr_alloc_cyclic() gives them: ascending from 1, not reused while counting up.

export class Ids<T> {
  readonly #byId = new Map<number, T>()
  #last = 0

  add(object: T): number {
    const id = ++this.#last
    this.#byId.set(id, object)
    return id
  }

  /** Enter an object that has its id already (maps take theirs from the machine). */
  set(id: number, object: T): void {
    this.#last = Math.max(this.#last, id)
    this.#byId.set(id, object)
  }

  get(id: number): T | undefined {
    return this.#byId.get(id)
  }

  remove(id: number): void {
    this.#byId.delete(id)
  }

  /** The smallest live id above `id`, 0 when there is none (BPF_*_GET_NEXT_ID). */
  after(id: number): number {
    let next = 0
    for (const candidate of this.#byId.keys()) if (candidate > id && (next === 0 || candidate < next)) next = candidate
    return next
  }

  values(): Iterable<T> {
    return this.#byId.values()
  }
}
