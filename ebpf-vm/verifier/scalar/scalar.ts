// What is known of a 64-bit number: its bits (tnum), signed and unsigned 64-bit ranges, and the same of its low 32 bits.
//
// A Scalar is a value: once it is in a register it never changes. Functions here that are said to *refine* change a draft that
// their caller has just made with copy() or fresh(). Invariant of a finished one: min <= max in all four ranges, and no range
// excludes what another proves (kept by sync()).

import * as T from './tnum.ts'
import { INT_MAX, INT_MIN, slt, ult, ult32 } from './words.ts'

export class Scalar {
  tnum: T.Tnum
  sminL: number
  sminH: number
  smaxL: number
  smaxH: number
  uminL: number
  uminH: number
  umaxL: number
  umaxH: number
  /** 32-bit ranges; the unsigned ones are held as int32. */
  smin32: number
  smax32: number
  umin32: number
  umax32: number

  constructor(
    tnum: T.Tnum,
    sminL: number,
    sminH: number,
    smaxL: number,
    smaxH: number,
    uminL: number,
    uminH: number,
    umaxL: number,
    umaxH: number,
    smin32: number,
    smax32: number,
    umin32: number,
    umax32: number,
  ) {
    this.tnum = tnum
    this.sminL = sminL
    this.sminH = sminH
    this.smaxL = smaxL
    this.smaxH = smaxH
    this.uminL = uminL
    this.uminH = uminH
    this.umaxL = umaxL
    this.umaxH = umaxH
    this.smin32 = smin32
    this.smax32 = smax32
    this.umin32 = umin32
    this.umax32 = umax32
  }
}

/** A draft that knows nothing. */
export function fresh(): Scalar {
  return new Scalar(T.UNKNOWN, 0, INT_MIN, -1, INT_MAX, 0, 0, -1, -1, INT_MIN, INT_MAX, 0, -1)
}

export function copy(s: Scalar): Scalar {
  return new Scalar(
    s.tnum,
    s.sminL,
    s.sminH,
    s.smaxL,
    s.smaxH,
    s.uminL,
    s.uminH,
    s.umaxL,
    s.umaxH,
    s.smin32,
    s.smax32,
    s.umin32,
    s.umax32,
  )
}

export const ANY: Scalar = fresh()

export function known(L: number, H: number): Scalar {
  return new Scalar(T.constant(L, H), L, H, L, H, L, H, L, H, L, L, L, L)
}

export const KNOWN_ZERO: Scalar = known(0, 0)

/** A constant from an int32, sign-extended. */
export function knownInt(value: number): Scalar {
  return value === 0 ? KNOWN_ZERO : known(value, value >> 31)
}

export function isConst(s: Scalar): boolean {
  return (s.tnum.mL | s.tnum.mH) === 0
}

/** Constant in its low 32 bits. */
export function isConst32(s: Scalar): boolean {
  return s.tnum.mL === 0
}

// ---- Refining a draft ----

export function markUnbounded(s: Scalar): void {
  unbound64(s)
  unbound32(s)
}

export function unbound64(s: Scalar): void {
  unboundSigned(s)
  unboundUnsigned(s)
}

export function unbound32(s: Scalar): void {
  s.smin32 = INT_MIN
  s.smax32 = INT_MAX
  s.umin32 = 0
  s.umax32 = -1
}

export function unboundSigned(s: Scalar): void {
  s.sminL = 0
  s.sminH = INT_MIN
  s.smaxL = -1
  s.smaxH = INT_MAX
}

export function unboundUnsigned(s: Scalar): void {
  s.uminL = 0
  s.uminH = 0
  s.umaxL = -1
  s.umaxH = -1
}

export function markKnown(s: Scalar, L: number, H: number): void {
  s.tnum = T.constant(L, H)
  s.sminL = s.smaxL = s.uminL = s.umaxL = L
  s.sminH = s.smaxH = s.uminH = s.umaxH = H
  s.smin32 = s.smax32 = s.umin32 = s.umax32 = L
}

/** Tighten all ranges by the bits. */
export function boundsFromBits(s: Scalar): void {
  boundsFromBits32(s)
  const { vL, vH, mL, mH } = s.tnum
  const lowH = vH | (mH & INT_MIN)
  if (slt(s.sminL, s.sminH, vL, lowH)) {
    s.sminL = vL
    s.sminH = lowH
  }
  const highH = vH | (mH & INT_MAX)
  if (slt(vL | mL, highH, s.smaxL, s.smaxH)) {
    s.smaxL = vL | mL
    s.smaxH = highH
  }
  if (ult(s.uminL, s.uminH, vL, vH)) {
    s.uminL = vL
    s.uminH = vH
  }
  if (ult(vL | mL, vH | mH, s.umaxL, s.umaxH)) {
    s.umaxL = vL | mL
    s.umaxH = vH | mH
  }
}

export function boundsFromBits32(s: Scalar): void {
  const { vL, mL } = s.tnum
  const low = vL | (mL & INT_MIN)
  const high = vL | (mL & INT_MAX)
  if (s.smin32 < low) s.smin32 = low
  if (s.smax32 > high) s.smax32 = high
  if (ult32(s.umin32, vL)) s.umin32 = vL
  if (ult32(vL | mL, s.umax32)) s.umax32 = vL | mL
}

function tightenU32(s: Scalar, min: number, max: number): void {
  if (ult32(s.umin32, min)) s.umin32 = min
  if (ult32(max, s.umax32)) s.umax32 = max
}

function tightenS32(s: Scalar, min: number, max: number): void {
  if (s.smin32 < min) s.smin32 = min
  if (s.smax32 > max) s.smax32 = max
}

/** 32-bit ranges from the 64-bit ones, and from each other where the sign cannot change. */
function deduce32(s: Scalar): void {
  if (s.uminH === s.umaxH) {
    tightenU32(s, s.uminL, s.umaxL)
    if (s.uminL <= s.umaxL) tightenS32(s, s.uminL, s.umaxL)
  }
  if (s.sminH === s.smaxH) {
    if (s.sminL >>> 0 <= s.smaxL >>> 0) tightenU32(s, s.sminL, s.smaxL)
    if (s.sminL <= s.smaxL) tightenS32(s, s.sminL, s.smaxL)
  }
  // Neighbouring upper halves whose lower halves run from negative to positive are one range of s32.
  if (((s.uminH + 1) | 0) === s.umaxH && s.uminL < 0 && s.umaxL >= 0) tightenS32(s, s.uminL, s.umaxL)
  if (((s.sminH + 1) | 0) === s.smaxH && s.sminL < 0 && s.smaxL >= 0) tightenS32(s, s.sminL, s.smaxL)
  if (s.umin32 <= s.umax32) tightenS32(s, s.umin32, s.umax32)
  if (s.smin32 >>> 0 <= s.smax32 >>> 0) tightenU32(s, s.smin32, s.smax32)
}

function tightenSigned(s: Scalar, minL: number, minH: number, maxL: number, maxH: number): void {
  if (slt(s.sminL, s.sminH, minL, minH)) {
    s.sminL = minL
    s.sminH = minH
  }
  if (slt(maxL, maxH, s.smaxL, s.smaxH)) {
    s.smaxL = maxL
    s.smaxH = maxH
  }
}

function tightenUnsigned(s: Scalar, minL: number, minH: number, maxL: number, maxH: number): void {
  if (ult(s.uminL, s.uminH, minL, minH)) {
    s.uminL = minL
    s.uminH = minH
  }
  if (ult(maxL, maxH, s.umaxL, s.umaxH)) {
    s.umaxL = maxL
    s.umaxH = maxH
  }
}

function deduce64(s: Scalar): void {
  if (!slt(s.umaxL, s.umaxH, s.uminL, s.uminH)) tightenSigned(s, s.uminL, s.uminH, s.umaxL, s.umaxH)
  if (!ult(s.smaxL, s.smaxH, s.sminL, s.sminH)) {
    tightenUnsigned(s, s.sminL, s.sminH, s.smaxL, s.smaxH)
  } else if (ult(s.umaxL, s.umaxH, s.sminL, s.sminH)) {
    // The signed range crosses the sign, but the unsigned one meets only its non-negative part …
    s.sminL = s.uminL
    s.sminH = s.uminH
    if (ult(s.smaxL, s.smaxH, s.umaxL, s.umaxH)) {
      s.umaxL = s.smaxL
      s.umaxH = s.smaxH
    }
  } else if (ult(s.smaxL, s.smaxH, s.uminL, s.uminH)) {
    // … or only its negative part.
    s.smaxL = s.umaxL
    s.smaxH = s.umaxH
    if (ult(s.uminL, s.uminH, s.sminL, s.sminH)) {
      s.uminL = s.sminL
      s.uminH = s.sminH
    }
  }
}

/** 64-bit ranges from the 32-bit ones. */
function deduceMixed(s: Scalar): void {
  if (ult32(s.uminL, s.umin32)) s.uminL = s.umin32
  if (ult32(s.umax32, s.umaxL)) s.umaxL = s.umax32
  if (ult32(s.sminL, s.umin32)) s.sminL = s.umin32
  if (ult32(s.umax32, s.smaxL)) s.smaxL = s.umax32
  // A sign-extended word whose lower half is not negative: the upper half cannot be all ones.
  if (
    s.smin32 >= 0 &&
    (s.sminH >= 0 || (s.sminH === -1 && s.sminL < 0)) &&
    (s.smaxH < 0 || (s.smaxH === 0 && s.smaxL >= 0))
  ) {
    s.sminL = s.uminL = s.smin32
    s.smaxL = s.umaxL = s.smax32
    s.sminH = s.uminH = s.smaxH = s.umaxH = 0
    s.tnum = T.intersect(s.tnum, T.range(s.sminL, 0, s.smaxL, 0))
  }
}

function deduce(s: Scalar): void {
  deduce32(s)
  deduce64(s)
  deduceMixed(s)
}

/** Bits from the ranges. */
function bitsFromBounds(s: Scalar): void {
  const whole = T.intersect(s.tnum, T.range(s.uminL, s.uminH, s.umaxL, s.umaxH))
  const low = T.intersect(T.subreg(whole), T.range(s.umin32, 0, s.umax32, 0))
  s.tnum = T.tnum(low.vL, whole.vH, low.mL, whole.mH)
}

/** Let bits and ranges learn from each other, in Linux's order and number of rounds (so that results are the same). */
export function sync(s: Scalar): Scalar {
  boundsFromBits(s)
  deduce(s)
  deduce(s)
  deduce(s)
  bitsFromBounds(s)
  boundsFromBits(s)
  return s
}

/** 64-bit ranges of a zero-extended word from its 32-bit ranges. */
export function assign32(s: Scalar): void {
  s.uminL = s.umin32
  s.umaxL = s.umax32
  s.uminH = s.umaxH = s.sminH = s.smaxH = 0
  if (s.smin32 >= 0 && s.smax32 >= 0) {
    s.sminL = s.smin32
    s.smaxL = s.smax32
  } else {
    s.sminL = 0
    s.smaxL = -1
  }
}

/** Clear the upper half: a 32-bit result. */
export function zeroExtend32(s: Scalar): void {
  s.tnum = T.subreg(s.tnum)
  assign32(s)
}

/** Keep the low `bytes` bytes (1, 2, 4), zero-extended. */
export function coerce(s: Scalar, bytes: number): Scalar {
  s.tnum = T.cast(s.tnum, bytes)
  const maskL = bytes === 4 ? -1 : bytes === 2 ? 0xffff : 0xff
  if (s.uminH === s.umaxH && (s.uminL & ~maskL) === (s.umaxL & ~maskL)) {
    s.uminL &= maskL
    s.umaxL &= maskL
  } else {
    s.uminL = 0
    s.umaxL = maskL
  }
  s.uminH = s.umaxH = 0
  s.sminL = s.uminL
  s.smaxL = s.umaxL
  s.sminH = s.smaxH = 0
  if (bytes < 4) unbound32(s)
  return sync(s)
}

const narrow = (bytes: number, L: number): number => (bytes === 1 ? (L << 24) >> 24 : bytes === 2 ? (L << 16) >> 16 : L)

/** Sign-extend the low `bytes` bytes (1, 2, 4) to 64 bits. */
export function signExtend64(s: Scalar, bytes: number): void {
  if (isConst(s)) {
    const value = narrow(bytes, s.tnum.vL)
    markKnown(s, value, value >> 31)
    return
  }
  const above = bytes === 4 ? 0 : -1 << (bytes * 8)
  if (s.smaxH === s.sminH && (s.smaxL & above) === (s.sminL & above)) {
    const a = narrow(bytes, s.smaxL)
    const b = narrow(bytes, s.sminL)
    const max = Math.max(a, b)
    const min = Math.min(a, b)
    if (max >= 0 === min >= 0) {
      s.smin32 = s.umin32 = s.sminL = s.uminL = min
      s.smax32 = s.umax32 = s.smaxL = s.umaxL = max
      s.sminH = s.uminH = min >> 31
      s.smaxH = s.umaxH = max >> 31
      s.tnum = T.range(min, min >> 31, max, max >> 31)
      return
    }
  }
  const limit = bytes === 4 ? INT_MAX : bytes === 2 ? 0x7fff : 0x7f
  s.sminL = s.smin32 = -limit - 1
  s.sminH = -1
  s.smaxL = s.smax32 = limit
  s.smaxH = 0
  unboundUnsigned(s)
  s.umin32 = 0
  s.umax32 = -1
  s.tnum = T.UNKNOWN
}

/** Sign-extend the low `bytes` bytes (1, 2) to 32 bits, upper half cleared by the caller. */
export function signExtend32(s: Scalar, bytes: number): void {
  if (isConst(s)) {
    const value = narrow(bytes, s.tnum.vL)
    s.tnum = T.constant(value, 0)
    s.smin32 = s.smax32 = s.umin32 = s.umax32 = value
    return
  }
  const above = -1 << (bytes * 8)
  if ((s.smax32 & above) === (s.smin32 & above)) {
    const a = narrow(bytes, s.smax32)
    const b = narrow(bytes, s.smin32)
    const max = Math.max(a, b)
    const min = Math.min(a, b)
    if (min >= 0 === max >= 0) {
      s.smin32 = s.umin32 = min
      s.smax32 = s.umax32 = max
      s.tnum = T.subreg(T.range(min, 0, max, 0))
      return
    }
  }
  const limit = bytes === 2 ? 0x7fff : 0x7f
  s.smin32 = -limit - 1
  s.smax32 = limit
  s.umin32 = 0
  s.umax32 = -1
  s.tnum = T.subreg(T.UNKNOWN)
}

// ---- Comparing ----

/** Whether every range of `now` lies within that of `old`. */
export function within(old: Scalar, now: Scalar): boolean {
  return (
    !ult(now.uminL, now.uminH, old.uminL, old.uminH) &&
    !ult(old.umaxL, old.umaxH, now.umaxL, now.umaxH) &&
    !slt(now.sminL, now.sminH, old.sminL, old.sminH) &&
    !slt(old.smaxL, old.smaxH, now.smaxL, now.smaxH) &&
    old.umin32 >>> 0 <= now.umin32 >>> 0 &&
    old.umax32 >>> 0 >= now.umax32 >>> 0 &&
    old.smin32 <= now.smin32 &&
    old.smax32 >= now.smax32
  )
}

export function equal(a: Scalar, b: Scalar): boolean {
  return (
    a === b ||
    (T.same(a.tnum, b.tnum) &&
      a.sminL === b.sminL &&
      a.sminH === b.sminH &&
      a.smaxL === b.smaxL &&
      a.smaxH === b.smaxH &&
      a.uminL === b.uminL &&
      a.uminH === b.uminH &&
      a.umaxL === b.umaxL &&
      a.umaxH === b.umaxH &&
      a.smin32 === b.smin32 &&
      a.smax32 === b.smax32 &&
      a.umin32 === b.umin32 &&
      a.umax32 === b.umax32)
  )
}

/** Whether the invariant holds; what a contradiction (a branch that cannot be taken) leaves behind fails it. */
export function isConsistent(s: Scalar): boolean {
  return (
    !ult(s.umaxL, s.umaxH, s.uminL, s.uminH) &&
    !slt(s.smaxL, s.smaxH, s.sminL, s.sminH) &&
    s.umin32 >>> 0 <= s.umax32 >>> 0 &&
    s.smin32 <= s.smax32
  )
}
