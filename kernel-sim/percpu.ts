// Per-CPU data as Linux has it: a symbol is an offset into a unit, each CPU has one unit, so that the address of a CPU's copy is
// `__per_cpu_offset[cpu] + symbol`. Symbol 0 is never handed out: a null per-CPU pointer stays null.

import { type Allocator, OutOfMemory } from '../base/allocator.ts'

const UNIT_PAGES = 32

export class PerCpu {
  readonly cpus: number
  readonly #unitBytes = UNIT_PAGES * 4096
  readonly #first: number
  readonly #symbols = new Map<string, { offset: number; sizeBytes: number }>()
  #next = 64

  constructor(alloc: Allocator, cpus: number) {
    this.cpus = cpus
    this.#first = alloc.allocPages(UNIT_PAGES * cpus)
  }

  /** Offset of CPU `cpu`'s unit: what `__per_cpu_offset[cpu]` adds to a symbol. */
  unit(cpu: number): number {
    return this.#first + cpu * this.#unitBytes
  }

  /** Reserve `sizeBytes` for the variable `name` on every CPU; returns the symbol. Aligned to 64. */
  declare(name: string, sizeBytes: number): number {
    const offset = this.#next
    this.#next = offset + Math.ceil(sizeBytes / 64) * 64
    if (this.#next > this.#unitBytes) throw new OutOfMemory(`no room for per-CPU ${name}`)
    this.#symbols.set(name, { offset, sizeBytes })
    return offset
  }

  symbols(): ReadonlyMap<string, { readonly offset: number; readonly sizeBytes: number }> {
    return this.#symbols
  }
}
