// What is known of a value's upper half, as one small number. While it is known, 32 bits hold the value.
//
//   0 .. 64    an unsigned value below 2^n (64: nothing is known)
//   KERNEL     a direct-map address: its upper half is KERNEL_HI
//   OR_NULL    a direct-map address or 0
//   SIGNED     the sign extension of its low half

import { KERNEL_HI } from '../../base/memory.ts'

export type Kind = number
export const UNKNOWN: Kind = 64
export const KERNEL: Kind = 70
export const OR_NULL: Kind = 71
export const SIGNED: Kind = 72
/** No definition seen yet. */
export const UNSET: Kind = -1

/** The low half tells the upper one. */
export const isNarrow = (kind: Kind): boolean => kind <= 32 || kind >= KERNEL
const isPlain = (kind: Kind): boolean => kind <= 64

/** Bits of the low half that may be set. */
export const lowBits = (kind: Kind): number => (isPlain(kind) ? Math.min(kind, 32) : 32)

export function join(a: Kind, b: Kind): Kind {
  if (a === b || b === UNSET) return a
  if (a === UNSET) return b
  if (isPlain(a) && isPlain(b)) return Math.max(a, b)
  if ((a === 0 || isPointer(a)) && (b === 0 || isPointer(b))) return OR_NULL
  return (a === SIGNED && b <= 31) || (b === SIGNED && a <= 31) ? SIGNED : UNKNOWN
}

export const isPointer = (kind: Kind): boolean => kind === KERNEL || kind === OR_NULL

export function kindOfConstant(lo: number, hi: number): Kind {
  if (hi === 0) return 32 - Math.clz32(lo)
  if (hi === -1 && lo < 0) return SIGNED
  if (hi === KERNEL_HI && lo >= 0) return KERNEL
  return 64 - Math.clz32(hi)
}

/** How a 64-bit comparison may be made: of the low halves (unsigned, or as the operation says), or of the whole values. */
export function comparison(
  a: Kind,
  b: Kind,
  isEquality: boolean,
  isSigned: boolean,
): 'unsigned32' | 'same32' | 'whole' {
  if (a <= 32 && b <= 32) return 'unsigned32'
  const signedLike = (kind: Kind): boolean => kind === SIGNED || kind <= 31
  if (signedLike(a) && signedLike(b)) return 'same32'
  if (isSigned && !isEquality) return 'whole'
  const pointerLike = (kind: Kind): boolean => kind === 0 || isPointer(kind)
  return pointerLike(a) && pointerLike(b) ? 'unsigned32' : 'whole'
}

/** Kind of `a op b` for the 64-bit operations; `shift` is a constant shift, or -1. `divisor`: b is a constant that is not 0. */
export function aluKind(op: string, a: Kind, b: Kind, shift: number, divisor: boolean, isSigned: boolean): Kind {
  const plain = isPlain(a) && isPlain(b)
  switch (op) {
    case 'add':
      if (a === KERNEL || b === KERNEL) return a === b ? UNKNOWN : KERNEL
      return plain ? Math.min(64, a === 0 ? b : b === 0 ? a : Math.max(a, b) + 1) : UNKNOWN
    case 'sub':
      return a === KERNEL && !isPointer(b) ? KERNEL : UNKNOWN
    case 'mul':
      return plain ? Math.min(64, a + b) : UNKNOWN
    case 'div':
      return isSigned || !isPlain(a) ? UNKNOWN : a
    case 'mod':
      if (isSigned || !isPlain(a)) return UNKNOWN
      return divisor && isPlain(b) ? Math.min(a, b) : a
    case 'or':
    case 'xor':
      return plain ? Math.max(a, b) : UNKNOWN
    case 'and':
      return Math.min(isPlain(a) ? a : 64, isPlain(b) ? b : 64)
    case 'lsh':
      return shift >= 0 && isPlain(a) ? (a === 0 ? 0 : Math.min(64, a + shift)) : UNKNOWN
    case 'rsh':
      if (!isPlain(a)) return shift >= 0 ? 64 - shift : UNKNOWN
      return shift >= 0 ? Math.max(0, a - shift) : a
    case 'arsh':
      if (a === SIGNED) return shift >= 0 ? SIGNED : UNKNOWN
      return a < 64 ? (shift >= 0 ? Math.max(0, a - shift) : a) : UNKNOWN
    default:
      return UNKNOWN
  }
}

/** Kind of the 32-bit operations' results, whose upper half is 0. */
export function alu32Kind(op: string, a: Kind, b: Kind, shift: number, divisor: boolean, isSigned: boolean): Kind {
  if (op === 'sub' || op === 'arsh' || isSigned) return 32
  return Math.min(32, aluKind(op, lowBits(a), lowBits(b), shift, divisor, false))
}
