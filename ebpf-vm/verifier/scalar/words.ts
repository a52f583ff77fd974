// 64-bit arithmetic on two int32 halves (low, high). Every function takes halves in the order low, high and gives one half or a
// truth value, so that nothing is allocated: a result of 64 bits is computed as two calls.

export const INT_MIN = -0x80000000
export const INT_MAX = 0x7fffffff

/** Unsigned a < b. */
export function ult(aL: number, aH: number, bL: number, bH: number): boolean {
  return aH === bH ? aL >>> 0 < bL >>> 0 : aH >>> 0 < bH >>> 0
}

/** Signed a < b. */
export function slt(aL: number, aH: number, bL: number, bH: number): boolean {
  return aH === bH ? aL >>> 0 < bL >>> 0 : aH < bH
}

/** Unsigned a < b of 32-bit words held as int32. */
export function ult32(a: number, b: number): boolean {
  return a >>> 0 < b >>> 0
}

export function umin32(a: number, b: number): number {
  return a >>> 0 < b >>> 0 ? a : b
}

export function umax32(a: number, b: number): number {
  return a >>> 0 < b >>> 0 ? b : a
}

/** High half of a + b; the low half is (aL + bL) | 0. */
export function addH(aL: number, aH: number, bL: number, bH: number): number {
  return (aH + bH + (((aL + bL) | 0) >>> 0 < aL >>> 0 ? 1 : 0)) | 0
}

/** High half of a - b; the low half is (aL - bL) | 0. */
export function subH(aL: number, aH: number, bL: number, bH: number): number {
  return (aH - bH - (aL >>> 0 < bL >>> 0 ? 1 : 0)) | 0
}

/** Low half of a << n, 0 <= n < 64. */
export function shlL(aL: number, n: number): number {
  return n >= 32 ? 0 : aL << n
}

export function shlH(aL: number, aH: number, n: number): number {
  if (n === 0) return aH
  return n >= 32 ? aL << (n - 32) : (aH << n) | (aL >>> (32 - n))
}

export function shrL(aL: number, aH: number, n: number): number {
  if (n === 0) return aL
  return n >= 32 ? (aH >>> (n - 32)) | 0 : (aL >>> n) | (aH << (32 - n))
}

export function shrH(aH: number, n: number): number {
  return n >= 32 ? 0 : (aH >>> n) | 0
}

export function sarL(aL: number, aH: number, n: number): number {
  if (n === 0) return aL
  return n >= 32 ? aH >> (n - 32) : (aL >>> n) | (aH << (32 - n))
}

export function sarH(aH: number, n: number): number {
  return n >= 32 ? aH >> 31 : aH >> n
}

/** High word of the 64-bit product of two unsigned 32-bit words. */
export function mulhu(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const low = a0 * b0
  const mid = a1 * b0 + (low >>> 16)
  const mid2 = a0 * b1 + (mid % 0x10000)
  return (a1 * b1 + Math.floor(mid / 0x10000) + Math.floor(mid2 / 0x10000)) | 0
}

/** High half of the low 64 bits of a * b; the low half is Math.imul(aL, bL). */
export function mulH(aL: number, aH: number, bL: number, bH: number): number {
  return (mulhu(aL, bL) + Math.imul(aL, bH) + Math.imul(aH, bL)) | 0
}

/** Number of the highest bit set, from 1; 0 for 0. */
export function fls(aL: number, aH: number): number {
  return aH !== 0 ? 64 - Math.clz32(aH) : 32 - Math.clz32(aL)
}

/** A 64-bit signed value as a number; exact within 2^53, nearest beyond. */
export function toNumber(aL: number, aH: number): number {
  return aH * 0x1_0000_0000 + (aL >>> 0)
}

/** The same, unsigned. */
export function toUnsigned(aL: number, aH: number): number {
  return (aH >>> 0) * 0x1_0000_0000 + (aL >>> 0)
}

/** Whether signed a + b overflows 64 bits, given the high halves of a, b and of the sum. */
export function addOverflows(aH: number, bH: number, sumH: number): boolean {
  return ((aH ^ sumH) & (bH ^ sumH)) < 0
}

/** Whether signed a - b overflows 64 bits, given the high halves of a, b and of the difference. */
export function subOverflows(aH: number, bH: number, differenceH: number): boolean {
  return ((aH ^ bH) & (aH ^ differenceH)) < 0
}

/** Unsigned 64-bit value as `0x1f`. */
export function hex(aL: number, aH: number): string {
  if (aH === 0) return '0x' + (aL >>> 0).toString(16)
  return '0x' + (aH >>> 0).toString(16) + (aL >>> 0).toString(16).padStart(8, '0')
}

/** Unsigned decimal. For messages. */
export function decimal(aL: number, aH: number): string {
  if (aH >>> 0 < 0x20_0000) return String(toUnsigned(aL, aH))
  return ((BigInt(aH >>> 0) << 32n) | BigInt(aL >>> 0)).toString()
}

/** Signed decimal. For messages. */
export function signedDecimal(aL: number, aH: number): string {
  if (aH < 0x20_0000 && aH >= -0x20_0000) return String(toNumber(aL, aH))
  return ((BigInt(aH) << 32n) | BigInt(aL >>> 0)).toString()
}
