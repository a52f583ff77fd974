// Arithmetic, one short function per operation and width. `d` and `s` are indices of the low halves of both operands.

import type { AluOp, FormOf } from '../isa/forms.ts'
import type { Step } from './step.ts'
import { div64, mod64, mul64, sdiv64, smod64 } from './wide.ts'

type Binary = (d: number, s: number, next: number) => Step

export const ALU64: Record<AluOp, Binary> = {
  add: (d, s, next) => (r) => {
    const a = r[d]!
    const sum = (a + r[s]!) | 0
    // Carry first: `s` may be `d`.
    r[d + 1] = r[d + 1]! + r[s + 1]! + (sum >>> 0 < a >>> 0 ? 1 : 0)
    r[d] = sum
    return next
  },
  sub: (d, s, next) => (r) => {
    const a = r[d]!
    const b = r[s]!
    r[d + 1] = r[d + 1]! - r[s + 1]! - (a >>> 0 < b >>> 0 ? 1 : 0)
    r[d] = a - b
    return next
  },
  mul: (d, s, next) => (r) => {
    mul64(r, d, r[d]!, r[d + 1]!, r[s]!, r[s + 1]!)
    return next
  },
  div: (d, s, next) => (r) => {
    div64(r, d, r[d]!, r[d + 1]!, r[s]!, r[s + 1]!)
    return next
  },
  mod: (d, s, next) => (r) => {
    mod64(r, d, r[d]!, r[d + 1]!, r[s]!, r[s + 1]!)
    return next
  },
  or: (d, s, next) => (r) => {
    r[d] = r[d]! | r[s]!
    r[d + 1] = r[d + 1]! | r[s + 1]!
    return next
  },
  and: (d, s, next) => (r) => {
    r[d] = r[d]! & r[s]!
    r[d + 1] = r[d + 1]! & r[s + 1]!
    return next
  },
  xor: (d, s, next) => (r) => {
    r[d] = r[d]! ^ r[s]!
    r[d + 1] = r[d + 1]! ^ r[s + 1]!
    return next
  },
  lsh: (d, s, next) => (r) => {
    const n = r[s]! & 63
    const lo = r[d]!
    if (n >= 32) {
      r[d + 1] = lo << n
      r[d] = 0
    } else if (n > 0) {
      r[d + 1] = (r[d + 1]! << n) | (lo >>> (32 - n))
      r[d] = lo << n
    }
    return next
  },
  rsh: (d, s, next) => (r) => {
    const n = r[s]! & 63
    const hi = r[d + 1]!
    if (n >= 32) {
      r[d] = hi >>> n
      r[d + 1] = 0
    } else if (n > 0) {
      r[d] = (r[d]! >>> n) | (hi << (32 - n))
      r[d + 1] = hi >>> n
    }
    return next
  },
  arsh: (d, s, next) => (r) => {
    const n = r[s]! & 63
    const hi = r[d + 1]!
    if (n >= 32) {
      r[d] = hi >> n
      r[d + 1] = hi >> 31
    } else if (n > 0) {
      r[d] = (r[d]! >>> n) | (hi << (32 - n))
      r[d + 1] = hi >> n
    }
    return next
  },
}

/** Each clears the upper half: `r[d + 1] = 0`. */
export const ALU32: Record<AluOp, Binary> = {
  add: (d, s, next) => (r) => {
    r[d] = r[d]! + r[s]!
    r[d + 1] = 0
    return next
  },
  sub: (d, s, next) => (r) => {
    r[d] = r[d]! - r[s]!
    r[d + 1] = 0
    return next
  },
  mul: (d, s, next) => (r) => {
    r[d] = Math.imul(r[d]!, r[s]!)
    r[d + 1] = 0
    return next
  },
  div: (d, s, next) => (r) => {
    const b = r[s]! >>> 0
    r[d] = b === 0 ? 0 : (r[d]! >>> 0) / b
    r[d + 1] = 0
    return next
  },
  mod: (d, s, next) => (r) => {
    const b = r[s]! >>> 0
    if (b !== 0) r[d] = (r[d]! >>> 0) % b
    r[d + 1] = 0
    return next
  },
  or: (d, s, next) => (r) => {
    r[d] = r[d]! | r[s]!
    r[d + 1] = 0
    return next
  },
  and: (d, s, next) => (r) => {
    r[d] = r[d]! & r[s]!
    r[d + 1] = 0
    return next
  },
  xor: (d, s, next) => (r) => {
    r[d] = r[d]! ^ r[s]!
    r[d + 1] = 0
    return next
  },
  // JavaScript shifts by the low five bits, as BPF does.
  lsh: (d, s, next) => (r) => {
    r[d] = r[d]! << r[s]!
    r[d + 1] = 0
    return next
  },
  rsh: (d, s, next) => (r) => {
    r[d] = r[d]! >>> r[s]!
    r[d + 1] = 0
    return next
  },
  arsh: (d, s, next) => (r) => {
    r[d] = r[d]! >> r[s]!
    r[d + 1] = 0
    return next
  },
}

export const SIGNED64: Record<'div' | 'mod', Binary> = {
  div: (d, s, next) => (r) => {
    sdiv64(r, d, r[d]!, r[d + 1]!, r[s]!, r[s + 1]!)
    return next
  },
  mod: (d, s, next) => (r) => {
    smod64(r, d, r[d]!, r[d + 1]!, r[s]!, r[s + 1]!)
    return next
  },
}

export const SIGNED32: Record<'div' | 'mod', Binary> = {
  div: (d, s, next) => (r) => {
    const b = r[s]!
    r[d] = b === 0 ? 0 : r[d]! / b
    r[d + 1] = 0
    return next
  },
  mod: (d, s, next) => (r) => {
    const b = r[s]!
    if (b !== 0) r[d] = r[d]! % b
    r[d + 1] = 0
    return next
  },
}

export const MOV: Record<32 | 64, Binary> = {
  64: (d, s, next) => (r) => {
    r[d] = r[s]!
    r[d + 1] = r[s + 1]!
    return next
  },
  32: (d, s, next) => (r) => {
    r[d] = r[s]!
    r[d + 1] = 0
    return next
  },
}

export function movsx({ bits, width }: FormOf<'movsx'>, d: number, s: number, next: number): Step {
  const shift = 32 - bits
  return width === 64
    ? (r) => {
        const value = (r[s]! << shift) >> shift
        r[d] = value
        r[d + 1] = value >> 31
        return next
      }
    : (r) => {
        r[d] = (r[s]! << shift) >> shift
        r[d + 1] = 0
        return next
      }
}

export const NEG: Record<32 | 64, (d: number, next: number) => Step> = {
  64: (d, next) => (r) => {
    const lo = r[d]!
    r[d + 1] = ~r[d + 1]! + (lo === 0 ? 1 : 0)
    r[d] = -lo
    return next
  },
  32: (d, next) => (r) => {
    r[d] = -r[d]!
    r[d + 1] = 0
    return next
  },
}

const swap16 = (x: number): number => ((x & 0xff) << 8) | ((x >>> 8) & 0xff)
const swap32 = (x: number): number => (swap16(x) << 16) | swap16(x >>> 16)

const SWAP: Record<16 | 32 | 64, (d: number, next: number) => Step> = {
  16: (d, next) => (r) => {
    r[d] = swap16(r[d]!)
    r[d + 1] = 0
    return next
  },
  32: (d, next) => (r) => {
    r[d] = swap32(r[d]!)
    r[d + 1] = 0
    return next
  },
  64: (d, next) => (r) => {
    const lo = r[d]!
    r[d] = swap32(r[d + 1]!)
    r[d + 1] = swap32(lo)
    return next
  },
}

/** The machine is little-endian: converting to that order only truncates. */
const TRUNCATE: Record<16 | 32 | 64, (d: number, next: number) => Step> = {
  16: (d, next) => (r) => {
    r[d] = r[d]! & 0xffff
    r[d + 1] = 0
    return next
  },
  32: (d, next) => (r) => {
    r[d + 1] = 0
    return next
  },
  64: (_, next) => () => next,
}

export const END: Record<FormOf<'end'>['order'], typeof SWAP> = { le: TRUNCATE, be: SWAP, swap: SWAP }
