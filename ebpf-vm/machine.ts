// What the engines share within one simulated kernel: memory, the injected platform, the tables of helpers and BPF functions,
// BPF stacks. The kernel side hands in a Platform; nothing here knows of tasks or files.

import type { Allocator } from '../base/allocator.ts'
import type { Logger } from '../base/logger.ts'
import type { KernelMemory } from '../base/memory.ts'
import type { HelperImpl } from './helper.ts'

/** What the machine needs of the kernel around it. */
export interface Platform {
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly log: Logger
  readonly cpus: number
  /** CPU that runs now. */
  cpu(): number
  /** CLOCK_MONOTONIC of that CPU, in nanoseconds (bpf_ktime_get_ns). */
  nowNs(): number
  /** Offset of the current task_struct. */
  currentTask(): number
  /** Advance the current CPU's clock by the cost of a helper call. */
  charge(ns: number): void
  /** A random u32 of the machine's own stream. */
  random(): number
}

/** A program loaded into one engine. Its BPF stack comes from the machine; it may be re-entered. */
export interface LoadedProgram {
  /** Run with r1 = the kernel address of `ctx`; returns the low word of r0 (int32). */
  run(ctx: number): number
  /** The same with the whole r0; slower, for tests and TEST_RUN. */
  runWide(ctx: number): bigint
  free(): void
}

/** Helper implementations by id, kfunc implementations by name. Assembled once per kernel. */
export interface HelperTables {
  readonly helpers: ReadonlyMap<number, HelperImpl>
  readonly kfuncs: ReadonlyMap<string, HelperImpl>
}
