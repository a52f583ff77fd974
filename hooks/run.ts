// Running attached programs: which of them a nesting rule skips, and what is counted.
//
//   kprobe, tracepoint, perf event   one counter per CPU (bpf_prog_active): skipped while that CPU runs one of them, and while
//                                    bpf(2) touches a map; the whole list of programs counts as missed
//   tracing, raw tracepoint          one counter per program and CPU (prog->active): a program does not run inside itself
//   LSM, iterators, struct_ops       no rule
//
// Programs run to completion on the CPU that fires them; the run context says for whom, and is kept across nested runs.

import type { Machine } from '../ebpf-vm/machine.ts'
import type { BpfProg } from './objects/prog.ts'

/** One attachment as its program sees it, and where it fired. Helpers read it from `machine.runContext`. */
export interface RunContext {
  readonly prog: BpfProg
  /** bpf_get_attach_cookie(). */
  readonly cookieLo: number
  readonly cookieHi: number
  /** Where kernel stacks begin: the interrupted (or calling) function, set each time before the program runs. */
  readonly where: CodePosition
}

/** A place in kernel code: the registers that an unwinder starts from. */
export interface CodePosition {
  /** Low word of the text address. */
  ip: number
  /** Offset of the frame-pointer chain's head: [bp] the caller's bp, [bp + 8] the return address. 0 at the bottom. */
  bp: number
  /** Low word of the probed function's address, 0 where there is none (bpf_get_func_ip). */
  functionIp: number
  /** At a kprobe: the call, which bpf_override_return() may end. */
  call: { override(result: number): void } | undefined
}

export const nowhere = (): CodePosition => ({ ip: 0, bp: 0, functionIp: 0, call: undefined })

export class Runner {
  readonly #machine: Machine
  /** bpf_prog_active of each CPU. */
  readonly #active: Int32Array
  /** Holders of BPF_ENABLE_STATS descriptors, and the sysctl. */
  statistics = 0

  constructor(machine: Machine) {
    this.#machine = machine
    this.#active = new Int32Array(machine.platform.cpus)
  }

  /** Run without any rule. Returns the low word of r0. */
  run(context: RunContext, ctx: number): number {
    const machine = this.#machine
    const { prog } = context
    const outer = machine.runContext
    machine.runContext = context
    prog.runs++
    let result: number
    if (this.statistics === 0) {
      result = prog.loaded.run(ctx)
    } else {
      const startNs = machine.platform.nowNs()
      result = prog.loaded.run(ctx)
      prog.runCnt++
      prog.runTimeNs += machine.platform.nowNs() - startNs
    }
    machine.runContext = outer
    return result
  }

  /** Tracing and raw tracepoint programs: skipped (undefined) when this one runs on this CPU already. */
  runRecursionSafe(context: RunContext, ctx: number): number | undefined {
    const { prog } = context
    const cpu = this.#machine.platform.cpu()
    if (prog.active[cpu] !== 0) {
      prog.missed++
      return undefined
    }
    prog.active[cpu] = 1
    const result = this.run(context, ctx)
    prog.active[cpu] = 0
    return result
  }

  /** trace_call_bpf(): every program of a list, in order. Returns the AND of the results, 0 when skipped, 1 for an empty list. */
  runList(list: readonly RunContext[], ctx: number): number {
    const cpu = this.#machine.platform.cpu()
    if (this.#active[cpu] !== 0) {
      for (const { prog } of list) prog.missed++
      return 0
    }
    this.#active[cpu] = 1
    let result = 1
    for (const context of list) result &= this.run(context, ctx)
    this.#active[cpu] = 0
    return result
  }

  /** bpf_disable_instrumentation(): what bpf(2) does to maps runs with the probes of this CPU silent. */
  quietly<T>(work: () => T): T {
    const cpu = this.#machine.platform.cpu()
    this.#active[cpu]!++
    try {
      return work()
    } finally {
      this.#active[cpu]!--
    }
  }
}
