// Replay: every process of a recording is a task that makes the recorded calls at the recorded times, with the recorded strings and
// buffers in its user memory. The kernel's own model computes the results; where it differs, the recorded result is imposed at the
// innermost modelled function and the call counts as diverged.
//
// What a log does not hold is modelled: bytes beyond strace's -s, contents of pages, faults, CPU use between calls (none is charged),
// environment strings.

import { InternalError, UserError } from '../../base/errors.ts'
import { prepareFiles } from '../../kernel-sim/fs/prepare.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { ExecPlace } from '../../kernel-sim/mm/exec-image.ts'
import type { Task } from '../../kernel-sim/task/task.ts'
import { UserArena } from '../../kernel-sim/user/arena.ts'
import type { Recorded, UserSide, UserStep } from '../../kernel-sim/user/user-side.ts'
import { startProcess } from '../process.ts'
import { chosenByMmap, recordedPlace } from './addresses.ts'
import { type InferredNode, inferFiles } from './prepare.ts'
import { inheritedPath, processesOf, type RecordedProcess } from './processes.ts'
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

/** Between the start of the replay and the recording's first line: time in which the first processes get onto a CPU. */
const LEAD_NS = 1_000_000
/** Who ran the recorded program: its name until its first execve. */
const RECORDER = 'strace'

export class Replay {
  readonly name: string
  readonly report: ReplayReport
  readonly divergences: Divergence[] = []
  readonly #recording: Recording
  readonly #processes: ReadonlyMap<number, RecordedProcess>
  #numbers: ReadonlyMap<string, number> = new Map()
  #kernel: Kernel | undefined
  /** Virtual time of the recording's first line. */
  #startNs = 0

  constructor(recording: Recording) {
    this.name = recording.file
    this.#recording = recording
    this.#processes = new Map(processesOf(recording.events).map((process) => [process.pid, process]))
    this.report = {
      syscalls: 0,
      diverged: 0,
      bySyscall: new Map(),
      skippedLines: recording.skipped.length,
      unknownConstants: new Map(),
    }
  }

  /** Prepare the files and start the processes that no recorded call made. */
  start(kernel: Kernel): void {
    this.#kernel = kernel
    this.#startNs = kernel.driver.nowNs + LEAD_NS
    this.#numbers = new Map(kernel.profile.syscalls.map(({ call, number }) => [call, number]))
    const files = inferFiles(this.#recording.events)
    const roots = this.processes.filter((process) => process.parent === 0)
    // What a first process had open or stood in was there, even if no call named it.
    for (const root of roots) {
      files.push(directory(root.cwd))
      for (const path of rootFiles(root).values()) files.push(...emptyFile(path))
    }
    prepareFiles(kernel.vfs, files)
    for (const root of roots) {
      const parent = recordedParent(root)
      startProcess(kernel, {
        comm: RECORDER,
        pid: root.pid,
        ...(parent > 1 && !this.#processes.has(parent) && { parent: this.#recorder(kernel, parent) }),
        cwd: root.cwd,
        files: rootFiles(root),
        atNs: this.at(root.startNs) - LEAD_NS,
        user: (task) => this.userOf(task, root.pid),
      })
    }
  }

  /** The process that ran the recorded program, alive throughout; it is not in the recording. */
  #recorder(kernel: Kernel, pid: number): Task {
    return kernel.tasks.get(pid) ?? startProcess(kernel, { comm: RECORDER, pid, files: new Map(), user: () => WAITING })
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
  count(call: RecordedCall, recorded: Recorded): void {
    this.report.syscalls++
    if (!recorded.diverged) return
    this.report.diverged++
    this.report.bySyscall.set(call.name, (this.report.bySyscall.get(call.name) ?? 0) + 1)
    this.divergences.push({
      line: call.line,
      name: call.name,
      recorded: recorded.result ?? Number.NaN,
      modelled: recorded.modelled ?? Number.NaN,
    })
  }

  countUnknown(names: readonly string[]): void {
    const { unknownConstants } = this.report
    for (const name of names) unknownConstants.set(name, (unknownConstants.get(name) ?? 0) + 1)
  }

  get kernel(): Kernel {
    if (!this.#kernel) throw new InternalError('the replay has not started')
    return this.#kernel
  }
}

/** Descriptors of a first process: files of known paths; pipes and sockets, whose other ends were not recorded, are /dev/null. */
function rootFiles(process: RecordedProcess): Map<number, string> {
  const files = new Map([0, 1, 2].map((fd) => [fd, '/dev/null']))
  for (const [fd, name] of process.inherited) files.set(fd, inheritedPath(name) ?? '/dev/null')
  return files
}

/** What getppid() said; 0 when nobody asked. */
function recordedParent(process: RecordedProcess): number {
  return Number(process.calls.find(({ name }) => name === 'getppid')?.result.value ?? 0n)
}

/** A user side that does nothing, ever. */
const WAITING: UserSide = {
  next: () => ({ kind: 'idle', untilNs: Number.POSITIVE_INFINITY }),
  returned: () => {},
  handleSignal: () => {},
  executed: () => {},
  forked: () => WAITING,
  stack: () => [],
}

const directory = (path: string): InferredNode => ({ ...EMPTY, path, kind: 'directory', mode: 0o755, content: [] })
const emptyFile = (path: string): InferredNode[] =>
  path.startsWith('/dev/') || path.startsWith('/proc/')
    ? []
    : [{ ...EMPTY, path, kind: 'file', mode: 0o644, content: [] }]
const EMPTY = { size: 0, target: '', rdev: [0, 0] as const }

/** Names that strace gives to calls other than <asm/unistd.h> does. */
const RENAMED: Readonly<Record<string, string>> = { umount: 'umount2', pread: 'pread64', pwrite: 'pwrite64' }

class ReplayedTask implements UserSide {
  readonly uncontended = true
  readonly #replay: Replay
  readonly #arena: UserArena
  readonly #process: RecordedProcess
  #next = 0
  #running: { call: RecordedCall; recorded: Recorded } | undefined

  constructor(replay: Replay, task: Task, process: RecordedProcess) {
    this.#replay = replay
    this.#process = process
    this.#arena = new UserArena(task)
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
    const chosen = chosenByMmap(call)
    if (chosen > 0 && task.mm) task.mm.nextMapAt = chosen
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

  returned(): void {
    const running = this.#running
    this.#running = undefined
    if (running) this.#replay.count(running.call, running.recorded)
  }

  /** The handler's own calls, and its rt_sigreturn, are in the recording. */
  handleSignal(): void {}

  executed(): void {
    const running = this.#running
    this.#running = undefined
    if (running) this.#replay.count(running.call, running.recorded)
  }

  /** Where the image of the running execve goes. */
  place(drawn: ExecPlace): ExecPlace {
    const call = this.#running?.call
    return call ? recordedPlace(this.#process, call, drawn) : drawn
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
