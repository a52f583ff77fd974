// What a system call is to the table: one function in its family's file, under its name in <asm/unistd.h>.

import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import type { MaybeWait } from '../wait.ts'

/**
 * Arguments are what the registers hold, as signed numbers within 2^53 (user addresses are numbers). The result is what user space
 * gets: a value or a negative errno; -ERESTARTSYS and its kin are settled on the way out. Around it are the tracepoints and the frame
 * of __x64_sys_NAME.
 */
export type SyscallHandler = (
  k: Kernel,
  task: Task,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => MaybeWait<number>

export type SyscallFamily = Readonly<Record<string, SyscallHandler>>
