// A line on standard error that says how far a long run has come; only on a terminal, only after two seconds.

const FIRST_MS = 2000
const EVERY_MS = 200

export class Progress {
  readonly #startMs = performance.now()
  readonly #wholeNs: number
  #lastMs = 0
  #shown = false

  /** `wholeNs`: virtual time after which the run ends at the latest. */
  constructor(wholeNs: number) {
    this.#wholeNs = wholeNs
  }

  show(virtualNs: number): void {
    const nowMs = performance.now()
    if (!process.stderr.isTTY || nowMs - this.#startMs < FIRST_MS || nowMs - this.#lastMs < EVERY_MS) return
    this.#lastMs = nowMs
    this.#shown = true
    const percent = Math.floor((virtualNs / this.#wholeNs) * 100)
    process.stderr.write(`\r${(virtualNs / 1e9).toFixed(2)} s of virtual time (${percent} % of the most)\x1b[K`)
  }

  clear(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K')
    this.#shown = false
  }
}
