// What the interpreter's parts share: an instruction becomes a Step, a short function over the register file.

import type { Invocation } from './invocation.ts'

/**
 * Registers as int32 halves: register n is r[2n] (low) and r[2n + 1] (high). Behind r10 lie the program's immediates, each
 * sign-extended to a pair of its own, so that one function serves the register and the immediate form of an operation.
 */
export type Registers = Int32Array

/** Carries one instruction out and returns the slot of the next one, or DONE. */
export type Step = (r: Registers, run: Invocation) => number

export const DONE = -1

/** Index of the low half of each register. */
export const R0 = 0
export const R1 = 2
export const R6 = 12
export const R10 = 20
export const REGISTER_HALVES = 22
