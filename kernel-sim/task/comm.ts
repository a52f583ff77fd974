// A task's name.

import type { Kernel } from '../kernel.ts'
import type { Task } from './task.ts'

const COMM_BYTES = 16

/** __set_task_comm(): announce task_rename, then store the name, cut to 15 bytes. */
export function setTaskComm(k: Kernel, task: Task, name: string): void {
  const comm = name.slice(0, COMM_BYTES - 1)
  if (k.trace.taskRename.armed) {
    const { scratch } = k
    const mark = scratch.top
    const at = scratch.take(COMM_BYTES)
    k.mem.writeCstring(at, comm, COMM_BYTES)
    k.trace.taskRename.emit(task, at)
    scratch.top = mark
  }
  task.comm = comm
}
