// Conditional jumps on scalars: whether the outcome is certain, and what each branch teaches about both operands.

import type { JmpName } from '../../isa/opcodes.ts'
import { isPowerOfTwo } from './alu.ts'
import type { Scalar } from './scalar.ts'
import * as S from './scalar.ts'
import * as T from './tnum.ts'
import { slt, ult, ult32 } from './words.ts'

/** Comparisons; the rest of JmpName are no conditions. */
export type Test = Extract<
  JmpName,
  'jeq' | 'jne' | 'jgt' | 'jge' | 'jlt' | 'jle' | 'jsgt' | 'jsge' | 'jslt' | 'jsle' | 'jset'
>

/** The same condition with its operands exchanged. */
// biome-ignore format: a table
export const FLIPPED: Record<Test, Test> = {
  jeq: 'jeq', jne: 'jne', jset: 'jset', jgt: 'jlt', jge: 'jle', jlt: 'jgt', jle: 'jge',
  jsgt: 'jslt', jsge: 'jsle', jslt: 'jsgt', jsle: 'jsge',
}

/** What holds when the condition does not. `jclear` is the opposite of jset. */
// biome-ignore format: a table
const OPPOSITE: Record<Test, Test | 'jclear'> = {
  jeq: 'jne', jne: 'jeq', jset: 'jclear', jgt: 'jle', jge: 'jlt', jlt: 'jge', jle: 'jgt',
  jsgt: 'jsle', jsge: 'jslt', jslt: 'jsge', jsle: 'jsgt',
}

const constantIn = (s: Scalar, is32: boolean): boolean => (is32 ? S.isConst32(s) : S.isConst(s))

/** 1: always taken, 0: never, -1: unknown. */
export function outcome(a: Scalar, b: Scalar, test: Test, is32: boolean): -1 | 0 | 1 {
  switch (test) {
    case 'jeq':
      return equality(a, b, is32)
    case 'jne': {
      const equal = equality(a, b, is32)
      return equal === -1 ? -1 : equal === 1 ? 0 : 1
    }
    case 'jset': {
      if (!constantIn(b, is32)) [a, b] = [b, a]
      if (!constantIn(b, is32)) return -1
      const highV = is32 ? 0 : b.tnum.vH
      const { vL, vH, mL, mH } = a.tnum
      if (((vL & b.tnum.vL) | (vH & highV)) !== 0) return 1
      if ((((vL | mL) & b.tnum.vL) | ((vH | mH) & highV)) === 0) return 0
      return -1
    }
    case 'jgt':
      return ordered(unsignedLess(b, a, is32))
    case 'jlt':
      return ordered(unsignedLess(a, b, is32))
    case 'jge':
      return opposite(ordered(unsignedLess(a, b, is32)))
    case 'jle':
      return opposite(ordered(unsignedLess(b, a, is32)))
    case 'jsgt':
      return ordered(signedLess(b, a, is32))
    case 'jslt':
      return ordered(signedLess(a, b, is32))
    case 'jsge':
      return opposite(ordered(signedLess(a, b, is32)))
    default:
      return opposite(ordered(signedLess(b, a, is32)))
  }
}

const ordered = (value: -1 | 0 | 1): -1 | 0 | 1 => value
const opposite = (value: -1 | 0 | 1): -1 | 0 | 1 => (value === -1 ? -1 : value === 1 ? 0 : 1)

/** Whether a < b for all values (1), for none (0), or for some (-1). */
function unsignedLess(a: Scalar, b: Scalar, is32: boolean): -1 | 0 | 1 {
  if (is32) {
    if (ult32(a.umax32, b.umin32)) return 1
    return ult32(a.umin32, b.umax32) ? -1 : 0
  }
  if (ult(a.umaxL, a.umaxH, b.uminL, b.uminH)) return 1
  return ult(a.uminL, a.uminH, b.umaxL, b.umaxH) ? -1 : 0
}

function signedLess(a: Scalar, b: Scalar, is32: boolean): -1 | 0 | 1 {
  if (is32) {
    if (a.smax32 < b.smin32) return 1
    return a.smin32 < b.smax32 ? -1 : 0
  }
  if (slt(a.smaxL, a.smaxH, b.sminL, b.sminH)) return 1
  return slt(a.sminL, a.sminH, b.smaxL, b.smaxH) ? -1 : 0
}

function disjoint32(a: Scalar, b: Scalar): boolean {
  return ult32(b.umax32, a.umin32) || ult32(a.umax32, b.umin32) || a.smin32 > b.smax32 || a.smax32 < b.smin32
}

function equality(a: Scalar, b: Scalar, is32: boolean): -1 | 0 | 1 {
  if (is32) {
    if (S.isConst32(a) && S.isConst32(b)) return a.tnum.vL === b.tnum.vL ? 1 : 0
    if (!T.overlap(T.subreg(a.tnum), T.subreg(b.tnum))) return 0
    return disjoint32(a, b) ? 0 : -1
  }
  if (S.isConst(a) && S.isConst(b)) return a.tnum.vL === b.tnum.vL && a.tnum.vH === b.tnum.vH ? 1 : 0
  if (!T.overlap(a.tnum, b.tnum)) return 0
  if (ult(b.umaxL, b.umaxH, a.uminL, a.uminH) || ult(a.umaxL, a.umaxH, b.uminL, b.uminH)) return 0
  if (slt(b.smaxL, b.smaxH, a.sminL, a.sminH) || slt(a.smaxL, a.smaxH, b.sminL, b.sminH)) return 0
  return disjoint32(a, b) ? 0 : -1
}

export interface Refined {
  readonly a: Scalar
  readonly b: Scalar
}

/** Both operands where the condition holds. */
export function refineTaken(a: Scalar, b: Scalar, test: Test, is32: boolean): Refined {
  return refine(a, b, test, is32)
}

/** Both operands where it does not. */
export function refineFallThrough(a: Scalar, b: Scalar, test: Test, is32: boolean): Refined {
  return refine(a, b, OPPOSITE[test], is32)
}

function refine(a: Scalar, b: Scalar, test: Test | 'jclear', is32: boolean): Refined {
  const x = S.copy(a)
  const y = S.copy(b)
  switch (test) {
    case 'jeq':
      if (is32) meet32(x, y)
      else meet64(x, y)
      break
    case 'jne':
      if (constantIn(y, is32)) exclude(x, y, is32)
      else if (constantIn(x, is32)) exclude(y, x, is32)
      break
    case 'jset':
    case 'jclear':
      if (constantIn(y, is32)) setBits(x, y, test === 'jset', is32)
      else if (constantIn(x, is32)) setBits(y, x, test === 'jset', is32)
      break
    case 'jlt':
    case 'jle':
      unsignedBelow(x, y, test === 'jlt', is32)
      break
    case 'jgt':
    case 'jge':
      unsignedBelow(y, x, test === 'jgt', is32)
      break
    case 'jslt':
    case 'jsle':
      signedBelow(x, y, test === 'jslt', is32)
      break
    default:
      signedBelow(y, x, test === 'jsgt', is32)
  }
  return { a: S.sync(x), b: S.sync(y) }
}

function meet32(x: Scalar, y: Scalar): void {
  x.umin32 = y.umin32 = ult32(x.umin32, y.umin32) ? y.umin32 : x.umin32
  x.umax32 = y.umax32 = ult32(x.umax32, y.umax32) ? x.umax32 : y.umax32
  x.smin32 = y.smin32 = Math.max(x.smin32, y.smin32)
  x.smax32 = y.smax32 = Math.min(x.smax32, y.smax32)
  const low = T.intersect(T.subreg(x.tnum), T.subreg(y.tnum))
  x.tnum = T.withSubreg(x.tnum, low)
  y.tnum = T.withSubreg(y.tnum, low)
}

function meet64(x: Scalar, y: Scalar): void {
  if (ult(x.uminL, x.uminH, y.uminL, y.uminH)) {
    x.uminL = y.uminL
    x.uminH = y.uminH
  }
  if (ult(y.umaxL, y.umaxH, x.umaxL, x.umaxH)) {
    x.umaxL = y.umaxL
    x.umaxH = y.umaxH
  }
  if (slt(x.sminL, x.sminH, y.sminL, y.sminH)) {
    x.sminL = y.sminL
    x.sminH = y.sminH
  }
  if (slt(y.smaxL, y.smaxH, x.smaxL, x.smaxH)) {
    x.smaxL = y.smaxL
    x.smaxH = y.smaxH
  }
  y.uminL = x.uminL
  y.uminH = x.uminH
  y.umaxL = x.umaxL
  y.umaxH = x.umaxH
  y.sminL = x.sminL
  y.sminH = x.sminH
  y.smaxL = x.smaxL
  y.smaxH = x.smaxH
  x.tnum = y.tnum = T.intersect(x.tnum, y.tnum)
}

/** x differs from the constant k: only the edges of its ranges can move. */
function exclude(x: Scalar, k: Scalar, is32: boolean): void {
  const { vL, vH } = k.tnum
  if (is32) {
    if (x.umin32 === vL) x.umin32 = (x.umin32 + 1) | 0
    if (x.umax32 === vL) x.umax32 = (x.umax32 - 1) | 0
    if (x.smin32 === vL) x.smin32 = (x.smin32 + 1) | 0
    if (x.smax32 === vL) x.smax32 = (x.smax32 - 1) | 0
    return
  }
  const upL = (vL + 1) | 0
  const upH = vL === -1 ? (vH + 1) | 0 : vH
  const downL = (vL - 1) | 0
  const downH = vL === 0 ? (vH - 1) | 0 : vH
  if (x.uminL === vL && x.uminH === vH) {
    x.uminL = upL
    x.uminH = upH
  }
  if (x.umaxL === vL && x.umaxH === vH) {
    x.umaxL = downL
    x.umaxH = downH
  }
  if (x.sminL === vL && x.sminH === vH) {
    x.sminL = upL
    x.sminH = upH
  }
  if (x.smaxL === vL && x.smaxH === vH) {
    x.smaxL = downL
    x.smaxH = downH
  }
}

function setBits(x: Scalar, k: Scalar, set: boolean, is32: boolean): void {
  const vL = k.tnum.vL
  const vH = is32 ? 0 : k.tnum.vH
  if (set) {
    // One bit is set for certain; of several nobody knows which.
    if (!isPowerOfTwo(vL, vH)) return
    x.tnum = T.or(x.tnum, T.constant(vL, vH))
    return
  }
  S.markUnbounded(x)
  x.tnum = T.and(x.tnum, T.constant(~vL, ~vH))
}

/** x < y (strict) or x <= y, unsigned. */
function unsignedBelow(x: Scalar, y: Scalar, strict: boolean, is32: boolean): void {
  if (is32) {
    const top = strict ? (y.umax32 - 1) | 0 : y.umax32
    const bottom = strict ? (x.umin32 + 1) | 0 : x.umin32
    if (ult32(top, x.umax32)) x.umax32 = top
    if (ult32(y.umin32, bottom)) y.umin32 = bottom
    return
  }
  const topL = strict ? (y.umaxL - 1) | 0 : y.umaxL
  const topH = strict && y.umaxL === 0 ? (y.umaxH - 1) | 0 : y.umaxH
  const bottomL = strict ? (x.uminL + 1) | 0 : x.uminL
  const bottomH = strict && x.uminL === -1 ? (x.uminH + 1) | 0 : x.uminH
  if (ult(topL, topH, x.umaxL, x.umaxH)) {
    x.umaxL = topL
    x.umaxH = topH
  }
  if (ult(y.uminL, y.uminH, bottomL, bottomH)) {
    y.uminL = bottomL
    y.uminH = bottomH
  }
}

function signedBelow(x: Scalar, y: Scalar, strict: boolean, is32: boolean): void {
  if (is32) {
    const top = strict ? (y.smax32 - 1) | 0 : y.smax32
    const bottom = strict ? (x.smin32 + 1) | 0 : x.smin32
    if (top < x.smax32) x.smax32 = top
    if (y.smin32 < bottom) y.smin32 = bottom
    return
  }
  const topL = strict ? (y.smaxL - 1) | 0 : y.smaxL
  const topH = strict && y.smaxL === 0 ? (y.smaxH - 1) | 0 : y.smaxH
  const bottomL = strict ? (x.sminL + 1) | 0 : x.sminL
  const bottomH = strict && x.sminL === -1 ? (x.sminH + 1) | 0 : x.sminH
  if (slt(topL, topH, x.smaxL, x.smaxH)) {
    x.smaxL = topL
    x.smaxH = topH
  }
  if (slt(y.sminL, y.sminH, bottomL, bottomH)) {
    y.sminL = bottomL
    y.sminH = bottomH
  }
}
