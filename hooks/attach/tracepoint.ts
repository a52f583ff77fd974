// tracepoint: programs on trace events, through perf events. A program's context is the record, whose first 8 bytes (the common
// header) hold a pointer to registers while programs run; programs cannot read those.
// All perf events of one tracepoint share one list of programs, which runs on any CPU, whichever the events were opened for, and
// from the moment of attaching, enabled or not.

import { ERRNO } from '../../base/errno.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import type { Tracepoint } from '../../kernel-sim/trace/tracepoint.ts'
import { PT_REGS_BYTES, writeCallerRegs } from '../context/pt-regs.ts'
import type { BpfHost } from '../host.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { PerfEvent, PerfSource } from '../perf/event.ts'
import { nowhere, type RunContext } from '../run.ts'
import { PERF_EVENT_LINK } from '../uapi/bpf-info.ts'
import { atTracepoint } from './position.ts'

/** BPF_TRACE_MAX_PROGS */
const MAX_PROGS = 64

export class TracepointHub {
  readonly tracepoint: Tracepoint
  readonly #host: BpfHost
  readonly #where = nowhere()
  readonly #sources = new Set<TracepointSource>()
  #programs: readonly RunContext[] = []
  #detach: (() => void) | undefined

  constructor(host: BpfHost, tracepoint: Tracepoint) {
    this.#host = host
    this.tracepoint = tracepoint
  }

  /** The first event registers perf's probe on the tracepoint, the last one takes it away. */
  open(source: TracepointSource): void {
    this.#sources.add(source)
    this.#detach ??= this.tracepoint.attachRecord((record, sizeBytes) => this.#fire(record, sizeBytes))
  }

  close(source: TracepointSource): void {
    this.#sources.delete(source)
    if (this.#sources.size > 0) return
    this.#detach?.()
    this.#detach = undefined
  }

  add(prog: BpfProg, cookie: bigint): number {
    if (this.#programs.length >= MAX_PROGS) return -ERRNO.E2BIG
    if (this.#programs.some((context) => context.prog === prog)) return -ERRNO.EEXIST
    this.#programs = [...this.#programs, runContext(prog, cookie, this.#where)]
    return 0
  }

  remove(prog: BpfProg): void {
    this.#programs = this.#programs.filter((context) => context.prog !== prog)
  }

  #fire(record: number, sizeBytes: number): void {
    const { kernel, runner } = this.#host
    if (this.#programs.length > 0) {
      const { mem, scratch, current } = kernel
      const mark = scratch.top
      const regs = scratch.take(PT_REGS_BYTES)
      atTracepoint(this.#where, kernel)
      writeCallerRegs(mem, regs, this.#where.ip, current.sp, current.bp)
      const header = [mem.i32[record >> 2]!, mem.i32[(record + 4) >> 2]!] as const
      mem.writePtr(record, regs)
      const kept = runner.runList(this.#programs, record)
      mem.i32[record >> 2] = header[0]
      mem.i32[(record + 4) >> 2] = header[1]
      scratch.top = mark
      // The programs decide whether perf's own consumers see the event.
      if (kept === 0) return
    }
    for (const source of this.#sources) source.occurred(record, sizeBytes)
  }
}

export const runContext = (prog: BpfProg, cookie: bigint, where = nowhere()): RunContext => ({
  prog,
  cookieLo: Number(BigInt.asIntN(32, cookie)),
  cookieHi: Number(BigInt.asIntN(32, cookie >> 32n)),
  where,
})

/** One perf event on a tracepoint. */
export class TracepointSource implements PerfSource {
  readonly #host: BpfHost
  readonly #hub: TracepointHub
  /** Set once the event exists. */
  event: PerfEvent | undefined
  #cookie = 0n

  constructor(host: BpfHost, hub: TracepointHub) {
    this.#host = host
    this.#hub = hub
    hub.open(this)
  }

  attach(prog: BpfProg, cookie: bigint): number {
    if (prog.type !== PROG_TYPE.tracepoint || prog.verified.sleepable) return -ERRNO.EINVAL
    if (prog.verified.maxCtxOffset > this.#hub.tracepoint.record!.sizeBytes) return -ERRNO.EACCES
    this.#cookie = cookie
    return this.#hub.add(prog, cookie)
  }

  detach(prog: BpfProg): void {
    this.#hub.remove(prog)
  }

  release(): void {
    this.#hub.close(this)
  }

  /** Count, and sample when the event samples every occurrence. */
  occurred(record: number, sizeBytes: number): void {
    const { event } = this
    const { kernel } = this.#host
    if (!event?.enabled) return
    if (event.cpu !== -1 && event.cpu !== kernel.cpu.id) return
    if (event.pid !== -1 && event.pid !== kernel.current.pid) return
    event.count++
    if (event.attr.sample_period !== 1n || !event.ring) return
    const { current } = kernel
    const moment = { pid: current.tgid, tid: current.pid, cpu: kernel.cpu.id, timeNs: kernel.nowNs, ip: current.ip }
    event.output(moment, record, sizeBytes)
  }

  info() {
    return {
      type: PERF_EVENT_LINK.tracepoint,
      name: this.#hub.tracepoint.name,
      fields: { perf_event_tp_cookie: this.#cookie },
    }
  }
}
