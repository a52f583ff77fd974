// One run of a function and of those it calls: its register file and call frames. Invocations of a program nest (a callback runs
// inside a helper of another invocation), so each has its own; they are pooled, because making one costs more than a short run.

import { InternalError } from '../../base/errors.ts'
import { KERNEL_HI } from '../../base/memory.ts'
import { MAX_CALL_FRAMES } from '../isa/opcodes.ts'
import { MAY_GOTO_LIMIT, type Machine } from '../machine.ts'
import type { Region } from './region.ts'
import { DONE, R6, R10, REGISTER_HALVES, type Registers } from './step.ts'

/** Saved by a call: the halves of r6 to r10, then the slot to return to. */
const SAVED = R10 + 2 - R6 + 1

export class Invocation {
  readonly r: Registers
  /** Frames entered; 0 when idle. */
  depth = 0
  readonly #machine: Machine
  readonly #stack: Region
  readonly #saved = new Int32Array(MAX_CALL_FRAMES * SAVED)
  readonly #stackBase = new Int32Array(MAX_CALL_FRAMES)
  /** may_goto iterations left, by frame. */
  readonly #budget = new Int32Array(MAX_CALL_FRAMES)

  constructor(machine: Machine, stack: Region, constants: readonly number[]) {
    this.#machine = machine
    this.#stack = stack
    this.r = new Int32Array(REGISTER_HALVES + constants.length)
    this.r.set(constants, REGISTER_HALVES)
  }

  /** Clear the registers. */
  reset(): void {
    this.r.fill(0, 0, REGISTER_HALVES)
    this.depth = 0
  }

  /** Start a function that returns to slot `returnTo`: save r6 to r10, take its stack. */
  enter(stackBytes: number, returnTo: number): void {
    const { r } = this
    const frame = this.depth
    if (frame === MAX_CALL_FRAMES) throw new InternalError(`more than ${MAX_CALL_FRAMES} call frames`)
    const saved = frame * SAVED
    for (let i = 0; i < SAVED - 1; i++) this.#saved[saved + i] = r[R6 + i]!
    this.#saved[saved + SAVED - 1] = returnTo
    const base = this.#machine.pushStack(stackBytes)
    this.#stackBase[frame] = base
    this.#budget[frame] = MAY_GOTO_LIMIT
    this.#stack.high = base + stackBytes
    r[R10] = base + stackBytes
    r[R10 + 1] = KERNEL_HI
    this.depth = frame + 1
  }

  /** End the current function; the slot to go on at, DONE for the outermost. */
  leave(): number {
    const { r } = this
    const frame = --this.depth
    const base = this.#stackBase[frame]!
    this.#machine.popStack(base)
    this.#stack.high = base
    const saved = frame * SAVED
    const returnTo = this.#saved[saved + SAVED - 1]!
    if (returnTo === DONE) return DONE
    for (let i = 0; i < SAVED - 1; i++) r[R6 + i] = this.#saved[saved + i]!
    return returnTo
  }

  /** Give the current frame's stack back, as a tail call does before the next program runs in its place. */
  dropStack(): void {
    this.#machine.popStack(this.#stackBase[this.depth - 1]!)
  }

  /** Take one from the current function's may_goto budget; false when it is spent. */
  mayGoOn(): boolean {
    const frame = this.depth - 1
    if (this.#budget[frame] === 0) return false
    this.#budget[frame]!--
    return true
  }

  /** Lowest offset of the frame `n` (0: outermost) and the offset behind it. */
  stackOf(n: number): { low: number; high: number } {
    const low = this.#stackBase[n]!
    return { low, high: n + 1 < this.depth ? this.#stackBase[n + 1]! : this.#stack.high }
  }
}
