// Pages of one file (struct address_space, which lies in its inode): frames by page number, brought in from the file's content when
// first touched. The cache holds one reference to each; mappings hold theirs.

import { PAGE_SIZE } from '../../base/memory.ts'
import type { Mappable } from '../mm/vma.ts'
import type { FsContext } from './context.ts'
import type { Inode } from './inode.ts'

/** What a file holds before anyone writes to it. `fill` stores page `index` into the zeroed frame at `frame`. */
export interface Content {
  fill(context: FsContext, index: number, frame: number): void
}

/** Known bytes from the start of the file; zeroes behind them. */
export function bytesContent(bytes: Uint8Array): Content {
  return {
    fill: ({ mem }, index, frame) => mem.u8.set(bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE), frame),
  }
}

/**
 * A file of which only pieces are known (from a recording). All other bytes are modelled: lines of letters that depend on `seed` and
 * on the position, the same on every run, and not what the real file held.
 */
export function modelledContent(
  seed: number,
  pieces: readonly { readonly at: number; readonly bytes: Uint8Array }[] = [],
): Content {
  return {
    fill({ mem }, index, frame) {
      const words = mem.i32
      let x = Math.imul(seed ^ Math.imul(index, 0x9e3779b1), 0x85ebca6b) | 1
      for (let i = frame >> 2; i < (frame + PAGE_SIZE) >> 2; i++) {
        x ^= x << 13
        x ^= x >>> 17
        x ^= x << 5
        words[i] = (x & 0x0f0f0f0f) + 0x61616161
      }
      for (let i = frame + 63; i < frame + PAGE_SIZE; i += 64) mem.u8[i] = 10
      const start = index * PAGE_SIZE
      for (const piece of pieces) {
        const from = Math.max(start, piece.at)
        const to = Math.min(start + PAGE_SIZE, piece.at + piece.bytes.length)
        if (from < to) mem.u8.set(piece.bytes.subarray(from - piece.at, to - piece.at), frame + from - start)
      }
    },
  }
}

export class PageCache implements Mappable {
  readonly #context: FsContext
  readonly #host: Inode
  readonly #frames = new Map<number, number>()
  #content: Content | undefined
  /** Bytes that the content reaches to; pages behind are zeroes. Lowered by truncation. */
  #contentBytes: number

  constructor(context: FsContext, host: Inode, content: Content | undefined, contentBytes: number) {
    this.#context = context
    this.#host = host
    this.#content = content
    this.#contentBytes = contentBytes
    context.mem.writePtr(host.at + context.layout.inode.i_mapping, this.at)
    context.mem.writePtr(this.at + context.layout.address_space.host, host.at)
  }

  /** Offset of the struct address_space. */
  get at(): number {
    return this.#host.at + this.#context.layout.inode.i_data
  }

  /** Whether page `index` is in the cache already. */
  has(index: number): boolean {
    return this.#frames.has(index)
  }

  /** The frame of a page, which belongs to the cache. */
  page(index: number): number {
    const known = this.#frames.get(index)
    if (known !== undefined) return known
    const frame = this.#context.frames.take()
    if (this.#content && index * PAGE_SIZE < this.#contentBytes) {
      this.#content.fill(this.#context, index, frame)
      const end = this.#contentBytes - index * PAGE_SIZE
      if (end < PAGE_SIZE) this.#context.mem.u8.fill(0, frame + end, frame + PAGE_SIZE)
    }
    this.#frames.set(index, frame)
    this.#count()
    return frame
  }

  frame(index: number): number {
    return index * PAGE_SIZE < this.#host.size ? this.page(index) : -1
  }

  /** Forget what lies behind `size` bytes. */
  truncate(size: number): void {
    for (const [index, frame] of this.#frames) {
      if (index * PAGE_SIZE >= size) {
        this.#frames.delete(index)
        this.#context.frames.put(frame)
      } else if ((index + 1) * PAGE_SIZE > size) {
        this.#context.mem.u8.fill(0, frame + size - index * PAGE_SIZE, frame + PAGE_SIZE)
      }
    }
    this.#contentBytes = Math.min(this.#contentBytes, size)
    this.#count()
  }

  /** Take other content from now on; what was cached is forgotten. */
  replace(content: Content | undefined, contentBytes: number): void {
    this.truncate(0)
    this.#content = content
    this.#contentBytes = contentBytes
  }

  #count(): void {
    this.#context.mem.writeInt64(this.at + this.#context.layout.address_space.nrpages, this.#frames.size)
  }
}
