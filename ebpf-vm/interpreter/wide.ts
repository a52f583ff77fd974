// 64-bit multiplication, division and remainder on halves, as BPF defines them. Results go to r[d] (low) and r[d + 1] (high).

const TWO_32 = 0x1_0000_0000

const big = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

function storeBig(r: Int32Array, d: number, value: bigint): void {
  r[d] = Number(value & 0xffffffffn) | 0
  r[d + 1] = Number((value >> 32n) & 0xffffffffn) | 0
}

/** The low 64 bits of the product. */
export function mul64(r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  const a0 = alo & 0xffff
  const a1 = alo >>> 16
  const b0 = blo & 0xffff
  const b1 = blo >>> 16
  // Partial products of 16-bit pieces: each sum below stays under 2^32.
  const low = Math.imul(a0, b0) >>> 0
  const mid = (Math.imul(a1, b0) >>> 0) + (low >>> 16)
  const cross = (Math.imul(a0, b1) >>> 0) + (mid & 0xffff)
  const high = (Math.imul(a1, b1) >>> 0) + (mid >>> 16) + (cross >>> 16)
  r[d] = Math.imul(alo, blo)
  r[d + 1] = high + Math.imul(alo, bhi) + Math.imul(ahi, blo)
}

/** Unsigned quotient; 0 when the divisor is 0. */
export function div64(r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  if ((blo | bhi) === 0) {
    r[d] = 0
    r[d + 1] = 0
  } else if ((ahi | bhi) === 0) {
    r[d] = (alo >>> 0) / (blo >>> 0)
    r[d + 1] = 0
  } else if ((ahi | bhi) >>> 21 === 0) {
    // Both below 2^53: doubles hold them, and a - a % b is an exact multiple of b.
    const a = ahi * TWO_32 + (alo >>> 0)
    const b = bhi * TWO_32 + (blo >>> 0)
    const quotient = (a - (a % b)) / b
    r[d] = quotient
    r[d + 1] = quotient / TWO_32
  } else {
    storeBig(r, d, big(alo, ahi) / big(blo, bhi))
  }
}

/** Unsigned remainder; the dividend itself when the divisor is 0. */
export function mod64(r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  if ((blo | bhi) === 0) {
    r[d] = alo
    r[d + 1] = ahi
  } else if ((ahi | bhi) === 0) {
    r[d] = (alo >>> 0) % (blo >>> 0)
    r[d + 1] = 0
  } else if ((ahi | bhi) >>> 21 === 0) {
    const rest = (ahi * TWO_32 + (alo >>> 0)) % (bhi * TWO_32 + (blo >>> 0))
    r[d] = rest
    r[d + 1] = rest / TWO_32
  } else {
    storeBig(r, d, big(alo, ahi) % big(blo, bhi))
  }
}

function negate(r: Int32Array, d: number): void {
  const lo = r[d]!
  r[d] = -lo
  r[d + 1] = ~r[d + 1]! + (lo === 0 ? 1 : 0)
}

type Unsigned = typeof div64

/** `unsigned` applied to the magnitudes of both operands. The magnitude of INT64_MIN, 2^63, is right as an unsigned number. */
function onMagnitudes(f: Unsigned, r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  const a0 = ahi < 0 ? -alo | 0 : alo
  const a1 = ahi < 0 ? (~ahi + (alo === 0 ? 1 : 0)) | 0 : ahi
  const b0 = bhi < 0 ? -blo | 0 : blo
  const b1 = bhi < 0 ? (~bhi + (blo === 0 ? 1 : 0)) | 0 : bhi
  f(r, d, a0, a1, b0, b1)
}

/** Signed quotient, towards zero; INT64_MIN / -1 is INT64_MIN. */
export function sdiv64(r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  onMagnitudes(div64, r, d, alo, ahi, blo, bhi)
  if ((ahi ^ bhi) < 0) negate(r, d)
}

/** Signed remainder, with the dividend's sign. */
export function smod64(r: Int32Array, d: number, alo: number, ahi: number, blo: number, bhi: number): void {
  onMagnitudes(mod64, r, d, alo, ahi, blo, bhi)
  if (ahi < 0) negate(r, d)
}
