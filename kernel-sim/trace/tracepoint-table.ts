// The tracepoints of one kernel by `system:name`, those of all system calls among them.

import type { Kernel } from '../kernel.ts'
import type { SyscallRecord } from '../profiles/syscalls.ts'
import type { TracepointRecord } from '../profiles/tracepoints.ts'
import { allEvents } from './events/index.ts'
import { syscallEnter, syscallExit } from './events/syscalls.ts'
import { type AnyEvent, Tracepoint, type Tracepoints } from './tracepoint.ts'

/** sys_enter_x and sys_exit_x. */
export interface SyscallTracepoints {
  readonly enter: Tracepoint<[regs: number, id: number]>
  readonly exit: Tracepoint<[regs: number, ret: number]>
}

export class TracepointTable {
  /** What kernel code announces through, by the names of events/. */
  readonly events: Tracepoints<typeof allEvents>
  readonly #k: Kernel
  readonly #records: ReadonlyMap<string, TracepointRecord>
  readonly #byName = new Map<string, Tracepoint>()
  readonly #syscalls = new Map<string, SyscallTracepoints>()

  constructor(k: Kernel, records: readonly TracepointRecord[]) {
    this.#k = k
    this.#records = new Map(records.map((record) => [`${record.system}:${record.name}`, record]))
    const events: Record<string, Tracepoint> = {}
    for (const [key, spec] of Object.entries(allEvents)) events[key] = this.#add(spec)
    this.events = events as unknown as Tracepoints<typeof allEvents>
  }

  /** The tracepoint that this kernel announces under `system:name`, if its version has it. */
  get(name: string): Tracepoint | undefined {
    return this.#byName.get(name)
  }

  /** Every tracepoint that this kernel announces. */
  all(): IterableIterator<Tracepoint> {
    return this.#byName.values()
  }

  /** The pair of one system call. */
  syscall(record: SyscallRecord): SyscallTracepoints {
    let pair = this.#syscalls.get(record.name)
    if (!pair) {
      pair = {
        enter: this.#add(syscallEnter(record)) as unknown as SyscallTracepoints['enter'],
        exit: this.#add(syscallExit(record)) as unknown as SyscallTracepoints['exit'],
      }
      this.#syscalls.set(record.name, pair)
    }
    return pair
  }

  #add(spec: AnyEvent): Tracepoint {
    const name = `${spec.system}:${spec.name}`
    const record = this.#records.get(name)
    const tracepoint = new Tracepoint(this.#k, spec, record)
    if (record) this.#byName.set(name, tracepoint)
    return tracepoint
  }
}
