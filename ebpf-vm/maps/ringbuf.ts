// BPF_MAP_TYPE_RINGBUF (Documentation/bpf/ringbuf.rst): one ring for all CPUs. Records keep the order of their reservations; one
// that is not committed yet holds back those behind it; a full ring refuses.
//
//   page 0   ours: +0 pointer to the struct bpf_map, +8 u32 number of refused records, +12 u32 whether someone listens to submits
//   page 1   +0 u64 consumer position, which user space writes
//   page 2   +0 u64 producer position
//   then maxEntries bytes of records, then as many again: where Linux maps the data twice, so that a record that wraps is in one
//   piece, we have a second copy; commit moves what spilled into it to the start. User space maps pages 1, 2 and the data twice.
//
// A record is 8 bytes of header and the sample, padded to 8:   u32 length | busy | discard     u32 pages between page 0 and it

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType } from './map.ts'

const { EINVAL, EAGAIN, ENOTSUPP } = ERRNO

export const RING = {
  map: 0,
  lost: 8,
  observed: 12,
  consumer: PAGE_SIZE,
  producer: 2 * PAGE_SIZE,
  data: 3 * PAGE_SIZE,
} as const
export const RECORD = { busy: 0x80000000 | 0, discard: 0x40000000, header: 8, maxBytes: 0x3fffffff } as const
/** Flags of submit, discard and output; of query. */
export const RINGBUF_FLAG = { no_wakeup: 1, force_wakeup: 2 } as const
export const RINGBUF_QUERY = { avail_data: 0, ring_size: 1, cons_pos: 2, prod_pos: 3 } as const

export class RingbufMap extends BpfMap {
  /** Offset of page 0. */
  readonly ring: number
  readonly mask: number
  #onSubmit: ((sample: number) => void) | undefined = undefined

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.mask = attr.maxEntries - 1
    this.ring = machine.alloc.allocPages(3 + (2 * attr.maxEntries) / PAGE_SIZE)
    machine.mem.writePtr(this.ring + RING.map, this.address)
  }

  get consumerPos(): number {
    return this.machine.mem.readInt64(this.ring + RING.consumer)
  }

  get producerPos(): number {
    return this.machine.mem.readInt64(this.ring + RING.producer)
  }

  /** Records that found the ring full. Linux counts none: a program learns it from its own NULL. */
  get lost(): number {
    return this.machine.mem.u32[(this.ring + RING.lost) >> 2]!
  }

  get onSubmit(): ((sample: number) => void) | undefined {
    return this.#onSubmit
  }

  /** Called with the offset of each sample that a program submits, at the instant and on the CPU where it does. */
  set onSubmit(listener: ((sample: number) => void) | undefined) {
    this.#onSubmit = listener
    this.machine.mem.i32[(this.ring + RING.observed) >> 2] = listener ? 1 : 0
  }

  // ── Programs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Offset of `size` reserved bytes, or 0. */
  reserve(size: number): number {
    const { mem } = this.machine
    const length = (size + RECORD.header + 7) & ~7
    const at = this.producerPos
    if (size > RECORD.maxBytes || length > this.maxEntries || at + length - this.consumerPos > this.mask) {
      mem.u32[(this.ring + RING.lost) >> 2]!++
      return 0
    }
    const record = this.ring + RING.data + (at % this.maxEntries)
    mem.i32[record >> 2] = size | RECORD.busy
    mem.i32[(record + 4) >> 2] = (record - this.ring) >> 12
    mem.writeInt64(this.ring + RING.producer, at + length)
    return record + RECORD.header
  }

  /** Submit or discard a reserved sample. */
  commit(sample: number, flags: number, discard: boolean): void {
    const { mem } = this.machine
    const record = sample - RECORD.header
    const size = mem.i32[record >> 2]! & ~RECORD.busy
    mem.i32[record >> 2] = discard ? size | RECORD.discard : size
    this.finish(record, size, flags)
  }

  /** The rest of a commit, once the header is written: what spilled over the end goes to the start, a waiting reader is woken. */
  finish(record: number, size: number, flags: number): void {
    const { mem } = this.machine
    const sample = record + RECORD.header
    const data = this.ring + RING.data
    const spilled = sample + size - (data + this.maxEntries)
    if (spilled > 0) mem.copy(data, data + this.maxEntries, spilled)
    if (!(mem.i32[record >> 2]! & RECORD.discard)) this.#onSubmit?.(sample)
    const caughtUp = this.consumerPos % this.maxEntries === record - data
    if (flags & RINGBUF_FLAG.force_wakeup || (caughtUp && !(flags & RINGBUF_FLAG.no_wakeup))) this.onWakeup?.()
  }

  /** bpf_ringbuf_output(): copy `size` bytes at `from` into a record of their own. */
  output(from: number, size: number, flags: number): number {
    if (flags & ~(RINGBUF_FLAG.no_wakeup | RINGBUF_FLAG.force_wakeup)) return -EINVAL
    const sample = this.reserve(size)
    if (sample === 0) return -EAGAIN
    this.machine.mem.copy(sample, from, size)
    this.commit(sample, flags, false)
    return 0
  }

  /** The ring behind a sample that reserve() gave out. */
  static of(machine: Machine, sample: number): RingbufMap {
    const record = sample - RECORD.header
    const page = (record & -PAGE_SIZE) - machine.mem.i32[(record + 4) >> 2]! * PAGE_SIZE
    return machine.mapAt(machine.mem.readPtr(page + RING.map)) as RingbufMap
  }

  // ── User space ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Consume what is committed, as libbpf's ring_buffer__consume does: `visit` gets offset and length of each sample that was not
   * discarded, valid until it returns. Returns the number of samples; a busy record ends the round.
   */
  consume(visit: (sample: number, length: number) => void): number {
    const { mem } = this.machine
    let samples = 0
    let at = this.consumerPos
    while (at < this.producerPos) {
      const record = this.ring + RING.data + (at % this.maxEntries)
      const header = mem.i32[record >> 2]!
      if (header & RECORD.busy) break
      const length = header & RECORD.maxBytes
      at += (length + RECORD.header + 7) & ~7
      if (!(header & RECORD.discard)) {
        visit(record + RECORD.header, length)
        samples++
      }
      mem.writeInt64(this.ring + RING.consumer, at)
    }
    return samples
  }

  lookup(): number {
    return -ENOTSUPP
  }

  override update(): number {
    return -ENOTSUPP
  }

  override delete(): number {
    return -ENOTSUPP
  }

  override nextKey(): number {
    return -ENOTSUPP
  }

  get memoryBytes(): number {
    return 3 * PAGE_SIZE + this.maxEntries
  }

  protected release(): void {
    this.machine.alloc.freePages(this.ring)
  }
}

/** ringbuf_map_alloc() */
function check(attr: MapAttr): number {
  const size = attr.maxEntries
  if ((attr.mapFlags ?? 0) & ~MAP_FLAG.numa_node) return -EINVAL
  if (attr.keySize !== 0 || attr.valueSize !== 0) return -EINVAL
  return size === 0 || (size & (size - 1)) !== 0 || size % PAGE_SIZE !== 0 ? -EINVAL : 0
}

export const ringbuf = mapType({
  type: MAP_TYPE.ringbuf,
  name: 'ringbuf',
  check,
  create: (machine, attr) => new RingbufMap(machine, attr),
})
