// Readers of ring buffers (BPF_MAP_TYPE_RINGBUF) and perf event arrays, as libbpf's ring_buffer and perf_buffer: the loader wakes when
// records are there, at the next of its poll times, and takes all of them. A buffer that fills up before that loses records, as on
// Linux; how many depends on virtual time only.
//
// Records come in batches; the iterators stand on them. Asking for a batch runs the kernel until there is one or the run is over.

import { BtfValues } from '../../base/btf/value.ts'
import type { Codec } from '../../base/codec.ts'
import { UserError } from '../../base/errors.ts'
import { type KernelMemory, PAGE_SIZE } from '../../base/memory.ts'
import { RingbufMap } from '../../ebpf-vm/maps/ringbuf.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import type { PerfEvent } from '../../hooks/perf/event.ts'
import { mapRing } from '../../hooks/perf/file.ts'
import type { PerfRing } from '../../hooks/perf/ring.ts'
import { PERF_COUNT_SW, PERF_IOC, PERF_RECORD, PERF_SAMPLE, PERF_TYPE } from '../../hooks/uapi/perf.ts'
import { eventTypeNamed } from '../events.ts'
import type { MapSpec } from '../object/spec.ts'
import { type Calls, errorText } from './calls.ts'
import type { MapTypes } from './map-types.ts'
import type { Scheduler } from './scheduler.ts'

/** One record. */
export interface BufferEvent<T = unknown> {
  /** When the program submitted it. */
  readonly timeNs: number
  readonly cpu: number
  /** Decoded by the record's BTF type; bytes where none is known. A record shorter than its type reads as if zeros followed. */
  readonly data: T
  readonly bytes: Uint8Array
}

export interface ReaderOptions {
  /** The loader looks at multiples of this; default 1 ms. */
  readonly pollNs?: number
  /** Pages per CPU of a perf event array's buffers, a power of two; default 64, as libbpf-tools. */
  readonly pages?: number
  /** Name of the C type of the records. Default: found by the map's name, see events.ts. */
  readonly type?: string
}

/** What a reader needs of its map. */
export interface BufferMap {
  readonly name: string
  readonly fd: number
  readonly spec: MapSpec
  readonly types: MapTypes
}

const int32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)

const DEFAULT_POLL_NS = 1_000_000
const DEFAULT_PAGES = 64

export class Reader<T = unknown> implements AsyncIterable<BufferEvent<T>> {
  /** Records that found their buffer full. */
  get lost(): number {
    return this.#source.lost()
  }
  /** Records delivered so far. */
  count = 0
  readonly map: BufferMap
  /** Id of the records' type in the object's BTF; 0 where it is not known. */
  readonly type: number
  readonly #scheduler: Scheduler
  readonly #source: Source
  readonly #codec: Codec | undefined
  readonly #pollNs: number
  #batch: BufferEvent<T>[] = []
  #scheduled = false

  /** Called with each batch when it is taken out of the buffer; whoever sets it gets the records instead of the iterators. */
  onBatch: ((batch: readonly BufferEvent<T>[]) => void) | undefined

  constructor(map: BufferMap, scheduler: Scheduler, source: Source, type: number, pollNs: number) {
    this.map = map
    this.type = type
    this.#scheduler = scheduler
    this.#source = source
    this.#pollNs = pollNs
    this.#codec = type === 0 ? undefined : new BtfValues(map.types.btf!).codec(type)
    source.onWakeup = () => this.#wake()
    this.#wake()
    scheduler.onEnd(() => this.drain())
  }

  /** The next records, at least one; undefined when the run is over and all were delivered. */
  async next(): Promise<readonly BufferEvent<T>[] | undefined> {
    while (this.#batch.length === 0) {
      if (!(await this.#scheduler.advance())) break
    }
    return this.take()
  }

  /** What is there now, without running the kernel; undefined when nothing is. */
  take(): readonly BufferEvent<T>[] | undefined {
    if (this.#batch.length === 0) return undefined
    const batch = this.#batch
    this.#batch = []
    return batch
  }

  async *batches(): AsyncGenerator<readonly BufferEvent<T>[]> {
    for (let batch = await this.next(); batch; batch = await this.next()) yield batch
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BufferEvent<T>> {
    for await (const batch of this.batches()) yield* batch
  }

  /** Take everything out of the buffer now. */
  drain(): void {
    const before = this.#batch.length
    this.#source.drain((bytes, timeNs, cpu) => this.#batch.push(this.#event(bytes, timeNs, cpu)))
    const added = this.#batch.length - before
    if (added === 0) return
    this.count += added
    if (this.onBatch) this.onBatch(this.take()!)
    else this.#scheduler.interrupt()
  }

  [Symbol.dispose](): void {
    this.#source.close()
  }

  #wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const next = (Math.floor(this.#scheduler.nowNs / this.#pollNs) + 1) * this.#pollNs
    this.#scheduler.at(next, () => {
      this.#scheduled = false
      this.drain()
    })
  }

  #event(bytes: Uint8Array, timeNs: number, cpu: number): BufferEvent<T> {
    const codec = this.#codec
    if (!codec) return { timeNs, cpu, data: bytes as T, bytes }
    let whole = bytes
    if (bytes.length < codec.sizeBytes) {
      whole = new Uint8Array(codec.sizeBytes)
      whole.set(bytes)
    }
    const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength)
    return { timeNs, cpu, data: codec.read(view, 0) as T, bytes }
  }
}

type Visit = (bytes: Uint8Array, timeNs: number, cpu: number) => void

/** Where records come from: one ring buffer, or the perf buffers of all CPUs. */
interface Source {
  /** Called when a reader that polls would wake. */
  onWakeup: () => void
  drain(visit: Visit): void
  lost(): number
  close(): void
}

export function openReader<T>(calls: Calls, scheduler: Scheduler, map: BufferMap, options: ReaderOptions): Reader<T> {
  const { btf } = map.types
  const type = options.type === undefined ? map.types.event : eventTypeNamed(btf, options.type)
  const pollNs = options.pollNs ?? DEFAULT_POLL_NS
  if (!(pollNs > 0)) throw new UserError(`map '${map.name}': a poll interval of ${pollNs} ns; it must be more than 0`)
  switch (map.spec.type) {
    case MAP_TYPE.ringbuf:
      return new Reader<T>(map, scheduler, new RingSource(calls, map), type, pollNs)
    case MAP_TYPE.perf_event_array: {
      const source = new PerfSource(calls, map, options.pages ?? DEFAULT_PAGES)
      return new Reader<T>(map, scheduler, source, type, pollNs)
    }
    default:
      throw new UserError(
        `map '${map.name}' is no ring buffer and no perf event array; read it with get() or iterate it`,
      )
  }
}

class RingSource implements Source {
  onWakeup: () => void = () => {}
  readonly #map: RingbufMap
  /** Time and CPU of records that wait, by the offset of their sample: the ring itself keeps neither. */
  readonly #moments = new Map<number, { timeNs: number; cpu: number }>()

  constructor(calls: Calls, { fd, name }: BufferMap) {
    const file = calls.host.file(calls.task, fd, 'map')
    if (typeof file === 'number' || !(file.object.map instanceof RingbufMap)) {
      throw new UserError(`map '${name}': its descriptor is closed`)
    }
    this.#map = file.object.map
    const { kernel } = calls.host
    this.#map.onWakeup = () => this.onWakeup()
    this.#map.onSubmit = (sample) => this.#moments.set(sample, { timeNs: kernel.nowNs, cpu: kernel.cpu.id })
  }

  drain(visit: Visit): void {
    const { mem } = this.#map.machine
    this.#map.consume((sample, length) => {
      // A record from before there was a reader has the time at which it is read.
      const { timeNs, cpu } = this.#moments.get(sample) ?? { timeNs: this.#map.machine.platform.nowNs(), cpu: 0 }
      this.#moments.delete(sample)
      visit(mem.bytes(sample, length), timeNs, cpu)
    })
  }

  lost(): number {
    return this.#map.lost
  }

  close(): void {
    this.#map.onWakeup = undefined
    this.#map.onSubmit = undefined
  }
}

/** One perf event per CPU, put into the map under the CPU's number, its buffer mapped. */
class PerfSource implements Source {
  onWakeup: () => void = () => {}
  readonly #events: { readonly fd: number; readonly event: PerfEvent }[] = []
  readonly #calls: Calls

  constructor(calls: Calls, map: BufferMap, pages: number) {
    this.#calls = calls
    const { host } = calls
    for (const { id: cpu } of host.kernel.cpus) {
      if (map.spec.maxEntries > 0 && cpu >= map.spec.maxEntries) break
      const check = (what: string, result: number): number => {
        if (result < 0) throw new UserError(`map '${map.name}': failed to ${what} on cpu ${cpu}: ${errorText(result)}`)
        return result
      }
      const attr = {
        type: PERF_TYPE.software,
        config: BigInt(PERF_COUNT_SW.bpf_output),
        sample_type: PERF_SAMPLE.time | PERF_SAMPLE.raw,
        sample_period: 1n,
        wakeup_events: 1,
      }
      const fd = check('open perf buffer event', calls.perfEventOpen(attr, cpu))
      const file = host.file(calls.task, fd, 'perf_event')
      if (typeof file === 'number') throw new UserError(`map '${map.name}': its perf event is closed`)
      const ring = mapRing(host, file.event, (pages + 1) * PAGE_SIZE)
      if (typeof ring === 'number') check(`map a perf buffer of ${pages} pages`, ring)
      check('enable perf buffer event', calls.ioctl(fd, PERF_IOC.enable))
      const update = { map_fd: map.fd, key: int32(cpu), value: int32(fd), flags: 0n }
      check('set event', calls.bpf('map_update_elem', update))
      file.event.onWakeup = () => this.onWakeup()
      this.#events.push({ fd, event: file.event })
    }
  }

  drain(visit: Visit): void {
    const batch: { bytes: Uint8Array; timeNs: number; cpu: number }[] = []
    for (const { event } of this.#events) {
      if (!event.ring) continue
      for (const record of perfRecords(this.#calls.host.kernel.mem, event.ring)) {
        const view = new DataView(record.buffer)
        if (view.getUint32(0, true) !== PERF_RECORD.sample) continue
        const timeNs = Number(view.getBigUint64(SAMPLE_TIME, true))
        const length = view.getUint32(SAMPLE_RAW, true)
        batch.push({ bytes: record.subarray(SAMPLE_RAW + 4, SAMPLE_RAW + 4 + length), timeNs, cpu: event.cpu })
      }
    }
    // Each CPU's buffer is in order; between CPUs the records' times decide, as libbpf-tools cannot.
    batch.sort((a, b) => a.timeNs - b.timeNs)
    for (const { bytes, timeNs, cpu } of batch) visit(bytes, timeNs, cpu)
  }

  lost(): number {
    return this.#events.reduce((sum, { event }) => sum + (event.ring?.lostTotal ?? 0), 0)
  }

  close(): void {
    for (const { fd, event } of this.#events) {
      event.onWakeup = undefined
      this.#calls.close(fd)
    }
  }
}

// A sample with PERF_SAMPLE_TIME | PERF_SAMPLE_RAW:  u32 type, u16 misc, u16 bytes | u64 time | u32 raw bytes | raw data
const SAMPLE_TIME = 8
const SAMPLE_RAW = 16

/** Copies of the records between tail and head, header included; the tail moves behind each. */
function* perfRecords(mem: KernelMemory, ring: PerfRing): Generator<Uint8Array<ArrayBuffer>> {
  const data = ring.at + PAGE_SIZE
  const head = ring.head
  let tail = ring.tail
  while (tail < head) {
    const at = tail % ring.dataBytes
    const length = mem.dv.getUint16(data + at + 6, true)
    const record = new Uint8Array(length)
    const first = Math.min(length, ring.dataBytes - at)
    record.set(mem.u8.subarray(data + at, data + at + first))
    record.set(mem.u8.subarray(data, data + length - first), first)
    tail += length
    ring.tail = tail
    yield record
  }
}
