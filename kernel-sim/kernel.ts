// One simulated kernel. Everything mutable hangs here: two kernels run interleaved in one process.
// Code that runs "in the kernel" reads `current` and `cpu`: the task and CPU of the step that is being executed.

import { EventEmitter } from 'eventemitter3'
import { Allocator } from '../base/allocator.ts'
import type { Btf } from '../base/btf/btf.ts'
import { ERRNO } from '../base/errno.ts'
import { Layouts } from '../base/layouts.ts'
import { type Logger, silent } from '../base/logger.ts'
import { DEFAULT_MEMORY_BYTES, KernelMemory } from '../base/memory.ts'
import { Rng } from '../base/rng.ts'
import { COST_NS } from './costs.ts'
import { Cpu } from './cpu.ts'
import { Driver, type RunEnd, type RunLimits } from './drive.ts'
import { attachFileSystem } from './fs/attach.ts'
import type { PreparedNode } from './fs/prepare.ts'
import { DEFAULT_ROOT } from './fs/rootfs.ts'
import type { Vfs, VfsHost } from './fs/vfs.ts'
import { bindCore, type CoreLayout } from './layout.ts'
import type { MemoryCalls } from './mm/calls.ts'
import type { Net } from './net/net.ts'
import { PerCpu } from './percpu.ts'
import type { SyscallRecord } from './profiles/syscalls.ts'
import type { TracepointRecord } from './profiles/tracepoints.ts'
import { Scheduler } from './sched/scheduler.ts'
import { Sleeps } from './sched/sleep.ts'
import { Scratch } from './scratch.ts'
import { SEND_SIG_PRIV, SIG } from './signal/numbers.ts'
import { PIDTYPE_PID, Signals } from './signal/signals.ts'
import { credentialSyscalls } from './syscalls/credentials.ts'
import { fileSyscalls } from './syscalls/files.ts'
import { infoSyscalls } from './syscalls/info.ts'
import { memorySyscalls } from './syscalls/memory.ts'
import { pollSyscalls } from './syscalls/poll.ts'
import { processSyscalls } from './syscalls/process.ts'
import { schedulingSyscalls } from './syscalls/scheduling.ts'
import { signalSyscalls } from './syscalls/signals.ts'
import { socketSyscalls } from './syscalls/sockets.ts'
import { SyscallTable } from './syscalls/table.ts'
import { timeSyscalls } from './syscalls/time.ts'
import { Cgroups } from './task/cgroups.ts'
import { Credentials } from './task/credentials.ts'
import { Exec } from './task/exec.ts'
import { Exit } from './task/exit.ts'
import { Fork, type SpawnOptions } from './task/fork.ts'
import { Futexes } from './task/futex.ts'
import { declareIdle, finishIdleTask, newIdleTask } from './task/idle.ts'
import { startInit } from './task/init.ts'
import { Namespaces } from './task/namespaces.ts'
import { Pids } from './task/pids.ts'
import { TaskTable } from './task/table.ts'
import { PF, type Task, TIF } from './task/task.ts'
import { WaitChildren } from './task/wait.ts'
import { EventQueue } from './time/event-queue.ts'
import { IntervalTimers } from './time/timers.ts'
import { FunctionTable } from './trace/function.ts'
import { TracepointTable } from './trace/tracepoint-table.ts'
import type { Recorded } from './user/user-side.ts'
import type { MaybeWait, Wait } from './wait.ts'

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
  readonly hostname?: string
  /** What its file system holds; a small Debian's directories, tools and configuration by default. */
  readonly files?: Iterable<PreparedNode>
  /** Process numbers of programs start above this; default 1000. */
  readonly lastPid?: number
}

/** What user space may listen to; handlers run between events. */
export interface KernelNotices {
  /** A task has exited (its task_struct is still there). */
  exit: [task: Task]
}

const DEFAULT_LAST_PID = 1000
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
  readonly notices = new EventEmitter<KernelNotices>()
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
  /** The file system, memory management and sockets. */
  vfs!: Vfs
  memory!: MemoryCalls
  net!: Net

  readonly namespaces: Namespaces
  readonly pids: Pids
  readonly credentials: Credentials
  readonly cgroups: Cgroups
  readonly sched: Scheduler
  readonly sleeps: Sleeps
  readonly signals: Signals
  readonly timers: IntervalTimers
  readonly futexes: Futexes
  readonly processes: { readonly fork: Fork; readonly exec: Exec; readonly exit: Exit; readonly wait: WaitChildren }
  readonly syscalls: SyscallTable
  /** Moves time on. */
  readonly driver: Driver
  /** Process 1, which adopts orphans. */
  readonly init: Task
  /** Parent of kernel threads. */
  readonly kthreadd: Task
  readonly #timerInterrupt: (run: () => void) => undefined

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
    this.cpuCount = options.cpus ?? 2
    this.percpu = new PerCpu(this.alloc, this.cpuCount)
    this.scratch = new Scratch(this.alloc)
    this.functions = new FunctionTable(this, profile.symbols)
    this.tracepoints = new TracepointTable(this, profile.tracepoints)
    this.trace = this.tracepoints.events
    const runqueues = this.percpu.declare('runqueues', this.layout.size.rq)
    this.cpus = Array.from({ length: this.cpuCount }, (_, id) => new Cpu(this, id, newIdleTask(this, id), runqueues))
    this.cpu = this.cpus[0]!
    this.current = this.cpu.idle

    this.namespaces = new Namespaces(this, options.hostname ?? 'bpfsim')
    this.pids = new Pids(this, this.namespaces.pid)
    this.credentials = new Credentials(this, this.namespaces.user)
    this.cgroups = new Cgroups(this)
    this.sched = new Scheduler(this)
    this.sleeps = new Sleeps(this)
    this.signals = new Signals(this)
    this.timers = new IntervalTimers(this)
    this.futexes = new Futexes(this)
    attachFileSystem(this, this.#fileHost(), options.files ?? DEFAULT_ROOT)
    this.processes = { fork: new Fork(this), exec: new Exec(this), exit: new Exit(this), wait: new WaitChildren(this) }
    this.#timerInterrupt = this.functions.declare(
      'void asm_sysvec_apic_timer_interrupt(void)',
      (run: () => void) => {
        run()
        return undefined
      },
      { hidden: true, costNs: COST_NS.interrupt },
    )
    this.syscalls = new SyscallTable(this, [
      infoSyscalls,
      processSyscalls,
      schedulingSyscalls,
      signalSyscalls,
      timeSyscalls,
      credentialSyscalls,
      fileSyscalls,
      memorySyscalls,
      pollSyscalls,
      socketSyscalls,
    ])
    this.driver = new Driver(this)
    const idle = declareIdle(this)
    for (const cpu of this.cpus) {
      finishIdleTask(this, cpu.idle)
      this.cpu = cpu
      this.current = cpu.idle
      cpu.idle.suspended = idle(cpu.idle)
      cpu.idle.suspended.next()
    }
    this.cpu = this.cpus[0]!
    this.current = this.cpu.idle
    this.init = startInit(this)
    this.kthreadd = this.processes.fork.kthread('kthreadd', this.cpu.idle, () => this.sleeps.forever())
    this.run()
    this.cpu = this.cpus[0]!
    this.current = this.cpu.current
    this.pids.startAfter(options.lastPid ?? DEFAULT_LAST_PID)
  }

  /** The clock of the CPU that runs: nanoseconds since boot. */
  get nowNs(): number {
    return this.cpu.nowNs
  }

  /** Let time go on until nothing more will happen, or a limit is reached. */
  run(limits: RunLimits = {}): RunEnd {
    return this.driver.run(limits)
  }

  /** A process for a program that a session starts. */
  spawn(options: SpawnOptions): Task {
    return this.processes.fork.spawn(options)
  }

  /** A stream of chance of its own for the subsystem `name`. */
  rng(name: string): Rng {
    return new Rng(this.seed, name)
  }

  /** Kernel code that runs takes so long. */
  charge(ns: number): void {
    this.cpu.nowNs += ns
  }

  /** Run in the timer interrupt, on top of whatever runs on this CPU. */
  interrupt(run: () => void): void {
    this.#timerInterrupt(run)
  }

  /** Kernel code that the host runs for a task (a session's own calls), between steps. */
  as<T>(task: Task, run: () => T): T {
    const { cpu, current } = this
    this.cpu = this.cpus[task.cpu]!
    this.current = task
    if (this.cpu.nowNs < this.driver.nowNs) this.cpu.nowNs = this.driver.nowNs
    try {
      return run()
    } finally {
      this.cpu = cpu
      this.current = current
    }
  }

  /**
   * The innermost modelled function of a system call passes its result through here. For a replayed call it comes back at the recorded
   * end, as the recorded result; where the model had another, the call counts as diverged, and `whenDiverged` brings the model in line
   * (a descriptor that was returned is installed). Anything else gets `result` back at once.
   */
  settle(result: number, whenDiverged?: (recorded: number) => void): MaybeWait<number> {
    const { recorded } = this.current
    return !recorded || recorded.settled ? result : this.#settle(recorded, result, whenDiverged)
  }

  *#settle(recorded: Recorded, result: number, whenDiverged?: (recorded: number) => void): Wait<number> {
    recorded.settled = true
    if (recorded.result === undefined) {
      yield* this.sleeps.forever()
      return -ERRNO.ERESTARTSYS
    }
    yield* this.sched.holdUntil(recorded.endsAtNs)
    if (recorded.result === result) return result
    recorded.diverged = true
    recorded.modelled = result
    whenDiverged?.(recorded.result)
    return recorded.result
  }

  /** To be done when the task returns to user mode (task_work_add), or exits. */
  addTaskWork(task: Task, work: () => void): void {
    task.work.push(work)
    task.setThreadFlag(TIF.notifyResume, true)
  }

  runTaskWork(task: Task): void {
    task.setThreadFlag(TIF.notifyResume, false)
    for (let work = task.work.shift(); work; work = task.work.shift()) work()
  }

  #fileHost(): VfsHost {
    return {
      wait: (queues, condition, options) => this.sleeps.wait(queues, condition, options),
      signal: (signal) => {
        this.signals.doSendSigInfo(signal, SEND_SIG_PRIV, this.current, PIDTYPE_PID)
      },
      later: (work) => {
        if (this.current.user === undefined || this.current.flags & PF.exiting) work()
        else this.addTaskWork(this.current, work)
      },
    }
  }

  /** A user-mode access: SIGSEGV where nothing is mapped. */
  userFault(task: Task, address: number, write: boolean): void {
    const byte = new Uint8Array(1)
    const failed = write ? task.mm?.write(address, byte, 0, 1) : task.mm?.read(address, byte, 0, 1)
    if (failed !== 0) this.signals.doSendSigInfo(SIG.SEGV, SEND_SIG_PRIV, task, PIDTYPE_PID)
  }
}
