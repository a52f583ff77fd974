// Format strings of BPF programs (bpf_bprintf_prepare and bstr_printf): what they may hold, and the text they make.
//
//   %% %c                  %s (user or kernel address)  %pks %pus (kernel, user)     flags 0 + - and space, a width
//   %d %i %u %x %X         with l or ll for 64 bits      %p (hashed)  %px %pK          %ps %pS %pB (symbols)
//   %pi4 %pI4 %pi6 %pI6    addresses read from kernel memory
//
// Anything else, and more conversions than values, is -EINVAL.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE, TEXT_HI } from '../../base/memory.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import { TEXT_BYTES } from '../../kernel-sim/trace/function.ts'

const CONVERSION = /^%([0+\- ]*)([1-9]\d*)?(%|c|s|pks|pus|p[iI][46]|p[xKsSB]|p|l{0,2}[diuxX])/
/** What may follow %s and %p: nothing, white space or punctuation. */
const MAY_FOLLOW = /^($|[\s!-/:-@[-`{-~])/
const MAX_STRING = 512

export class Formatter {
  readonly #kernel: Kernel
  /** Key of the hash that %p shows instead of addresses. */
  readonly #hashKey: number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#hashKey = kernel.rng('printk').u32()
  }

  /** The text of the format at an offset, of at most `size` bytes with its NUL; -EINVAL for one that is not allowed. */
  format(at: number, size: number, values: readonly bigint[]): string | number {
    const { mem } = this.#kernel
    const format = mem.cstring(at, Math.min(size, mem.sizeBytes - at))
    if (format.length === size || !/^[\t-\r -~]*$/.test(format)) return -ERRNO.EINVAL
    let text = ''
    let used = 0
    for (let i = 0; i < format.length; ) {
      if (format[i] !== '%') {
        text += format[i++]
        continue
      }
      const rest = format.slice(i)
      const match = CONVERSION.exec(rest)
      if (!match) return -ERRNO.EINVAL
      const [whole, flags = '', width = '0', kind = ''] = match
      i += whole.length
      if (kind === '%') {
        text += '%'
        continue
      }
      if (used >= values.length) return -ERRNO.EINVAL
      if ((kind === 's' || kind === 'p') && !MAY_FOLLOW.test(format.slice(i))) return -ERRNO.EINVAL
      text += pad(this.#convert(kind, flags, values[used++]!), flags, Number(width), kind)
    }
    return text
  }

  #convert(kind: string, flags: string, value: bigint): string {
    const wide = kind.startsWith('l')
    switch (kind.replace(/^l+/, '')) {
      case 'd':
      case 'i': {
        const signed = BigInt.asIntN(wide ? 64 : 32, value)
        const sign = signed < 0n ? '' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
        return sign + signed
      }
      case 'u':
        return String(BigInt.asUintN(wide ? 64 : 32, value))
      case 'x':
        return BigInt.asUintN(wide ? 64 : 32, value).toString(16)
      case 'X':
        return BigInt.asUintN(wide ? 64 : 32, value)
          .toString(16)
          .toUpperCase()
      case 'c':
        return String.fromCharCode(Number(value & 0xffn))
      case 's':
      case 'pks':
      case 'pus':
        return this.#string(kind, value)
      case 'px':
      case 'pK':
        return value.toString(16).padStart(16, '0')
      case 'p':
        return this.#hashed(value)
      case 'ps':
      case 'pS':
      case 'pB':
        return this.#symbol(kind, value)
      default:
        return this.#address(kind, value)
    }
  }

  /** A string that cannot be read is empty. */
  #string(kind: string, value: bigint): string {
    const { mem, current } = this.#kernel
    const lo = Number(BigInt.asIntN(32, value))
    const hi = Number(BigInt.asIntN(32, value >> 32n))
    const isUser = hi >= 0 && hi <= 0x7fff
    if (isUser ? kind === 'pks' : kind === 'pus') return ''
    if (!isUser) return mem.translate(lo, hi, 1) < 0 ? '' : mem.cstring(lo >>> 0, MAX_STRING - 1)
    const bytes = new Uint8Array(MAX_STRING - 1)
    let length = 0
    while (length < bytes.length) {
      const address = Number(value) + length
      const count = Math.min(bytes.length - length, PAGE_SIZE - (address % PAGE_SIZE))
      if (current.mm?.read(address, bytes, length, count, false) !== 0) return ''
      const end = bytes.indexOf(0, length)
      if (end >= 0 && end < length + count) return String.fromCharCode(...bytes.subarray(0, end))
      length += count
    }
    return String.fromCharCode(...bytes)
  }

  /** %p shows no address: 32 bits that stand for it. */
  #hashed(value: bigint): string {
    if (value === 0n) return '(null)'.padStart(16)
    let hash = this.#hashKey
    for (const word of [Number(value & 0xffffffffn), Number(value >> 32n)]) {
      hash = Math.imul(hash ^ word, 0x85ebca6b)
      hash ^= hash >>> 13
      hash = Math.imul(hash, 0xc2b2ae35)
      hash ^= hash >>> 16
    }
    return (hash >>> 0).toString(16).padStart(16, '0')
  }

  /** %ps name; %pS and %pB name+offset/size. Addresses that are no kernel text are shown as they are. */
  #symbol(kind: string, value: bigint): string {
    const isText = Number(BigInt.asIntN(32, value >> 32n)) === TEXT_HI
    const found = isText ? this.#kernel.functions.symbolAt(Number(BigInt.asIntN(32, value))) : undefined
    if (!found) return `0x${value.toString(16)}`
    if (kind === 'ps') return found.name
    return `${found.name}+0x${found.offset.toString(16)}/0x${TEXT_BYTES.toString(16)}`
  }

  /** %pI4 127.0.0.1, %pi4 127.000.000.001, %pI6 and %pi6 with and without colons; zeros when the bytes cannot be read. */
  #address(kind: string, value: bigint): string {
    const { mem } = this.#kernel
    const bytes = kind.endsWith('4') ? 4 : 16
    const at = mem.translate(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), bytes)
    const raw = at < 0 ? new Uint8Array(bytes) : mem.bytes(at, bytes)
    if (bytes === 4) {
      const parts = Array.from(raw, String)
      return (kind === 'pi4' ? parts.map((part) => part.padStart(3, '0')) : parts).join('.')
    }
    const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return kind === 'pi6' ? hex : hex.match(/.{4}/g)!.join(':')
  }
}

function pad(text: string, flags: string, width: number, kind: string): string {
  if (text.length >= width) return text
  if (flags.includes('-')) return text.padEnd(width)
  const isNumber = /[diuxX]$/.test(kind)
  if (!flags.includes('0') || !isNumber) return text.padStart(width)
  const sign = /^[+\- ]/.exec(text)?.[0] ?? ''
  return sign + text.slice(sign.length).padStart(width - sign.length, '0')
}
