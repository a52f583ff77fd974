// One read or write on its way down: the struct kiocb and struct iov_iter that Linux keeps on the kernel stack, and where the bytes
// come from or go to. Lives in the stack frame of the function that made it.

import { KERNEL_HI } from '../../base/memory.ts'
import type { Mm } from '../mm/mm.ts'
import type { FsContext } from './context.ts'
import type { File } from './file.ts'

export interface Segment {
  /** User address. */
  readonly base: number
  readonly length: number
}

/** Bytes that struct kiocb, struct iov_iter and a loff_t take on the stack. */
export function ioCallBytes(context: FsContext): number {
  return ((context.layout.kiocb.size + 7) & ~7) + ((context.layout.iov_iter.size + 7) & ~7) + 8
}

/** struct iov_iter over user memory, or over a piece of kernel memory (sendfile and its like). */
export class IovIter {
  readonly at: number
  readonly #context: FsContext
  readonly #mm: Mm | undefined
  readonly #segments: readonly Segment[]
  #index = 0
  #within = 0
  #count: number

  /** `mm` undefined: the segments are offsets of kernel memory. */
  constructor(context: FsContext, at: number, mm: Mm | undefined, segments: readonly Segment[]) {
    const { mem, layout } = context
    this.#context = context
    this.at = at
    this.#mm = mm
    this.#segments = segments
    let count = 0
    for (const segment of segments) count += segment.length
    this.#count = count
    mem.u8.fill(0, at, at + layout.iov_iter.size)
    mem.writeInt64(at + layout.iov_iter.count, count)
    mem.writeInt64(at + layout.iov_iter.nr_segs, segments.length)
    if (mm && segments.length === 1 && layout.iov_iter.ubuf >= 0)
      mem.writeInt64(at + layout.iov_iter.ubuf, segments[0]!.base)
  }

  /** Bytes left. */
  get count(): number {
    return this.#count
  }

  /** Shorten it to at most `bytes`. */
  truncate(bytes: number): void {
    if (bytes < this.#count) this.#setCount(bytes)
  }

  /** copy_to_iter(): bytes that reached it, fewer than asked at a fault. `from` may be kernel memory itself. */
  copyTo(from: Uint8Array, at: number, length: number): number {
    return this.#move(length, (mm, address, done, chunk) => mm.write(address, from, at + done, chunk), from, at, true)
  }

  /** copy_from_iter(): bytes that came out of it. */
  copyFrom(into: Uint8Array, at: number, length: number): number {
    return this.#move(length, (mm, address, done, chunk) => mm.read(address, into, at + done, chunk), into, at, false)
  }

  /** iov_iter_zero(). */
  zero(length: number): number {
    return this.#move(length, (mm, address, _done, chunk) => mm.clear(address, chunk), undefined, 0, true)
  }

  #move(
    length: number,
    user: (mm: Mm, address: number, done: number, chunk: number) => number,
    bytes: Uint8Array | undefined,
    at: number,
    to: boolean,
  ): number {
    let done = 0
    const wanted = Math.min(length, this.#count)
    while (done < wanted) {
      const segment = this.#segments[this.#index]!
      const chunk = Math.min(wanted - done, segment.length - this.#within)
      const address = segment.base + this.#within
      let missed = 0
      if (this.#mm) missed = user(this.#mm, address, done, chunk)
      else this.#kernel(address, bytes, at + done, chunk, to)
      done += chunk - missed
      this.#within += chunk - missed
      if (missed > 0) break
      if (this.#within === segment.length) {
        this.#index++
        this.#within = 0
      }
    }
    this.#setCount(this.#count - done)
    return done
  }

  #kernel(address: number, bytes: Uint8Array | undefined, at: number, chunk: number, to: boolean): void {
    const { u8 } = this.#context.mem
    if (!bytes) u8.fill(0, address, address + chunk)
    else if (to) u8.set(bytes.subarray(at, at + chunk), address)
    else bytes.set(u8.subarray(address, address + chunk), at)
  }

  #setCount(count: number): void {
    this.#count = count
    this.#context.mem.writeInt64(this.at + this.#context.layout.iov_iter.count, count)
    this.#context.mem.writeInt64(this.at + this.#context.layout.iov_iter.iov_offset, this.#within)
  }
}

export class IoCall {
  /** Offset of the struct kiocb. */
  readonly at: number
  readonly file: File
  readonly iter: IovIter
  /** Whether the call may not sleep (O_NONBLOCK, RWF_NOWAIT). */
  readonly nonblock: boolean
  /** Offset of a loff_t that holds the position, as vfs_read() and vfs_write() are handed. */
  readonly posAt: number
  readonly #context: FsContext

  constructor(
    context: FsContext,
    at: number,
    file: File,
    pos: number,
    mm: Mm | undefined,
    segments: readonly Segment[],
    nonblock: boolean,
  ) {
    const { mem, layout } = context
    const kiocbBytes = (layout.kiocb.size + 7) & ~7
    this.#context = context
    this.at = at
    this.file = file
    this.nonblock = nonblock
    mem.u8.fill(0, at, at + kiocbBytes)
    mem.i32[(at + layout.kiocb.ki_filp) >> 2] = file.at
    mem.i32[(at + layout.kiocb.ki_filp + 4) >> 2] = KERNEL_HI
    this.iter = new IovIter(context, at + kiocbBytes, mm, segments)
    this.posAt = at + ioCallBytes(context) - 8
    this.pos = pos
  }

  /** ki_pos: where the next byte is read or written. */
  get pos(): number {
    return this.#context.mem.readInt64(this.at + this.#context.layout.kiocb.ki_pos)
  }
  set pos(pos: number) {
    this.#context.mem.writeInt64(this.at + this.#context.layout.kiocb.ki_pos, pos)
    this.#context.mem.writeInt64(this.posAt, pos)
  }
}
