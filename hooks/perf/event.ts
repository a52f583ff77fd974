// One perf event: what perf_event_open(2) made, behind its descriptor. It counts, writes samples to its ring buffer, and carries a
// BPF program for the tracepoint or probe it stands on. What it stands on is its source (one per PMU, in pmu.ts).

import { ERRNO } from '../../base/errno.ts'
import type { LinkInfo } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { Struct } from '../uapi/codec.ts'
import { PERF_ATTR, PERF_COUNT_SW, type PERF_EVENT_ATTR, PERF_RECORD, PERF_SAMPLE, PERF_TYPE } from '../uapi/perf.ts'
import type { PerfRing } from './ring.ts'

export type PerfAttr = typeof PERF_EVENT_ATTR extends Struct<infer T> ? T : never

/** Where the event's occurrences come from. */
export interface PerfSource {
  /** PERF_EVENT_IOC_SET_BPF and BPF_LINK_CREATE: 0 or a negative errno. */
  attach(prog: BpfProg, cookie: bigint): number
  detach(prog: BpfProg): void
  enable?(): void
  disable?(): void
  /** Gives up what the event holds on (its tracepoint, its probe). */
  release(): void
  /** The source's members of bpf_link_info.perf_event, name apart. */
  info?(): { type: number; name: string; fields: Partial<LinkInfo> }
}

/** What a sample says of the instant it was taken at. */
export interface SampleMoment {
  readonly pid: number
  readonly tid: number
  readonly cpu: number
  readonly timeNs: number
  /** Low word of the kernel text address. */
  readonly ip: number
}

const HEADER_BYTES = 8
const HEADER_MISC_KERNEL = 1

export class PerfEvent {
  readonly id: number
  readonly attr: PerfAttr
  /** pid it follows, -1 for all; CPU it counts on, -1 for all. */
  readonly pid: number
  readonly cpu: number
  readonly source: PerfSource
  readonly openedNs: number
  enabled: boolean
  /** Occurrences counted while enabled. */
  count = 0
  ring: PerfRing | undefined
  /** PERF_EVENT_IOC_PAUSE_OUTPUT */
  paused = false
  /** Called when a reader that polls would wake: wakeup_events records, or bytes with `watermark`. */
  onWakeup: (() => void) | undefined
  #references = 1
  #output: PerfEvent | undefined
  #prog: BpfProg | undefined
  #sinceWakeup = 0

  constructor(id: number, attr: PerfAttr, pid: number, cpu: number, source: PerfSource, openedNs: number) {
    this.id = id
    this.attr = attr
    this.pid = pid
    this.cpu = cpu
    this.source = source
    this.openedNs = openedNs
    this.enabled = (attr.flags & PERF_ATTR.disabled) === 0n
    if (this.enabled) source.enable?.()
  }

  get isBpfOutput(): boolean {
    return this.attr.type === PERF_TYPE.software && this.attr.config === BigInt(PERF_COUNT_SW.bpf_output)
  }

  get prog(): BpfProg | undefined {
    return this.#prog
  }

  enable(): void {
    if (!this.enabled) this.source.enable?.()
    this.enabled = true
  }

  disable(): void {
    if (this.enabled) this.source.disable?.()
    this.enabled = false
  }

  /** PERF_EVENT_IOC_SET_OUTPUT: samples go to another event's ring; undefined: to its own again. */
  setOutput(to: PerfEvent | undefined): number {
    if (to === this) return -ERRNO.EINVAL
    if (to && (to.cpu !== this.cpu || (to.cpu === -1 && to.pid !== this.pid))) return -ERRNO.EINVAL
    if (this.ring) return -ERRNO.EINVAL
    this.#output = to
    return 0
  }

  /** One program an event: -EEXIST for a second. The event holds the program. */
  setProg(prog: BpfProg, cookie: bigint): number {
    if (this.#prog) return -ERRNO.EEXIST
    const error = this.source.attach(prog, cookie)
    if (error === 0) this.#prog = prog.hold()
    return error
  }

  clearProg(): void {
    const prog = this.#prog
    if (!prog) return
    this.source.detach(prog)
    this.#prog = undefined
    prog.release()
  }

  /** perf_event_output() of a raw sample: `bytes` of kernel memory. 0, or -ENOSPC when the ring is full, paused or not there. */
  output(moment: SampleMoment, from: number, bytes: number): number {
    const ring = (this.#output ?? this).ring
    if (!ring || this.paused) return -ERRNO.ENOSPC
    const type = this.attr.sample_type
    const rawBytes = type & PERF_SAMPLE.raw ? Math.ceil((bytes + 4) / 8) * 8 : 0
    let total = HEADER_BYTES + rawBytes
    for (const bit of EIGHT_BYTES) if (type & bit) total += 8
    const error = ring.begin(total, PERF_RECORD.sample, HEADER_MISC_KERNEL, this.id)
    if (error !== 0) return error
    if (type & PERF_SAMPLE.identifier) ring.putWide(this.id)
    if (type & PERF_SAMPLE.ip) {
      ring.put32(moment.ip)
      ring.put32(-1)
    }
    if (type & PERF_SAMPLE.tid) {
      ring.put32(moment.pid)
      ring.put32(moment.tid)
    }
    if (type & PERF_SAMPLE.time) ring.putWide(moment.timeNs)
    if (type & PERF_SAMPLE.addr) ring.putWide(0)
    if (type & PERF_SAMPLE.id) ring.putWide(this.id)
    if (type & PERF_SAMPLE.stream_id) ring.putWide(this.id)
    if (type & PERF_SAMPLE.cpu) {
      ring.put32(moment.cpu)
      ring.put32(0)
    }
    if (type & PERF_SAMPLE.period) ring.putWide(1)
    if (rawBytes > 0) {
      ring.put32(rawBytes - 4)
      ring.putBytes(from, bytes)
    }
    ring.end()
    this.#wake(total)
    return 0
  }

  /** The descriptor holds the event, links and perf event arrays too. */
  hold(): void {
    this.#references++
  }

  release(): void {
    if (--this.#references > 0) return
    this.clearProg()
    this.disable()
    this.source.release()
    this.ring?.free()
    this.ring = undefined
  }

  #wake(bytes: number): void {
    this.#sinceWakeup += this.attr.flags & PERF_ATTR.watermark ? bytes : 1
    if (this.attr.wakeup_events === 0 || this.#sinceWakeup < this.attr.wakeup_events) return
    this.#sinceWakeup = 0
    this.onWakeup?.()
  }
}

/** Sample fields of one u64 each. */
const EIGHT_BYTES = [
  PERF_SAMPLE.identifier,
  PERF_SAMPLE.ip,
  PERF_SAMPLE.tid,
  PERF_SAMPLE.time,
  PERF_SAMPLE.addr,
  PERF_SAMPLE.id,
  PERF_SAMPLE.stream_id,
  PERF_SAMPLE.cpu,
  PERF_SAMPLE.period,
]

/** Sample types that output() writes; perf_event_open() refuses others with -EOPNOTSUPP. */
export const SAMPLE_SUPPORTED = EIGHT_BYTES.reduce((all, bit) => all | bit, PERF_SAMPLE.raw)
