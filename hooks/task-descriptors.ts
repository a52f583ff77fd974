// Descriptors of tasks for files of bpf(2) and perf_event_open(2), a table of their own per task.

import { ERRNO } from '../base/errno.ts'
import type { Task } from '../kernel-sim/task/task.ts'
import type { Descriptors, HookFile } from './files.ts'

/** 0, 1 and 2 are taken in every task that loads. */
const FIRST = 3
const LIMIT = 1 << 20

export class TaskDescriptors implements Descriptors<Task> {
  readonly #tables = new WeakMap<Task, (HookFile | undefined)[]>()

  install(task: Task, file: HookFile): number {
    const table = this.#table(task)
    let fd = FIRST
    while (table[fd]) fd++
    if (fd >= LIMIT) {
      file.release()
      return -ERRNO.EMFILE
    }
    table[fd] = file
    return fd
  }

  get(task: Task, fd: number): HookFile | 'other' | undefined {
    if (fd >= 0 && fd < FIRST) return 'other'
    return this.#table(task)[fd]
  }

  close(task: Task, fd: number): number {
    const table = this.#table(task)
    const file = table[fd]
    if (!file) return -ERRNO.EBADF
    table[fd] = undefined
    file.release()
    return 0
  }

  cgroup(_task: Task, _fd: number): number {
    return -ERRNO.EBADF
  }

  #table(task: Task): (HookFile | undefined)[] {
    let table = this.#tables.get(task)
    if (!table) this.#tables.set(task, (table = []))
    return table
  }
}
