// Physical memory of one simulated machine: a WebAssembly.Memory that is reserved once and never grown, so that views stay valid.
// An *offset* is a byte position in it, a non-negative int32. A kernel *address* of the direct map is KERNEL_BASE + offset, so its
// low word is the offset and its high word is KERNEL_HI. The first page is never mapped: a null pointer never reads anything.

import { InternalError } from './errors.ts'

/** High word (int32) of every direct-map address: 0xffff8880_00000000 + offset. */
export const KERNEL_HI = 0xffff8880 | 0
/** High word (int32) of kernel text addresses, 0xffffffff_81000000 and up. They are never dereferenced. */
export const TEXT_HI = -1
export const KERNEL_BASE = 0xffff888000000000n
export const PAGE_SIZE = 4096

export const DEFAULT_MEMORY_BYTES = 1 << 30
const WASM_PAGE = 65536

export class KernelMemory {
  readonly wasm: WebAssembly.Memory
  readonly sizeBytes: number
  readonly buffer: ArrayBuffer
  readonly dv: DataView
  readonly u8: Uint8Array
  /** Views by element size; index them with `offset >> 2` (or `>> 3`) of an aligned offset. */
  readonly i32: Int32Array
  readonly u32: Uint32Array

  /** `sizeBytes` is rounded up to 64 KiB; at most 2 GiB - 64 KiB so that every offset is a non-negative int32. */
  constructor(sizeBytes: number = DEFAULT_MEMORY_BYTES) {
    const pages = Math.ceil(sizeBytes / WASM_PAGE)
    if (pages < 16 || pages > 32767) throw new InternalError(`kernel memory of ${sizeBytes} bytes`)
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.sizeBytes = pages * WASM_PAGE
    this.buffer = this.wasm.buffer as ArrayBuffer
    this.dv = new DataView(this.buffer)
    this.u8 = new Uint8Array(this.buffer)
    this.i32 = new Int32Array(this.buffer)
    this.u32 = new Uint32Array(this.buffer)
  }

  /** Offset of the direct-map address `hi:lo` if `length` bytes there are mapped, else -1. */
  translate(lo: number, hi: number, length: number): number {
    if (hi !== KERNEL_HI) return -1
    const offset = lo >>> 0
    return offset >= PAGE_SIZE && offset + length <= this.sizeBytes ? offset : -1
  }

  /** Store the kernel address of `offset` (0 stays NULL) as a 64-bit pointer at `at`. */
  writePtr(at: number, offset: number): void {
    this.dv.setInt32(at, offset, true)
    this.dv.setInt32(at + 4, offset === 0 ? 0 : KERNEL_HI, true)
  }

  /** The offset that the 64-bit pointer at `at` holds; 0 for NULL. Only for pointers known to be into the direct map. */
  readPtr(at: number): number {
    return this.dv.getInt32(at, true)
  }

  readU64(at: number): bigint {
    return this.dv.getBigUint64(at, true)
  }

  /** Store a non-negative safe integer (or any int64 within 2^53) as a 64-bit value. */
  writeInt64(at: number, value: number): void {
    this.dv.setInt32(at, value | 0, true)
    this.dv.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true)
  }

  /** A 64-bit value as a number; exact within 2^53. */
  readInt64(at: number): number {
    return this.dv.getInt32(at + 4, true) * 0x1_0000_0000 + this.dv.getUint32(at, true)
  }

  /** memmove() within the memory. Short copies, the usual ones, stay out of the built-in, which costs 50 ns to enter. */
  copy(to: number, from: number, length: number): void {
    if (length > 64 || (to > from && to < from + length)) {
      this.u8.copyWithin(to, from, from + length)
      return
    }
    const { dv, u8 } = this
    let i = 0
    for (; i + 4 <= length; i += 4) dv.setInt32(to + i, dv.getInt32(from + i, true), true)
    for (; i < length; i++) u8[to + i] = u8[from + i]!
  }

  /** A copy of the bytes, so that the caller may keep them. */
  bytes(at: number, length: number): Uint8Array {
    return this.u8.slice(at, at + length)
  }

  /** Zero-terminated bytes at `at`, at most `max`, as Latin-1: file names and comms survive unchanged. */
  cstring(at: number, max: number): string {
    let text = ''
    for (let i = at; i < at + max; i++) {
      const byte = this.u8[i]!
      if (byte === 0) break
      text += String.fromCharCode(byte)
    }
    return text
  }

  /** Latin-1 `text` with its final NUL, truncated to `size` bytes and zero-padded, as strscpy_pad() leaves it. */
  writeCstring(at: number, text: string, size: number): void {
    const length = Math.min(text.length, size - 1)
    for (let i = 0; i < length; i++) this.u8[at + i] = text.charCodeAt(i)
    this.u8.fill(0, at + length, at + size)
  }
}

/** The 64-bit kernel address of an offset, for the API's edge and for messages. */
export function kernelAddress(offset: number): bigint {
  return offset === 0 ? 0n : KERNEL_BASE + BigInt(offset)
}
