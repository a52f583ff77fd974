// One task. Its task_struct in kernel memory is the only copy of what that struct holds; this class is how kernel code reads and
// writes it. Held here, because no struct has it: where its code stands (stack pointer, frame, function, suspended generator) and
// what runs on its user side.

import type { KernelMemory } from '../../base/memory.ts'
import type { Kernel } from '../kernel.ts'
import type { CoreLayout } from '../layout.ts'
import type { WaitQueue } from '../sched/wait-queue.ts'
import { SIG } from '../signal/numbers.ts'
import type { SignalFrame } from '../signal/signals.ts'
import { hasSignal, type Sigset } from '../signal/sigset.ts'
import type { SyscallStep } from '../syscalls/table.ts'
import { TEXT_START } from '../trace/function.ts'
import type { Recorded, UserSide } from '../user/user-side.ts'
import type { MaybeWait, Wait } from '../wait.ts'
import type { PendingSignal, ThreadGroup } from './group.ts'
import type { AddressSpace, Files, FsState } from './resources.ts'
import type { Found } from './wait.ts'

export const STACK_BYTES = 16384

/** Task states (include/linux/sched.h). */
export const STATE = {
  running: 0,
  interruptible: 1,
  uninterruptible: 2,
  stopped: 4,
  traced: 8,
  dead: 0x10,
  zombie: 0x20,
  parked: 0x40,
  taskDead: 0x80,
  wakeKill: 0x100,
  noLoad: 0x400,
  killable: 0x102,
  idle: 0x402,
  new: 0x800,
} as const

/** task_struct.flags (PF_*). */
export const PF = {
  idle: 0x2,
  exiting: 0x4,
  forkNoExec: 0x40,
  signaled: 0x400,
  randomize: 0x400000,
  kthread: 0x200000,
  noSetAffinity: 0x4000000,
} as const

/** thread_info.flags (TIF_*), as bits. */
export const TIF = { notifyResume: 1 << 1, sigpending: 1 << 2, needResched: 1 << 3, notifySignal: 1 << 17 } as const

/** Fixed point of se.load.weight. */
const LOAD_SCALE = 1024
/** sched_prio_to_weight[]: each step of nice is about 10 % of the CPU. */
// biome-ignore format: a table of numbers reads better dense
const NICE_WEIGHTS: readonly number[] = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
  1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
]

export class Task {
  readonly k: Kernel
  /** Offset of its task_struct. */
  readonly at: number
  /** Offset of the lowest byte of its kernel stack. */
  readonly stack: number
  /** Offset of its user registers (struct pt_regs), at the top of the kernel stack. */
  readonly regs: number
  readonly #mem: KernelMemory
  readonly #o: CoreLayout['task']

  // Where its kernel code stands: offsets, and the low word of the address of the function that runs.
  sp: number
  bp = 0
  ip = 0
  /** Kernel code that was left in the middle, to be continued when the task runs. */
  suspended: Wait<undefined> | undefined
  /** What runs in user mode; undefined for kernel threads and idle tasks. */
  user: UserSide | undefined
  /** User-mode work still to be done before the user side is asked again. */
  userLeftNs = 0
  /** It was made by a system call, from which it has to return. */
  forked = false
  /** What a recording says of the call that is being made. */
  recorded: Recorded | undefined
  /** The call that is on its way back to user mode, with signals or preemption to deal with first. */
  interrupted: { readonly step: SyscallStep; readonly result: number } | undefined
  /** The call to make (again) before its user side is asked. */
  restart: SyscallStep | undefined
  /** What restart_syscall does: the rest of a sleep that a signal without a handler interrupted. */
  restartBlock: (() => MaybeWait<number>) | undefined
  /** Handlers that run on its user side, innermost last. */
  readonly signalFrames: SignalFrame[] = []
  /** Signals for this thread alone. */
  readonly pendingInfo: PendingSignal[] = []
  /** The mask to go back to after sigsuspend and its like. */
  restoreMask: Sigset | undefined
  /** Its parent sleeps in vfork until it has an address space of its own, or is gone. */
  vfork: { done: boolean; readonly queue: WaitQueue } | undefined
  /** The child that its last wait found. */
  found: Found | undefined
  /** Reaped, and off its CPU for the last time: when both are so, its memory goes. */
  readonly gone = { released: false, dead: false }
  /** To be done on the way to user mode (task_work_add). */
  readonly work: (() => void)[] = []
  /** Its process, shared with its threads; undefined for idle tasks. */
  group!: ThreadGroup
  // What the file and memory parts hold for it; their structs' addresses are in the task_struct.
  #mm: AddressSpace | undefined
  #files: Files | undefined
  #fs: FsState | undefined

  // Scheduling.
  /** A replayed task: runs at its instants and competes with nobody. */
  uncontended = false
  /** Held on (or off) its CPU until then; 0: not held. */
  holdUntilNs = 0
  /** Held, and another task took its CPU. */
  switchedOutHeld = false
  /** When it was put on a run queue. */
  queuedNs = 0
  /** sumExecRuntime when it got the CPU. */
  sliceStartNs = 0

  constructor(k: Kernel, at: number, stack: number) {
    this.k = k
    this.at = at
    this.stack = stack
    this.#mem = k.mem
    this.#o = k.layout.task
    this.regs = stack + STACK_BYTES - k.layout.size.ptRegs
    this.sp = this.regs
    k.mem.writePtr(at + this.#o.stack, stack)
  }

  get pid(): number {
    return this.#mem.i32[(this.at + this.#o.pid) >> 2]!
  }

  get tgid(): number {
    return this.#mem.i32[(this.at + this.#o.tgid) >> 2]!
  }

  /** Whether it is the first thread of its process. */
  get isLeader(): boolean {
    return this.pid === this.tgid
  }

  get comm(): string {
    return this.#mem.cstring(this.at + this.#o.comm, 16)
  }

  set comm(text: string) {
    this.#mem.writeCstring(this.at + this.#o.comm, text, 16)
  }

  /** __state: a sum of STATE bits, 0 when it runs or could. */
  get state(): number {
    return this.#mem.i32[(this.at + this.#o.state) >> 2]!
  }

  set state(value: number) {
    this.#mem.i32[(this.at + this.#o.state) >> 2] = value
  }

  get flags(): number {
    return this.#mem.i32[(this.at + this.#o.flags) >> 2]!
  }

  set flags(value: number) {
    this.#mem.i32[(this.at + this.#o.flags) >> 2] = value
  }

  get exitState(): number {
    return this.#mem.i32[(this.at + this.#o.exitState) >> 2]!
  }

  set exitState(value: number) {
    this.#mem.i32[(this.at + this.#o.exitState) >> 2] = value
  }

  get exitCode(): number {
    return this.#mem.i32[(this.at + this.#o.exitCode) >> 2]!
  }

  set exitCode(value: number) {
    this.#mem.i32[(this.at + this.#o.exitCode) >> 2] = value
  }

  get prio(): number {
    return this.#mem.i32[(this.at + this.#o.prio) >> 2]!
  }

  /** The CPU it is on, or was on last. */
  get cpu(): number {
    return this.#mem.i32[(this.at + this.#o.cpu) >> 2]!
  }

  set cpu(value: number) {
    this.#mem.i32[(this.at + this.#o.cpu) >> 2] = value
  }

  /** SIGKILL waits for it: it dies on its way to user mode. */
  get killed(): boolean {
    return hasSignal(this.#mem, this.at + this.#o.pendingSignals, SIG.KILL)
  }

  get isIdle(): boolean {
    return (this.flags & PF.idle) !== 0
  }

  get mm(): AddressSpace | undefined {
    return this.#mm
  }

  set mm(mm: AddressSpace | undefined) {
    this.#mm = mm
    this.#mem.writePtr(this.at + this.#o.mm, mm?.at ?? 0)
    if (mm) this.#mem.writePtr(this.at + this.#o.activeMm, mm.at)
  }

  get files(): Files | undefined {
    return this.#files
  }

  set files(files: Files | undefined) {
    this.#files = files
    this.#mem.writePtr(this.at + this.#o.files, files?.at ?? 0)
  }

  get fs(): FsState | undefined {
    return this.#fs
  }

  set fs(fs: FsState | undefined) {
    this.#fs = fs
    this.#mem.writePtr(this.at + this.#o.fs, fs?.at ?? 0)
  }

  get realParent(): Task {
    return this.k.tasks.at(this.#mem.readPtr(this.at + this.#o.realParent))
  }

  get groupLeader(): Task {
    return this.k.tasks.at(this.#mem.readPtr(this.at + this.#o.groupLeader))
  }

  /** Offsets of its credentials, subjective and objective. */
  get cred(): number {
    return this.#mem.readPtr(this.at + this.#o.cred)
  }

  get realCred(): number {
    return this.#mem.readPtr(this.at + this.#o.realCred)
  }

  get nsproxy(): number {
    return this.#mem.readPtr(this.at + this.#o.nsproxy)
  }

  /** Offset of its signal_struct, shared by its threads. */
  get signal(): number {
    return this.#mem.readPtr(this.at + this.#o.signal)
  }

  get sighand(): number {
    return this.#mem.readPtr(this.at + this.#o.sighand)
  }

  // Scheduling. Times are nanoseconds since boot, or nanoseconds of use.

  get onRq(): boolean {
    return this.#mem.i32[(this.at + this.#o.onRq) >> 2] !== 0
  }

  set onRq(value: boolean) {
    this.#mem.i32[(this.at + this.#o.onRq) >> 2] = value ? 1 : 0
    this.#mem.u8[this.at + this.#o.seOnRq] = value ? 1 : 0
  }

  set onCpu(value: boolean) {
    this.#mem.i32[(this.at + this.#o.onCpu) >> 2] = value ? 1 : 0
  }

  get vruntime(): number {
    return this.#mem.readInt64(this.at + this.#o.vruntime)
  }

  set vruntime(value: number) {
    this.#mem.writeInt64(this.at + this.#o.vruntime, value)
  }

  /** Load weight for shares of the CPU, 1024 at nice 0. */
  get weight(): number {
    return this.#mem.readInt64(this.at + this.#o.loadWeight) / LOAD_SCALE
  }

  get sumExecRuntime(): number {
    return this.#mem.readInt64(this.at + this.#o.sumExecRuntime)
  }

  set sumExecRuntime(value: number) {
    this.#mem.writeInt64(this.at + this.#o.sumExecRuntime, value)
  }

  get utime(): number {
    return this.#mem.readInt64(this.at + this.#o.utime)
  }

  set utime(value: number) {
    this.#mem.writeInt64(this.at + this.#o.utime, value)
  }

  get stime(): number {
    return this.#mem.readInt64(this.at + this.#o.stime)
  }

  /** What it used beyond its user time is system time. */
  updateSystemTime(): void {
    this.#mem.writeInt64(this.at + this.#o.stime, Math.max(this.stime, this.sumExecRuntime - this.utime))
  }

  /** It got the CPU. */
  arrived(nowNs: number): void {
    const mem = this.#mem
    const o = this.#o
    this.sliceStartNs = this.sumExecRuntime
    mem.writeInt64(this.at + o.execStart, nowNs)
    mem.writeInt64(this.at + o.prevSumExecRuntime, this.sliceStartNs)
    mem.writeInt64(this.at + o.lastArrival, nowNs)
    mem.writeInt64(this.at + o.pcount, mem.readInt64(this.at + o.pcount) + 1)
    mem.writeInt64(this.at + o.runDelay, mem.readInt64(this.at + o.runDelay) + Math.max(0, nowNs - this.queuedNs))
  }

  countSwitch(voluntary: boolean): void {
    const at = this.at + (voluntary ? this.#o.nvcsw : this.#o.nivcsw)
    this.#mem.writeInt64(at, this.#mem.readInt64(at) + 1)
  }

  /** thread.sp, which a debugger or a crash tool would start from. */
  saveStackPointer(): void {
    if (this.#o.threadSp >= 0) this.#mem.writePtr(this.at + this.#o.threadSp, this.sp)
  }

  migrate(cpu: number): void {
    this.cpu = cpu
    const at = this.at + this.#o.nrMigrations
    this.#mem.writeInt64(at, this.#mem.readInt64(at) + 1)
  }

  mayRunOn(cpu: number): boolean {
    return ((this.#mem.u8[this.at + this.#o.cpusMask + (cpu >> 3)]! >> (cpu & 7)) & 1) !== 0
  }

  firstAllowedCpu(): number {
    for (const { id } of this.k.cpus) if (this.mayRunOn(id)) return id
    return 0
  }

  /** A new task's scheduling entity: nothing used yet, priority as it is. */
  resetSchedEntity(): void {
    const o = this.#o
    for (const member of [
      o.execStart,
      o.sumExecRuntime,
      o.prevSumExecRuntime,
      o.vruntime,
      o.nrMigrations,
      o.nvcsw,
      o.nivcsw,
    ]) {
      this.#mem.writeInt64(this.at + member, 0)
    }
    for (const member of [o.utime, o.stime, o.lastArrival, o.runDelay, o.pcount, o.lastQueued]) {
      this.#mem.writeInt64(this.at + member, 0)
    }
    this.onRq = false
    this.onCpu = false
  }

  /** Nice value -20 to 19: priority and weight follow. */
  get nice(): number {
    return this.#mem.i32[(this.at + this.#o.staticPrio) >> 2]! - 120
  }

  set nice(nice: number) {
    for (const member of [this.#o.prio, this.#o.staticPrio, this.#o.normalPrio]) {
      this.#mem.i32[(this.at + member) >> 2] = 120 + nice
    }
    this.#mem.writeInt64(this.at + this.#o.loadWeight, NICE_WEIGHTS[nice + 20]! * LOAD_SCALE)
  }

  /** Whether one of these thread_info.flags is set. */
  hasThreadFlag(flags: number): boolean {
    return (this.#mem.i32[(this.at + this.#o.threadFlags) >> 2]! & flags) !== 0
  }

  setThreadFlag(flags: number, on: boolean): void {
    const i = (this.at + this.#o.threadFlags) >> 2
    this.#mem.i32[i] = on ? this.#mem.i32[i]! | flags : this.#mem.i32[i]! & ~flags
  }

  /**
   * Its kernel stack, innermost first: low words of text addresses (int32; the high word is TEXT_HI). Also of a task that sleeps.
   * `atEntry`: the first is where the innermost function begins, as a probe on its entry sees it, else a place inside it.
   */
  kernelStack(atEntry = false): number[] {
    if (this.ip === 0) return []
    const { i32 } = this.#mem
    const addresses = [atEntry ? this.ip : (this.ip + 0x2b) | 0]
    for (let bp = this.bp; bp !== 0; bp = i32[bp >> 2]!) {
      const address = i32[(bp + 8) >> 2]!
      // Below the text: the interrupt came in user mode.
      if (address >>> 0 < TEXT_START) break
      addresses.push(address)
    }
    return addresses
  }

  /** Its kernel stack is empty: it runs in user mode. */
  enterUserMode(): void {
    this.ip = 0
    this.bp = 0
    this.sp = this.regs
  }

  /** Room for a local variable of the function that runs, zeroed; it goes when the function returns. */
  stackRoom(sizeBytes: number): number {
    this.sp -= (sizeBytes + 15) & ~15
    this.#mem.u8.fill(0, this.sp, this.sp + sizeBytes)
    return this.sp
  }

  /** Its user stack, innermost first: user addresses. Empty for kernel threads. */
  userStack(): readonly number[] {
    return this.user?.stack() ?? []
  }
}
