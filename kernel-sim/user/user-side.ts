// What runs in user mode of a task: the seam behind which generators (workloads) and replay stand. The kernel asks what happens next
// each time the task is about to enter user mode, and again after what it said has been done.

import type { ExecPlace } from '../mm/exec-image.ts'
import type { Task } from '../task/task.ts'

/**
 *   syscall  make this system call; `user.returned(result)` is called before the next question
 *   run      compute for so many nanoseconds (it may be preempted)
 *   fault    touch this user address
 *   idle     nothing until the instant `untilNs` (replay: the time between recorded calls), off the CPU, without a system call
 */
export type UserStep =
  | {
      readonly kind: 'syscall'
      readonly nr: number
      /** The six argument registers, each a signed number within 2^53. */
      readonly args: readonly number[]
      /** Replay: what was recorded. */
      readonly recorded?: Recorded
    }
  | { readonly kind: 'run'; readonly ns: number }
  | { readonly kind: 'fault'; readonly address: number; readonly write: boolean }
  | { readonly kind: 'idle'; readonly untilNs: number }

/** What a recording says of a call. It ends then, and with this: see `Kernel.impose`. */
export interface Recorded {
  /** Virtual time at which the call returns. */
  readonly endsAtNs: number
  /** The result, or undefined when the call never returned. */
  readonly result: number | undefined
  /** Set by the kernel when the model had another result of its own, which the recorded one replaced. */
  diverged: boolean
  /** Set by the kernel with it: what the model had. */
  modelled?: number
  /** Set by the kernel: the end came while the model still waited for something. */
  expired: boolean
  /** Set by the kernel: the recorded result was handed to the innermost function. */
  settled: boolean
}

export interface UserSide {
  /** A replayed task runs at its instants and competes with nobody for the CPU. */
  readonly uncontended?: boolean
  next(task: Task): UserStep
  /** The result of the last system call: a value or a negative errno. */
  returned(task: Task, result: number): void
  /** A signal with a handler is delivered: run it next, then make rt_sigreturn. */
  handleSignal(task: Task, signal: number, handler: number): void
  /** execve() succeeded: the old program is gone. */
  executed(task: Task, path: string): void
  /** Where a program's parts go in memory, given where chance would put them (replay knows from its recording). */
  place?(drawn: ExecPlace): ExecPlace
  /** The task made a child by fork, vfork, clone or clone3: what runs in it. */
  forked(parent: Task, child: Task): UserSide
  /** User addresses, innermost first. */
  stack(): readonly number[]
}
