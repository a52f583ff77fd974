// Replay: every process of a recording is a task that makes the recorded calls at the recorded times, with the recorded strings and
// buffers in its user memory. The kernel's own model computes the results; where it differs, the recorded result is imposed at the
// innermost modelled function and the call counts as diverged.
//
// What a log does not hold is modelled: bytes beyond strace's -s, contents of pages, faults, CPU use between calls (none is charged),
// environment strings.

import { UserError } from '../../base/errors.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { Task } from '../../kernel-sim/task/task.ts'
import { UserArena } from '../../kernel-sim/user/arena.ts'
import type { Recorded, UserSide, UserStep } from '../../kernel-sim/user/user-side.ts'
import { AddressHints } from './addresses.ts'
import { processesOf, type RecordedProcess } from './processes.ts'
import { encodeCall } from './strace/encode.ts'
import type { Recording } from './strace/read.ts'
import type { RecordedCall } from './strace/record.ts'

/** How a replay went, for the summary. */
export interface ReplayReport {
  /** Calls that were made. */
  syscalls: number
  /** Calls whose result the model would not have given. */
  diverged: number
  /** Diverged calls by name. */
  readonly bySyscall: Map<string, number>
  /** Lines of the recording that could not be read. */
  readonly skippedLines: number
  /** Constants that strace named and that have no number here, with how often: zero was passed. */
  readonly unknownConstants: Map<string, number>
}

/** One diverged call, for whoever wants to know what and where. */
export interface Divergence {
  readonly line: number
  readonly name: string
  readonly recorded: number
  readonly modelled: number
}

export class Replay {
  readonly report: ReplayReport
  readonly divergences: Divergence[] = []
  readonly #kernel: Kernel
  readonly #processes: ReadonlyMap<number, RecordedProcess>
  readonly #numbers: ReadonlyMap<string, number>
  readonly #startNs: number

  /** `startNs`: virtual time of the recording's first line. */
  constructor(kernel: Kernel, recording: Recording, startNs: number) {
    this.#kernel = kernel
    this.#startNs = startNs
    this.#processes = new Map(processesOf(recording.events).map((process) => [process.pid, process]))
    this.#numbers = new Map(kernel.profile.syscalls.map(({ call, number }) => [call, number]))
    this.report = {
      syscalls: 0,
      diverged: 0,
      bySyscall: new Map(),
      skippedLines: recording.skipped.length,
      unknownConstants: new Map(),
    }
  }

  get processes(): readonly RecordedProcess[] {
    return [...this.#processes.values()]
  }

  /** Virtual time at which the last recorded event is over. */
  get endNs(): number {
    let end = 0
    for (const { calls, exit } of this.#processes.values()) {
      for (const call of calls) end = Math.max(end, call.startNs + call.durationNs)
      end = Math.max(end, exit?.atNs ?? 0)
    }
    return this.at(end)
  }

  /** The user side of a process of the recording. */
  userOf(task: Task, pid: number): UserSide {
    const process = this.#processes.get(pid)
    if (!process) throw new UserError(`the recording has no process ${pid}`)
    return new ReplayedTask(this, task, process)
  }

  /** Virtual time of an instant of the recording. */
  at(recordedNs: number): number {
    return this.#startNs + recordedNs
  }

  number(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  /** A call is over. */
  count(call: RecordedCall, recorded: Recorded, modelled: number): void {
    this.report.syscalls++
    if (!recorded.diverged) return
    this.report.diverged++
    this.report.bySyscall.set(call.name, (this.report.bySyscall.get(call.name) ?? 0) + 1)
    this.divergences.push({ line: call.line, name: call.name, recorded: recorded.result ?? Number.NaN, modelled })
  }

  countUnknown(names: readonly string[]): void {
    const { unknownConstants } = this.report
    for (const name of names) unknownConstants.set(name, (unknownConstants.get(name) ?? 0) + 1)
  }

  get kernel(): Kernel {
    return this.#kernel
  }
}

/** Names that strace gives to calls other than <asm/unistd.h> does. */
const RENAMED: Readonly<Record<string, string>> = { umount: 'umount2', pread: 'pread64', pwrite: 'pwrite64' }

class ReplayedTask implements UserSide {
  readonly uncontended = true
  readonly #replay: Replay
  readonly #arena: UserArena
  readonly #process: RecordedProcess
  readonly #hints: AddressHints
  #next = 0
  #running: { call: RecordedCall; recorded: Recorded } | undefined

  constructor(replay: Replay, task: Task, process: RecordedProcess) {
    this.#replay = replay
    this.#process = process
    this.#arena = new UserArena(task)
    this.#hints = new AddressHints(process)
  }

  next(task: Task): UserStep {
    const { calls, exit } = this.#process
    for (;;) {
      const call = calls[this.#next]
      if (!call) {
        // A process that ended without a recorded exit call was killed; the signal arrives by itself or not at all.
        const untilNs = exit ? this.#replay.at(exit.atNs) : Number.POSITIVE_INFINITY
        if (exit && untilNs <= this.#replay.kernel.nowNs)
          return this.#exit(typeof exit.status === 'number' ? exit.status >> 8 : 1)
        return { kind: 'idle', untilNs }
      }
      const startNs = this.#replay.at(call.startNs)
      if (startNs > this.#replay.kernel.nowNs) return { kind: 'idle', untilNs: startNs }
      this.#next++
      const nr = this.#replay.number(RENAMED[call.name] ?? call.name)
      // restart_syscall and calls that this kernel version lacks have no entry to go through.
      if (nr === undefined) continue
      return this.#call(task, call, nr)
    }
  }

  #call(task: Task, call: RecordedCall, nr: number): UserStep {
    this.#arena.reset()
    this.#hints.before(task, call)
    const { args, unknown } = encodeCall(call, { place: (bytes, size) => BigInt(this.#arena.place(bytes, size)) })
    if (unknown.length > 0) this.#replay.countUnknown(unknown)
    const { value } = call.result
    const recorded: Recorded = {
      endsAtNs: this.#replay.at(call.startNs + call.durationNs),
      result: value === undefined ? undefined : Number(BigInt.asIntN(64, value)),
      diverged: false,
      expired: false,
      settled: false,
    }
    this.#running = { call, recorded }
    return { kind: 'syscall', nr, args: args.map((arg) => Number(BigInt.asIntN(64, arg))), recorded }
  }

  returned(_task: Task, result: number): void {
    const running = this.#running
    this.#running = undefined
    if (running) this.#replay.count(running.call, running.recorded, result)
  }

  /** The handler's own calls, and its rt_sigreturn, are in the recording. */
  handleSignal(): void {}

  executed(): void {
    const running = this.#running
    this.#running = undefined
    if (running) this.#replay.count(running.call, running.recorded, 0)
  }

  forked(_parent: Task, child: Task): UserSide {
    return this.#replay.userOf(child, child.pid)
  }

  stack(): readonly number[] {
    return []
  }

  #exit(status: number): UserStep {
    return { kind: 'syscall', nr: this.#replay.number('exit_group')!, args: [status, 0, 0, 0, 0, 0] }
  }
}
