// Helpers on byte strings in kernel memory: numbers read from text, comparison.

import { ERRNO } from '../../../base/errno.ts'
import type { KernelMemory } from '../../../base/memory.ts'
import type { Machine } from '../../machine.ts'
import { type BoundHelper, flagsOf } from './bound.ts'

const { EINVAL, ERANGE } = ERRNO
/** Digits that Linux looks at, sign and spaces not counted. */
const MAX_DIGITS = 63
const U64_MAX = (1n << 64n) - 1n
const S64_MAX = (1n << 63n) - 1n

interface Parsed {
  readonly magnitude: bigint
  readonly negative: boolean
  /** Bytes read. */
  readonly consumed: number
}

export function stringHelpers(machine: Machine): readonly BoundHelper[] {
  const { mem } = machine
  return [
    {
      id: 105,
      name: 'strtol',
      takes: ['ptr', 'u32', 'u64', 'ptr'],
      gives: 's32',
      run: (text, length, lo, hi, out) => {
        const parsed = parse(mem, text, length, flagsOf(lo, hi))
        if (typeof parsed === 'number') return parsed
        if (parsed.magnitude > S64_MAX + (parsed.negative ? 1n : 0n)) return -ERANGE
        mem.dv.setBigInt64(out, parsed.negative ? -parsed.magnitude : parsed.magnitude, true)
        return parsed.consumed
      },
    },
    {
      id: 106,
      name: 'strtoul',
      takes: ['ptr', 'u32', 'u64', 'ptr'],
      gives: 's32',
      run: (text, length, lo, hi, out) => {
        const parsed = parse(mem, text, length, flagsOf(lo, hi))
        if (typeof parsed === 'number') return parsed
        if (parsed.negative) return -EINVAL
        mem.dv.setBigUint64(out, parsed.magnitude, true)
        return parsed.consumed
      },
    },
    {
      id: 182,
      name: 'strncmp',
      takes: ['ptr', 'u32', 'ptr'],
      gives: 's32',
      run: (a, length, b) => {
        for (let i = 0; i < length; i++) {
          const difference = mem.u8[a + i]! - mem.u8[b + i]!
          if (difference !== 0) return Math.sign(difference)
          if (mem.u8[a + i] === 0) break
        }
        return 0
      },
    },
  ]
}

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 9 && byte <= 13) || byte === 0xa0

/** Value of a digit in any base, 99 for another character. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : 99
}

/** Spaces, a minus sign, `0x` or `0` where the base (low five bits of `flags`) allows or asks for it, digits. */
function parse(mem: KernelMemory, text: number, length: number, flags: number): Parsed | number {
  if (length === 0 || ![0, 8, 10, 16].includes(flags)) return -EINVAL
  const end = text + length
  let at = text
  while (at < end && isSpace(mem.u8[at]!)) at++
  const negative = at < end && mem.u8[at] === 0x2d
  if (negative) at++
  if (at === end) return -EINVAL
  const limit = Math.min(end, at + MAX_DIGITS)
  const byte = (i: number): number => (i < limit ? mem.u8[i]! : 0)
  const prefixed = byte(at) === 0x30 && (byte(at + 1) | 0x20) === 0x78
  let base = flags
  if (base === 0) base = byte(at) !== 0x30 ? 10 : prefixed && digitOf(byte(at + 2)) < 16 ? 16 : 8
  if (base === 16 && prefixed) at += 2
  const first = at
  let magnitude = 0n
  for (; digitOf(byte(at)) < base; at++) magnitude = magnitude * BigInt(base) + BigInt(digitOf(byte(at)))
  if (magnitude > U64_MAX) return -ERANGE
  return at === first ? -EINVAL : { magnitude, negative, consumed: at - text }
}
