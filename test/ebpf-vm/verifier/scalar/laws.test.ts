// Laws of the domains: whatever values the operands have within what is known of them, the result is within what is computed.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { alu } from '../../../../ebpf-vm/verifier/scalar/alu.ts'
import { outcome, refineFallThrough, refineTaken, type Test } from '../../../../ebpf-vm/verifier/scalar/branch.ts'
import * as S from '../../../../ebpf-vm/verifier/scalar/scalar.ts'
import * as T from '../../../../ebpf-vm/verifier/scalar/tnum.ts'

const MASK = (1n << 64n) - 1n
const low = (v: bigint): number => Number(BigInt.asIntN(32, v))
const high = (v: bigint): number => Number(BigInt.asIntN(32, v >> 32n))
const wide = (L: number, H: number): bigint => (BigInt(H >>> 0) << 32n) | BigInt(L >>> 0)
const signed = (v: bigint): bigint => BigInt.asIntN(64, v)

/** Whether `v` (a u64) is one of the values that `s` describes. */
function has(s: S.Scalar, v: bigint): boolean {
  const w = BigInt.asUintN(32, v)
  const sw = BigInt.asIntN(32, v)
  return (
    v >= wide(s.uminL, s.uminH) &&
    v <= wide(s.umaxL, s.umaxH) &&
    signed(v) >= signed(wide(s.sminL, s.sminH)) &&
    signed(v) <= signed(wide(s.smaxL, s.smaxH)) &&
    w >= BigInt(s.umin32 >>> 0) &&
    w <= BigInt(s.umax32 >>> 0) &&
    sw >= BigInt(s.smin32) &&
    sw <= BigInt(s.smax32) &&
    (v & ~wide(s.tnum.mL, s.tnum.mH) & MASK) === wide(s.tnum.vL, s.tnum.vH)
  )
}

/** Values near the edges, where mistakes live. */
const value = fc.oneof(
  fc.bigInt({ min: 0n, max: MASK }),
  fc.bigInt({ min: 0n, max: 40n }),
  fc.constantFrom(
    0n,
    1n,
    MASK,
    MASK - 1n,
    1n << 63n,
    (1n << 63n) - 1n,
    1n << 31n,
    (1n << 31n) - 1n,
    1n << 32n,
    0xffffffffn,
  ),
)
const bits = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: MASK }), fc.bigInt({ min: 0n, max: 0xffn }))

/** A scalar and a value that it describes. */
const member: fc.Arbitrary<{ s: S.Scalar; v: bigint }> = fc
  .tuple(value, bits, fc.constantFrom('known', 'bits', 'unsigned', 'signed', 'word', 'any'), value)
  .map(([v, mask, kind, other]) => {
    const s = S.fresh()
    if (kind === 'known') S.markKnown(s, low(v), high(v))
    else if (kind === 'bits') {
      const known = v & ~mask & MASK
      s.tnum = T.tnum(low(known), high(known), low(mask), high(mask))
    } else if (kind === 'unsigned') {
      const [min, max] = v < other ? [v, other] : [other, v]
      s.uminL = low(min)
      s.uminH = high(min)
      s.umaxL = low(max)
      s.umaxH = high(max)
    } else if (kind === 'signed') {
      const [min, max] = signed(v) < signed(other) ? [v, other] : [other, v]
      s.sminL = low(min)
      s.sminH = high(min)
      s.smaxL = low(max)
      s.smaxH = high(max)
    } else if (kind === 'word') {
      const [min, max] = BigInt.asUintN(32, v) < BigInt.asUintN(32, other) ? [v, other] : [other, v]
      s.umin32 = low(min)
      s.umax32 = low(max)
    }
    return { s: S.sync(s), v }
  })

const OPS = {
  add: (a: bigint, b: bigint) => a + b,
  sub: (a: bigint, b: bigint) => a - b,
  mul: (a: bigint, b: bigint) => a * b,
  and: (a: bigint, b: bigint) => a & b,
  or: (a: bigint, b: bigint) => a | b,
  xor: (a: bigint, b: bigint) => a ^ b,
  neg: (a: bigint) => -a,
} as const

const SHIFTS = {
  lsh: (a: bigint, n: bigint) => a << n,
  rsh: (a: bigint, n: bigint) => a >> n,
  arsh: (a: bigint, n: bigint, width: 32 | 64) => BigInt.asIntN(width, a) >> n,
} as const

const TESTS: Record<Test, (a: bigint, b: bigint, sa: bigint, sb: bigint) => boolean> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (_a, _b, a, b) => a > b,
  jsge: (_a, _b, a, b) => a >= b,
  jslt: (_a, _b, a, b) => a < b,
  jsle: (_a, _b, a, b) => a <= b,
  jset: (a, b) => (a & b) !== 0n,
}

describe('scalars', () => {
  test('what is synced still holds its value', () => {
    fc.assert(fc.property(member, ({ s, v }) => has(s, v)))
  })

  test.each(Object.keys(OPS) as (keyof typeof OPS)[])('%s holds every result', (name) => {
    fc.assert(
      fc.property(member, member, fc.boolean(), (a, b, is32) => {
        const exact = OPS[name](a.v, b.v)
        const result = BigInt.asUintN(is32 ? 32 : 64, exact)
        return has(alu(name, a.s, name === 'neg' ? a.s : b.s, is32), result)
      }),
      { numRuns: 300 },
    )
  })

  test.each(Object.keys(SHIFTS) as (keyof typeof SHIFTS)[])('%s holds every result', (name) => {
    fc.assert(
      fc.property(member, fc.nat(63), fc.boolean(), (a, n, is32) => {
        const width = is32 ? 32 : 64
        if (n >= width) return true
        const operand = BigInt.asUintN(width, a.v)
        const result = BigInt.asUintN(width, SHIFTS[name](operand, BigInt(n), width))
        return has(alu(name, a.s, S.knownInt(n), is32), result)
      }),
      { numRuns: 300 },
    )
  })

  test.each([1, 2, 4])('narrowing to %i bytes holds the value', (bytes) => {
    fc.assert(
      fc.property(member, ({ s, v }) => {
        const unsigned = S.coerce(S.copy(s), bytes)
        const extended = S.copy(s)
        S.signExtend64(extended, bytes)
        return (
          has(unsigned, BigInt.asUintN(bytes * 8, v)) && has(extended, BigInt.asUintN(64, BigInt.asIntN(bytes * 8, v)))
        )
      }),
    )
  })

  test.each(Object.keys(TESTS) as Test[])('%s: a decided jump is right, both ways keep their values', (name) => {
    fc.assert(
      fc.property(member, member, fc.boolean(), (a, b, is32) => {
        const width = is32 ? 32 : 64
        const x = BigInt.asUintN(width, a.v)
        const y = BigInt.asUintN(width, b.v)
        const taken = TESTS[name](x, y, BigInt.asIntN(width, x), BigInt.asIntN(width, y))
        const decided = outcome(a.s, b.s, name, is32)
        if (decided !== -1) return decided === (taken ? 1 : 0)
        const refined = taken ? refineTaken(a.s, b.s, name, is32) : refineFallThrough(a.s, b.s, name, is32)
        return has(refined.a, a.v) && has(refined.b, b.v)
      }),
      { numRuns: 300 },
    )
  })
})

describe('known bits', () => {
  const tnums = fc.tuple(value, bits).map(([v, mask]) => {
    const known = v & ~mask & MASK
    return { t: T.tnum(low(known), high(known), low(mask), high(mask)), v }
  })
  const holds = (t: T.Tnum, v: bigint): boolean => (v & ~wide(t.mL, t.mH) & MASK) === wide(t.vL, t.vH)

  test('union and intersection hold what they must', () => {
    fc.assert(
      fc.property(tnums, tnums, (a, b) => {
        expect(holds(T.join(a.t, b.t), a.v) && holds(T.join(a.t, b.t), b.v)).toBe(true)
        if (holds(b.t, a.v)) expect(T.overlap(a.t, b.t) && holds(T.intersect(a.t, b.t), a.v)).toBe(true)
      }),
    )
  })
})
