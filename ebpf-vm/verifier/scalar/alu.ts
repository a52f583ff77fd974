// Arithmetic on scalars, as the verifier of Linux 6.18 computes it: `alu(name, a, b, is32)` gives a new Scalar that contains the
// result of the operation on every pair of values of a and b. Division, modulo and byte swaps give ANY.

import type { AluName } from '../../isa/opcodes.ts'
import type { Scalar } from './scalar.ts'
import * as S from './scalar.ts'
import * as T from './tnum.ts'
import {
  addH,
  addOverflows,
  INT_MAX,
  INT_MIN,
  mulH,
  mulhu,
  sarH,
  sarL,
  shlH,
  shlL,
  shrH,
  shrL,
  slt,
  subH,
  subOverflows,
  ult,
  umax32,
  umin32,
} from './words.ts'

/** Whether ranges are computed at all: a shift by an unknown or too large amount, a division or a modulo gives ANY. */
export function isComputable(name: AluName, b: Scalar, is32: boolean): boolean {
  switch (name) {
    case 'add':
    case 'sub':
    case 'neg':
    case 'and':
    case 'or':
    case 'xor':
    case 'mul':
      return true
    case 'lsh':
    case 'rsh':
    case 'arsh': {
      const constant = is32
        ? S.isConst32(b) && b.smin32 === b.smax32 && b.umin32 === b.umax32
        : S.isConst(b) && b.sminL === b.smaxL && b.sminH === b.smaxH && b.uminL === b.umaxL && b.uminH === b.umaxH
      return constant && b.umaxH === 0 && b.umaxL >>> 0 < (is32 ? 32 : 64)
    }
    default:
      return false
  }
}

/** The result of `a op b`. `b` is `a` itself for neg. A 32-bit operation clears the upper half. */
export function alu(name: AluName, a: Scalar, b: Scalar, is32: boolean): Scalar {
  // Linux forgets the value before it zero-extends a word.
  if (!isComputable(name, b, is32)) return S.ANY
  let d: Scalar
  switch (name) {
    case 'add':
      d = S.copy(a)
      add32(d, b)
      add64(d, b)
      d.tnum = T.add(a.tnum, b.tnum)
      break
    case 'sub':
      d = S.copy(a)
      sub32(d, b)
      sub64(d, b)
      d.tnum = T.sub(a.tnum, b.tnum)
      break
    case 'neg':
      d = S.known(0, 0)
      sub32(d, a)
      sub64(d, a)
      d.tnum = T.neg(a.tnum)
      break
    case 'mul':
      d = S.copy(a)
      d.tnum = T.mul(a.tnum, b.tnum)
      mul32(d, b)
      mul64(d, b)
      break
    case 'and':
    case 'or':
    case 'xor':
      d = S.copy(a)
      d.tnum = name === 'and' ? T.and(a.tnum, b.tnum) : name === 'or' ? T.or(a.tnum, b.tnum) : T.xor(a.tnum, b.tnum)
      bits32(name, d, b)
      bits64(name, d, b)
      break
    case 'lsh':
      d = S.copy(a)
      if (is32) lsh32(d, b.umin32, b.umax32)
      else lsh64(d, b)
      break
    case 'rsh':
      d = S.copy(a)
      if (is32) rsh32(d, b.umin32, b.umax32)
      else rsh64(d, b)
      break
    default:
      d = S.copy(a)
      if (is32) arsh32(d, b.umin32)
      else arsh64(d, b.uminL)
  }
  if (is32) S.zeroExtend32(d)
  return S.sync(d)
}

function add32(d: Scalar, b: Scalar): void {
  const smin = d.smin32 + b.smin32
  const smax = d.smax32 + b.smax32
  const overflow = smin < INT_MIN || smin > INT_MAX || smax < INT_MIN || smax > INT_MAX
  d.smin32 = overflow ? INT_MIN : smin
  d.smax32 = overflow ? INT_MAX : smax
  const umin = (d.umin32 >>> 0) + (b.umin32 >>> 0)
  const umax = (d.umax32 >>> 0) + (b.umax32 >>> 0)
  const some = umin <= 0xffffffff && umax > 0xffffffff
  d.umin32 = some ? 0 : umin | 0
  d.umax32 = some ? -1 : umax | 0
}

function add64(d: Scalar, b: Scalar): void {
  const sminH = addH(d.sminL, d.sminH, b.sminL, b.sminH)
  const smaxH = addH(d.smaxL, d.smaxH, b.smaxL, b.smaxH)
  if (addOverflows(d.sminH, b.sminH, sminH) || addOverflows(d.smaxH, b.smaxH, smaxH)) S.unboundSigned(d)
  else {
    d.sminL = (d.sminL + b.sminL) | 0
    d.sminH = sminH
    d.smaxL = (d.smaxL + b.smaxL) | 0
    d.smaxH = smaxH
  }
  const minL = (d.uminL + b.uminL) | 0
  const minH = addH(d.uminL, d.uminH, b.uminL, b.uminH)
  const maxL = (d.umaxL + b.umaxL) | 0
  const maxH = addH(d.umaxL, d.umaxH, b.umaxL, b.umaxH)
  // All sums wrap, or none: the range stays one. Some wrap: nothing is known.
  if (!ult(minL, minH, d.uminL, d.uminH) && ult(maxL, maxH, d.umaxL, d.umaxH)) S.unboundUnsigned(d)
  else {
    d.uminL = minL
    d.uminH = minH
    d.umaxL = maxL
    d.umaxH = maxH
  }
}

function sub32(d: Scalar, b: Scalar): void {
  const smin = d.smin32 - b.smax32
  const smax = d.smax32 - b.smin32
  const overflow = smin < INT_MIN || smin > INT_MAX || smax < INT_MIN || smax > INT_MAX
  d.smin32 = overflow ? INT_MIN : smin
  d.smax32 = overflow ? INT_MAX : smax
  const umin = (d.umin32 >>> 0) - (b.umax32 >>> 0)
  const umax = (d.umax32 >>> 0) - (b.umin32 >>> 0)
  const some = umin < 0 && umax >= 0
  d.umin32 = some ? 0 : umin | 0
  d.umax32 = some ? -1 : umax | 0
}

function sub64(d: Scalar, b: Scalar): void {
  const sminH = subH(d.sminL, d.sminH, b.smaxL, b.smaxH)
  const smaxH = subH(d.smaxL, d.smaxH, b.sminL, b.sminH)
  if (subOverflows(d.sminH, b.smaxH, sminH) || subOverflows(d.smaxH, b.sminH, smaxH)) S.unboundSigned(d)
  else {
    d.sminL = (d.sminL - b.smaxL) | 0
    d.sminH = sminH
    d.smaxL = (d.smaxL - b.sminL) | 0
    d.smaxH = smaxH
  }
  const minWraps = ult(d.uminL, d.uminH, b.umaxL, b.umaxH)
  const maxWraps = ult(d.umaxL, d.umaxH, b.uminL, b.uminH)
  if (minWraps && !maxWraps) S.unboundUnsigned(d)
  else {
    const minH = subH(d.uminL, d.uminH, b.umaxL, b.umaxH)
    const maxH = subH(d.umaxL, d.umaxH, b.uminL, b.uminH)
    d.uminL = (d.uminL - b.umaxL) | 0
    d.umaxL = (d.umaxL - b.uminL) | 0
    d.uminH = minH
    d.umaxH = maxH
  }
}

function mul32(d: Scalar, b: Scalar): void {
  if (mulhu(d.umax32, b.umax32) !== 0) {
    d.umin32 = 0
    d.umax32 = -1
  } else {
    d.umin32 = Math.imul(d.umin32, b.umin32)
    d.umax32 = Math.imul(d.umax32, b.umax32)
  }
  // Products of 32-bit words are within 2^62; a rounded one beyond 2^53 is out of range all the same.
  const p = d.smin32 * b.smin32
  const q = d.smin32 * b.smax32
  const r = d.smax32 * b.smin32
  const s = d.smax32 * b.smax32
  const min = Math.min(p, q, r, s)
  const max = Math.max(p, q, r, s)
  const overflow = min < INT_MIN || max > INT_MAX
  d.smin32 = overflow ? INT_MIN : min | 0
  d.smax32 = overflow ? INT_MAX : max | 0
}

/** Whether the unsigned product does not fit 64 bits. */
function umulOverflows(aL: number, aH: number, bL: number, bH: number): boolean {
  if (aH !== 0 && bH !== 0) return true
  if (aH === 0 && bH === 0) return false
  // One operand is a word: (H * 2^32 + L) * w.
  const H = aH !== 0 ? aH : bH
  const L = aH !== 0 ? aL : bL
  const w = aH !== 0 ? bL : aL
  if (mulhu(H, w) !== 0) return true
  return (Math.imul(H, w) >>> 0) + (mulhu(L, w) >>> 0) > 0xffffffff
}

/** Whether the signed product does not fit 64 bits. */
function smulOverflows(aL: number, aH: number, bL: number, bH: number): boolean {
  if ((aL | aH) === 0 || (bL | bH) === 0) return false
  const negative = aH < 0 !== bH < 0
  const uaL = aH < 0 ? -aL | 0 : aL
  const uaH = aH < 0 ? subH(0, 0, aL, aH) : aH
  const ubL = bH < 0 ? -bL | 0 : bL
  const ubH = bH < 0 ? subH(0, 0, bL, bH) : bH
  if (umulOverflows(uaL, uaH, ubL, ubH)) return true
  const L = Math.imul(uaL, ubL)
  const H = mulH(uaL, uaH, ubL, ubH)
  return negative ? ult(0, INT_MIN, L, H) : H < 0
}

function mul64(d: Scalar, b: Scalar): void {
  const { uminL, uminH, umaxL, umaxH, sminL, sminH, smaxL, smaxH } = d
  if (umulOverflows(umaxL, umaxH, b.umaxL, b.umaxH)) S.unboundUnsigned(d)
  else {
    d.uminL = Math.imul(uminL, b.uminL)
    d.uminH = mulH(uminL, uminH, b.uminL, b.uminH)
    d.umaxL = Math.imul(umaxL, b.umaxL)
    d.umaxH = mulH(umaxL, umaxH, b.umaxL, b.umaxH)
  }
  if (
    smulOverflows(sminL, sminH, b.sminL, b.sminH) ||
    smulOverflows(sminL, sminH, b.smaxL, b.smaxH) ||
    smulOverflows(smaxL, smaxH, b.sminL, b.sminH) ||
    smulOverflows(smaxL, smaxH, b.smaxL, b.smaxH)
  ) {
    S.unboundSigned(d)
    return
  }
  let first = true
  const take = (aL: number, aH: number, cL: number, cH: number): void => {
    const L = Math.imul(aL, cL)
    const H = mulH(aL, aH, cL, cH)
    if (first || slt(L, H, d.sminL, d.sminH)) {
      d.sminL = L
      d.sminH = H
    }
    if (first || slt(d.smaxL, d.smaxH, L, H)) {
      d.smaxL = L
      d.smaxH = H
    }
    first = false
  }
  take(sminL, sminH, b.sminL, b.sminH)
  take(sminL, sminH, b.smaxL, b.smaxH)
  take(smaxL, smaxH, b.sminL, b.sminH)
  take(smaxL, smaxH, b.smaxL, b.smaxH)
}

/** d.tnum is the result's already. */
function bits32(name: 'and' | 'or' | 'xor', d: Scalar, b: Scalar): void {
  const { vL, mL } = d.tnum
  if (mL === 0 && b.tnum.mL === 0 && d.smin32 === d.smax32) {
    d.smin32 = d.smax32 = d.umin32 = d.umax32 = vL
    return
  }
  d.umin32 = name === 'or' ? umax32(d.umin32, b.umin32) : vL
  d.umax32 = name === 'and' ? umin32(d.umax32, b.umax32) : vL | mL
  const oneSign = d.umin32 <= d.umax32
  d.smin32 = oneSign ? d.umin32 : INT_MIN
  d.smax32 = oneSign ? d.umax32 : INT_MAX
}

function bits64(name: 'and' | 'or' | 'xor', d: Scalar, b: Scalar): void {
  const { vL, vH, mL, mH } = d.tnum
  if ((mL | mH) === 0 && S.isConst(b)) {
    S.markKnown(d, vL, vH)
    return
  }
  if (name === 'or') {
    if (ult(d.uminL, d.uminH, b.uminL, b.uminH)) {
      d.uminL = b.uminL
      d.uminH = b.uminH
    }
  } else {
    d.uminL = vL
    d.uminH = vH
  }
  if (name === 'and') {
    if (ult(b.umaxL, b.umaxH, d.umaxL, d.umaxH)) {
      d.umaxL = b.umaxL
      d.umaxH = b.umaxH
    }
  } else {
    d.umaxL = vL | mL
    d.umaxH = vH | mH
  }
  if (!slt(d.umaxL, d.umaxH, d.uminL, d.uminH)) {
    d.sminL = d.uminL
    d.sminH = d.uminH
    d.smaxL = d.umaxL
    d.smaxH = d.umaxH
  } else S.unboundSigned(d)
  S.boundsFromBits(d)
}

function shiftWordLeft(d: Scalar, min: number, max: number): void {
  d.smin32 = INT_MIN
  d.smax32 = INT_MAX
  if (max > 31 || d.umax32 >>> 0 > 2 ** (31 - max)) {
    d.umin32 = 0
    d.umax32 = -1
  } else {
    d.umin32 <<= min
    d.umax32 <<= max
  }
}

function lsh32(d: Scalar, min: number, max: number): void {
  shiftWordLeft(d, min, max)
  d.tnum = T.subreg(T.lshift(T.subreg(d.tnum), min))
  S.unbound64(d)
  S.boundsFromBits32(d)
}

function lsh64(d: Scalar, b: Scalar): void {
  const min = b.uminL
  const max = b.umaxL
  if (min === 32 && max === 32) {
    // Half of a sign extension (<< 32, s>> 32).
    d.sminL = d.smaxL = 0
    d.sminH = d.smin32
    d.smaxH = d.smax32
  } else S.unboundSigned(d)
  const limit = 63 - max
  if (ult(shlL(1, limit), shlH(1, 0, limit), d.umaxL, d.umaxH)) S.unboundUnsigned(d)
  else {
    const minH = shlH(d.uminL, d.uminH, min)
    d.uminL = shlL(d.uminL, min)
    d.uminH = minH
    const maxH = shlH(d.umaxL, d.umaxH, max)
    d.umaxL = shlL(d.umaxL, max)
    d.umaxH = maxH
  }
  shiftWordLeft(d, min, max)
  d.tnum = T.lshift(d.tnum, min)
  S.boundsFromBits(d)
}

function rsh32(d: Scalar, min: number, max: number): void {
  d.smin32 = INT_MIN
  d.smax32 = INT_MAX
  d.tnum = T.rshift(T.subreg(d.tnum), min)
  d.umin32 = (d.umin32 >>> max) | 0
  d.umax32 = (d.umax32 >>> min) | 0
  S.unbound64(d)
  S.boundsFromBits32(d)
}

function rsh64(d: Scalar, b: Scalar): void {
  const min = b.uminL
  const max = b.umaxL
  S.unboundSigned(d)
  d.tnum = T.rshift(d.tnum, min)
  d.uminL = shrL(d.uminL, d.uminH, max)
  d.uminH = shrH(d.uminH, max)
  d.umaxL = shrL(d.umaxL, d.umaxH, min)
  d.umaxH = shrH(d.umaxH, min)
  S.unbound32(d)
  S.boundsFromBits(d)
}

function arsh32(d: Scalar, n: number): void {
  d.smin32 >>= n
  d.smax32 >>= n
  d.tnum = T.arshift(T.subreg(d.tnum), n, 32)
  d.umin32 = 0
  d.umax32 = -1
  S.unbound64(d)
  S.boundsFromBits32(d)
}

function arsh64(d: Scalar, n: number): void {
  d.sminL = sarL(d.sminL, d.sminH, n)
  d.sminH = sarH(d.sminH, n)
  d.smaxL = sarL(d.smaxL, d.smaxH, n)
  d.smaxH = sarH(d.smaxH, n)
  d.tnum = T.arshift(d.tnum, n, 64)
  S.unboundUnsigned(d)
  S.unbound32(d)
  S.boundsFromBits(d)
}

/** Whether a 32-bit word is a power of two, or a 64-bit value with one half 0. */
export function isPowerOfTwo(L: number, H: number): boolean {
  if (H === 0) return L !== 0 && (L & (L - 1)) === 0
  return L === 0 && (H & (H - 1)) === 0
}
