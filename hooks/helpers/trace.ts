// Formatted text: trace_printk and its like to the trace pipe, snprintf into memory. What format strings may say is in printf.ts.

import { ERRNO } from '../../base/errno.ts'
import type { HelperFamily } from './family.ts'
import { Formatter } from './printf.ts'

const MAX_ARGUMENTS = 12
/** Bytes of one line, its NUL included (MAX_BPRINTF_BUF). */
const MAX_LINE = 1024

export const traceHelpers: HelperFamily = ({ kernel, tracePipe }) => {
  const { mem } = kernel
  const formatter = new Formatter(kernel)

  /** The u64 values of an array of `bytes`; undefined when the array cannot be one. */
  const values = (at: number, bytes: number): bigint[] | undefined => {
    if (bytes % 8 || bytes > MAX_ARGUMENTS * 8 || (bytes > 0 && at === 0)) return undefined
    return Array.from({ length: bytes / 8 }, (_, i) => mem.readU64(at + i * 8))
  }
  const print = (format: number, size: number, args: readonly bigint[]): number => {
    const text = formatter.format(format, size, args)
    if (typeof text === 'number') return text
    tracePipe.printk(text.slice(0, MAX_LINE - 1))
    return text.length
  }
  const wide = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

  return [
    {
      id: 6,
      name: 'trace_printk',
      takes: ['ptr', 'u32', 'u64', 'u64', 'u64'],
      gives: 's32',
      run: (format, size, a, aHi, b, bHi, c, cHi) =>
        print(format, size >>> 0, [wide(a, aHi), wide(b, bHi), wide(c, cHi)]),
    },
    {
      id: 177,
      name: 'trace_vprintk',
      takes: ['ptr', 'u32', 'ptr', 'u32'],
      gives: 's32',
      run: (format, size, data, bytes) => {
        const args = values(data, bytes >>> 0)
        return args ? print(format, size >>> 0, args) : -ERRNO.EINVAL
      },
    },
    {
      id: 165,
      name: 'snprintf',
      takes: ['ptr', 'u32', 'ptr', 'ptr', 'u32'],
      gives: 's32',
      run: (to, size, format, data, bytes) => {
        const args = values(data, bytes >>> 0)
        if (!args) return -ERRNO.EINVAL
        const text = formatter.format(format, 0x7fffffff, args)
        if (typeof text === 'number') return text
        if (size > 0) {
          const length = Math.min(text.length, size - 1)
          for (let i = 0; i < length; i++) mem.u8[to + i] = text.charCodeAt(i)
          mem.u8[to + length] = 0
        }
        return text.length + 1
      },
    },
  ]
}
