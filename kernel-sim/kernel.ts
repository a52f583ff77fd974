// One simulated kernel. Everything mutable hangs here: two kernels run interleaved in one process.
// Code that runs "in the kernel" reads `current` and `cpu`: the task and CPU of the step that is being executed.

import { Allocator } from '../base/allocator.ts'
import type { Btf } from '../base/btf/btf.ts'
import { Layouts } from '../base/layouts.ts'
import { type Logger, silent } from '../base/logger.ts'
import { DEFAULT_MEMORY_BYTES, KernelMemory } from '../base/memory.ts'
import { Rng } from '../base/rng.ts'
import { Cpu } from './cpu.ts'
import type { Vfs } from './fs/vfs.ts'
import { bindCore, type CoreLayout } from './layout.ts'
import type { MemoryCalls } from './mm/calls.ts'
import { PerCpu } from './percpu.ts'
import type { SyscallRecord } from './profiles/syscalls.ts'
import type { TracepointRecord } from './profiles/tracepoints.ts'
import { Scratch } from './scratch.ts'
import { newIdleTask } from './task/idle.ts'
import { TaskTable } from './task/table.ts'
import type { Task } from './task/task.ts'
import { EventQueue } from './time/event-queue.ts'
import { FunctionTable } from './trace/function.ts'
import { TracepointTable } from './trace/tracepoint-table.ts'

/** What the kernel takes of a profile (profiles/profile.ts). */
export interface KernelVersion {
  readonly release: string
  readonly btf: Btf
  readonly syscalls: readonly SyscallRecord[]
  readonly tracepoints: readonly TracepointRecord[]
  readonly symbols: readonly { readonly name: string; readonly aliasOf: string | undefined }[]
}

export interface BootOptions {
  readonly profile: KernelVersion
  /** 1 to 64; default 2. */
  readonly cpus?: number
  readonly seed?: number
  readonly memoryBytes?: number
  readonly log?: Logger
  /** CLOCK_REALTIME at boot, nanoseconds since 1970. Default 2026-01-01T00:00:00Z. */
  readonly bootTimeNs?: number
}

const DEFAULT_BOOT_TIME_NS = 1_767_225_600e9

export class Kernel {
  readonly release: string
  readonly profile: KernelVersion
  readonly seed: number
  readonly log: Logger
  readonly bootTimeNs: number
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly layouts: Layouts
  /** Offsets of the members that the core uses; other parts bind their own from `layouts`. */
  readonly layout: CoreLayout
  readonly percpu: PerCpu
  readonly scratch: Scratch
  readonly events = new EventQueue()
  readonly functions: FunctionTable
  readonly tracepoints: TracepointTable
  /** The tracepoints by name, for announcing: `k.trace.schedSwitch`. */
  readonly trace: TracepointTable['events']
  readonly tasks = new TaskTable()
  readonly cpuCount: number
  /** What /dev/urandom and getrandom(2) give. */
  readonly random: Rng
  readonly cpus: readonly Cpu[]
  /** The CPU whose step is being executed, and the task that runs on it. */
  cpu: Cpu
  current: Task
  /** The file system and memory management, set up by attachFileSystem(). */
  vfs!: Vfs
  memory!: MemoryCalls

  constructor(options: BootOptions) {
    const { profile } = options
    this.profile = profile
    this.release = profile.release
    this.seed = options.seed ?? 1
    this.random = this.rng('random')
    this.log = options.log ?? silent
    this.bootTimeNs = options.bootTimeNs ?? DEFAULT_BOOT_TIME_NS
    this.mem = new KernelMemory(options.memoryBytes ?? DEFAULT_MEMORY_BYTES)
    this.alloc = new Allocator(this.mem)
    this.layouts = new Layouts(profile.btf)
    this.layout = bindCore(this.layouts)
    const cpus = options.cpus ?? 2
    this.cpuCount = cpus
    this.percpu = new PerCpu(this.alloc, cpus)
    this.scratch = new Scratch(this.alloc)
    this.functions = new FunctionTable(
      this,
      profile.symbols.filter((symbol) => symbol.aliasOf === undefined).map((symbol) => symbol.name),
    )
    this.tracepoints = new TracepointTable(this, profile.tracepoints)
    this.trace = this.tracepoints.events
    const runqueues = this.percpu.declare('runqueues', this.layout.size.rq)
    this.cpus = Array.from({ length: cpus }, (_, id) => new Cpu(this, id, newIdleTask(this, id), runqueues))
    this.cpu = this.cpus[0]!
    this.current = this.cpu.idle
  }

  /** The clock of the CPU that runs: nanoseconds since boot. */
  get nowNs(): number {
    return this.cpu.nowNs
  }

  /** A stream of chance of its own for the subsystem `name`. */
  rng(name: string): Rng {
    return new Rng(this.seed, name)
  }

  /** Kernel code that runs takes so long. */
  charge(ns: number): void {
    this.cpu.nowNs += ns
  }
}
