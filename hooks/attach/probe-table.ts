// Where programs can sit in one kernel: tracepoints by name and id, functions by symbol. Probes of one place run in Linux's order:
// at a function's entry kprobes (newest first), then fentry and fmod_ret (newest first); at its exit fexit (newest first), then
// kretprobes in the order they were attached.

import { ERRNO } from '../../base/errno.ts'
import type { KernelFunction } from '../../kernel-sim/trace/function.ts'
import type { Tracepoint } from '../../kernel-sim/trace/tracepoint.ts'
import type { BpfHost } from '../host.ts'
import { TracepointHub } from './tracepoint.ts'

/** Place of each kind of probe among the listeners of a function (KernelFunction.attach). */
export const RANK = { kprobe: 0, fentry: 1, modifyReturn: 2, fexit: 3, kretprobe: 4 } as const

/** A function that may be probed. Without `fn`, this kernel knows the symbol but has no model of it: the probe never fires. */
export interface ProbeSite {
  readonly symbol: string
  /** Low word of its address. */
  readonly address: number
  readonly fn: KernelFunction | undefined
}

export class ProbeTable {
  readonly #host: BpfHost
  readonly #hubs = new Map<Tracepoint, TracepointHub>()
  #byId: Map<number, Tracepoint> | undefined
  #byName: Map<string, Tracepoint> | undefined

  constructor(host: BpfHost) {
    this.#host = host
  }

  /** The tracepoint with this number in events/SYSTEM/NAME/id. */
  tracepointById(id: number): Tracepoint | undefined {
    if (!this.#byId) {
      this.#byId = new Map()
      for (const tracepoint of this.#host.kernel.tracepoints.all())
        if (tracepoint.record && tracepoint.record.id !== 0) this.#byId.set(tracepoint.record.id, tracepoint)
    }
    return this.#byId.get(id)
  }

  /** A tracepoint by its bare name, as raw tracepoint programs name it. */
  rawTracepoint(name: string): Tracepoint | undefined {
    if (!this.#byName) {
      this.#byName = new Map()
      for (const tracepoint of this.#host.kernel.tracepoints.all()) {
        // syscalls:* events are no tracepoints of their own: they hang on raw_syscalls.
        if (tracepoint.record && tracepoint.system !== 'syscalls') this.#byName.set(tracepoint.name, tracepoint)
      }
    }
    return this.#byName.get(name)
  }

  /** What perf events of one tracepoint share. */
  hub(tracepoint: Tracepoint): TracepointHub {
    let hub = this.#hubs.get(tracepoint)
    if (!hub) {
      hub = new TracepointHub(this.#host, tracepoint)
      this.#hubs.set(tracepoint, hub)
    }
    return hub
  }

  /** The function `symbol`: -ENOENT when this kernel has none, -EINVAL when no probe may sit on it. */
  site(symbol: string): ProbeSite | number {
    const { functions } = this.#host.kernel
    const fn = functions.get(symbol)
    const address = functions.addressOf(symbol)
    if (address === 0) return -ERRNO.ENOENT
    if (fn && !fn.traceable) return -ERRNO.EINVAL
    if (!fn) this.#host.kernel.log.warn({ symbol }, 'probe on a function that is not modelled: it never fires')
    return { symbol, address, fn }
  }

  /** The function at an address, whose low word is given. */
  siteAt(address: number): (ProbeSite & { readonly offset: number }) | number {
    const found = this.#host.kernel.functions.symbolAt(address)
    if (!found) return -ERRNO.ENOENT
    const site = this.site(found.name)
    return typeof site === 'number' ? site : { ...site, offset: found.offset }
  }
}
