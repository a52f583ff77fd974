// Seeded chance: one generator per subsystem, so that a new consumer in one place moves nothing elsewhere.
// xoshiro128** over 32-bit words, seeded by splitmix32 of the seed and the stream's name: integers only, the same on every engine.

/** One stream of pseudo-random numbers. */
export class Rng {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number, stream = '') {
    let state = seed | 0
    for (let i = 0; i < stream.length; i++) state = Math.imul(state ^ stream.charCodeAt(i), 0x01000193)
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return z ^ (z >>> 16)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** A uniform u32. */
  u32(): number {
    const times5 = Math.imul(this.#b, 5)
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9)
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** A uniform integer, `low <= n <= high`, for a span below 2^53. */
  between(low: number, high: number): number {
    const span = high - low + 1
    const wide = (this.u32() >>> 5) * 0x4000000 + (this.u32() >>> 6)
    return low + (wide % span)
  }

  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean {
    return this.between(1, denominator) <= numerator
  }
}
