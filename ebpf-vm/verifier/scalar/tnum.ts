// Tracked numbers: what is known of each bit of a 64-bit value. After Vishwanathan et al., "Sound, Precise, and Fast Abstract
// Interpretation with Tristate Numbers" (CGO 2022), and the kernel's documentation of the verifier.

import { addH, fls, hex, sarH, sarL, shlH, shlL, shrH, shrL, subH } from './words.ts'

/** Known bits of a u64, as halves: bits set in `mask` are unknown. Invariant: `value & mask === 0` in both halves. */
export interface Tnum {
  readonly vL: number
  readonly vH: number
  readonly mL: number
  readonly mH: number
}

export function tnum(vL: number, vH: number, mL: number, mH: number): Tnum {
  return { vL, vH, mL, mH }
}

export const UNKNOWN: Tnum = tnum(0, 0, -1, -1)
export const ZERO: Tnum = tnum(0, 0, 0, 0)

export function constant(vL: number, vH: number): Tnum {
  return tnum(vL, vH, 0, 0)
}

export function isConst(a: Tnum): boolean {
  return (a.mL | a.mH) === 0
}

export function isUnknown(a: Tnum): boolean {
  return (a.mL & a.mH) === -1
}

/** The smallest tnum that holds min..max (unsigned). */
export function range(minL: number, minH: number, maxL: number, maxH: number): Tnum {
  const bits = fls(minL ^ maxL, minH ^ maxH)
  if (bits > 63) return UNKNOWN
  const deltaL = bits >= 32 ? -1 : (1 << bits) - 1
  const deltaH = bits > 32 ? (1 << (bits - 32)) - 1 : 0
  return tnum(minL & ~deltaL, minH & ~deltaH, deltaL, deltaH)
}

export function add(a: Tnum, b: Tnum): Tnum {
  const smL = (a.mL + b.mL) | 0
  const smH = addH(a.mL, a.mH, b.mL, b.mH)
  const svL = (a.vL + b.vL) | 0
  const svH = addH(a.vL, a.vH, b.vL, b.vH)
  const muL = (((smL + svL) | 0) ^ svL) | a.mL | b.mL
  const muH = (addH(smL, smH, svL, svH) ^ svH) | a.mH | b.mH
  return tnum(svL & ~muL, svH & ~muH, muL, muH)
}

export function sub(a: Tnum, b: Tnum): Tnum {
  const dvL = (a.vL - b.vL) | 0
  const dvH = subH(a.vL, a.vH, b.vL, b.vH)
  const alphaL = (dvL + a.mL) | 0
  const alphaH = addH(dvL, dvH, a.mL, a.mH)
  const betaL = (dvL - b.mL) | 0
  const betaH = subH(dvL, dvH, b.mL, b.mH)
  const muL = (alphaL ^ betaL) | a.mL | b.mL
  const muH = (alphaH ^ betaH) | a.mH | b.mH
  return tnum(dvL & ~muL, dvH & ~muH, muL, muH)
}

export function neg(a: Tnum): Tnum {
  return sub(ZERO, a)
}

export function and(a: Tnum, b: Tnum): Tnum {
  const vL = a.vL & b.vL
  const vH = a.vH & b.vH
  return tnum(vL, vH, (a.vL | a.mL) & (b.vL | b.mL) & ~vL, (a.vH | a.mH) & (b.vH | b.mH) & ~vH)
}

export function or(a: Tnum, b: Tnum): Tnum {
  const vL = a.vL | b.vL
  const vH = a.vH | b.vH
  return tnum(vL, vH, (a.mL | b.mL) & ~vL, (a.mH | b.mH) & ~vH)
}

export function xor(a: Tnum, b: Tnum): Tnum {
  const muL = a.mL | b.mL
  const muH = a.mH | b.mH
  return tnum((a.vL ^ b.vL) & ~muL, (a.vH ^ b.vH) & ~muH, muL, muH)
}

export function lshift(a: Tnum, n: number): Tnum {
  return tnum(shlL(a.vL, n), shlH(a.vL, a.vH, n), shlL(a.mL, n), shlH(a.mL, a.mH, n))
}

export function rshift(a: Tnum, n: number): Tnum {
  return tnum(shrL(a.vL, a.vH, n), shrH(a.vH, n), shrL(a.mL, a.mH, n), shrH(a.mH, n))
}

/** Arithmetic shift of the low 32 or all 64 bits; the upper half of a 32-bit result is 0. */
export function arshift(a: Tnum, n: number, bits: 32 | 64): Tnum {
  if (bits === 32) return tnum(a.vL >> n, 0, a.mL >> n, 0)
  return tnum(sarL(a.vL, a.vH, n), sarH(a.vH, n), sarL(a.mL, a.mH, n), sarH(a.mH, n))
}

/** Long multiplication: an unknown bit of `a` joins the sums with and without it. */
export function mul(a: Tnum, b: Tnum): Tnum {
  let sum = ZERO
  while ((a.vL | a.vH | a.mL | a.mH) !== 0) {
    if (a.vL & 1) sum = add(sum, b)
    else if (a.mL & 1) sum = join(sum, add(sum, b))
    a = rshift(a, 1)
    b = lshift(b, 1)
  }
  return sum
}

/** What both hold: values in a or in b. */
export function join(a: Tnum, b: Tnum): Tnum {
  const muL = (a.vL ^ b.vL) | a.mL | b.mL
  const muH = (a.vH ^ b.vH) | a.mH | b.mH
  return tnum(a.vL & b.vL & ~muL, a.vH & b.vH & ~muH, muL, muH)
}

/** Values in a and in b; undefined knowledge where they contradict each other. */
export function intersect(a: Tnum, b: Tnum): Tnum {
  const muL = a.mL & b.mL
  const muH = a.mH & b.mH
  return tnum((a.vL | b.vL) & ~muL, (a.vH | b.vH) & ~muH, muL, muH)
}

/** Whether some value is in both. */
export function overlap(a: Tnum, b: Tnum): boolean {
  const L = ~a.mL & ~b.mL
  const H = ~a.mH & ~b.mH
  return (a.vL & L) === (b.vL & L) && (a.vH & H) === (b.vH & H)
}

/** Every value of b is in a. */
export function contains(a: Tnum, b: Tnum): boolean {
  if ((b.mL & ~a.mL) !== 0 || (b.mH & ~a.mH) !== 0) return false
  return a.vL === (b.vL & ~a.mL) && a.vH === (b.vH & ~a.mH)
}

/** The low `bytes` bytes, the rest 0. */
export function cast(a: Tnum, bytes: number): Tnum {
  if (bytes >= 8) return a
  const mask = bytes === 4 ? -1 : bytes === 2 ? 0xffff : 0xff
  return tnum(a.vL & mask, 0, a.mL & mask, 0)
}

export function subreg(a: Tnum): Tnum {
  return tnum(a.vL, 0, a.mL, 0)
}

export function withSubreg(a: Tnum, low: Tnum): Tnum {
  return tnum(low.vL, a.vH, low.mL, a.mH)
}

export function same(a: Tnum, b: Tnum): boolean {
  return a === b || (a.vL === b.vL && a.vH === b.vH && a.mL === b.mL && a.mH === b.mH)
}

/** Whether every value is a multiple of `bytes`, a power of two. */
export function isAligned(a: Tnum, bytes: number): boolean {
  return bytes === 0 || ((a.vL | a.mL) & (bytes - 1)) === 0
}

/** `(0x0; 0xff)` */
export function format(a: Tnum): string {
  return `(${hex(a.vL, a.vH)}; ${hex(a.mL, a.mH)})`
}
