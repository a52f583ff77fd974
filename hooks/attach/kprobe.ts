// kprobe and kretprobe: programs at the entry and the return of kernel functions, through perf events of the kprobe PMU. The
// context is struct pt_regs: at entry the arguments in di, si, dx, cx, r8, r9 and the return address on top of the stack, at return
// the result in ax. A kretprobe hears the returns of calls that began while it was attached, sleeping ones and those of killed
// tasks among them.
// Probes inside a function (an offset other than its entry) are refused with -EILSEQ: functions have no instructions here.

import { ERRNO } from '../../base/errno.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import type { FunctionCall } from '../../kernel-sim/trace/function.ts'
import { PT_REGS_BYTES, writeEntryRegs, writeReturnRegs } from '../context/pt-regs.ts'
import type { BpfHost } from '../host.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { PerfEvent, PerfSource } from '../perf/event.ts'
import { nowhere, type RunContext } from '../run.ts'
import { PERF_EVENT_LINK } from '../uapi/bpf-info.ts'
import { isErrorInjectable, overridesReturn } from './error-injection.ts'
import { atEntry, atReturn, entryOffset } from './position.ts'
import { type ProbeSite, RANK } from './probe-table.ts'
import { runContext } from './tracepoint.ts'

/** What a program on a function's entry or return gets, and how its verdict acts. Shared with kprobe_multi. */
export class FunctionProbe {
  readonly #host: BpfHost
  readonly #entryOffset: number

  constructor(host: BpfHost) {
    this.#host = host
    this.#entryOffset = entryOffset(host.kernel.release)
  }

  entry(call: FunctionCall, list: readonly RunContext[]): void {
    const { kernel, runner } = this.#host
    const { scratch, mem } = kernel
    const mark = scratch.top
    const regs = scratch.take(PT_REGS_BYTES)
    const { args, sp, bp, fn } = call
    for (const { where } of list) {
      atEntry(where, call, this.#entryOffset)
      where.call = call
    }
    writeEntryRegs(mem, regs, { ip: fn.address + this.#entryOffset, sp, bp, args, count: fn.prototype.params.length })
    runner.runList(list, regs)
    scratch.top = mark
    for (const { where } of list) where.call = undefined
  }

  exit(call: FunctionCall, list: readonly RunContext[]): void {
    const { kernel, runner } = this.#host
    const { scratch, mem } = kernel
    const mark = scratch.top
    const regs = scratch.take(PT_REGS_BYTES)
    const result = call.args + call.fn.prototype.params.length * 8
    for (const { where } of list) atReturn(where, kernel, call)
    writeReturnRegs(mem, regs, { ip: mem.i32[call.sp >> 2]!, sp: call.sp + 8, bp: call.bp }, result)
    runner.runList(list, regs)
    scratch.top = mark
  }
}

/** One perf event of the kprobe PMU. */
export class KprobeSource implements PerfSource {
  readonly #site: ProbeSite
  readonly #isReturn: boolean
  readonly #detach: (() => void) | undefined
  #list: readonly RunContext[] = []
  #cookie = 0n
  /** Set once the event exists: it counts what happens while it is enabled. */
  event: PerfEvent | undefined

  constructor(host: BpfHost, site: ProbeSite, isReturn: boolean) {
    this.#site = site
    this.#isReturn = isReturn
    const probe = new FunctionProbe(host)
    const fire = (call: FunctionCall): void => {
      if (this.event?.enabled) this.event.count++
      if (this.#list.length === 0) return
      if (isReturn) probe.exit(call, this.#list)
      else probe.entry(call, this.#list)
    }
    this.#detach = site.fn?.attach(
      isReturn ? { exit: fire } : { entry: fire },
      isReturn ? RANK.kretprobe : RANK.kprobe,
      !isReturn,
    )
  }

  attach(prog: BpfProg, cookie: bigint): number {
    if (prog.type !== PROG_TYPE.kprobe || prog.verified.sleepable) return -ERRNO.EINVAL
    if (overridesReturn(prog.verified) && (this.#isReturn || !isErrorInjectable(this.#site.symbol)))
      return -ERRNO.EINVAL
    this.#cookie = cookie
    this.#list = [runContext(prog, cookie, nowhere())]
    return 0
  }

  detach(): void {
    this.#list = []
  }

  release(): void {
    this.#detach?.()
  }

  info() {
    return {
      type: this.#isReturn ? PERF_EVENT_LINK.kretprobe : PERF_EVENT_LINK.kprobe,
      name: this.#site.symbol,
      fields: {
        perf_event_addr: BigInt(this.#site.address >>> 0) | 0xffffffff_00000000n,
        perf_event_cookie: this.#cookie,
      },
    }
  }
}
