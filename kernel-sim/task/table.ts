// The tasks of one kernel by the offset of their task_struct and by pid.

import { InternalError } from '../../base/errors.ts'
import type { Task } from './task.ts'

export class TaskTable {
  readonly #byOffset = new Map<number, Task>()
  readonly #byPid = new Map<number, Task>()

  /** Idle tasks (pid 0) are known by their offset only. */
  add(task: Task): void {
    this.#byOffset.set(task.at, task)
    if (task.pid !== 0) this.#byPid.set(task.pid, task)
  }

  /** It has no number any more; its task_struct is still there. */
  remove(task: Task): void {
    if (this.#byPid.get(task.pid) === task) this.#byPid.delete(task.pid)
  }

  /** Its task_struct goes. */
  forget(task: Task): void {
    this.#byOffset.delete(task.at)
  }

  /** The task whose task_struct is at this offset. */
  at(offset: number): Task {
    const task = this.#byOffset.get(offset)
    if (!task) throw new InternalError(`no task at 0x${offset.toString(16)}`)
    return task
  }

  get(pid: number): Task | undefined {
    return this.#byPid.get(pid)
  }

  /** All but the idle tasks, in order of creation. */
  all(): IterableIterator<Task> {
    return this.#byPid.values()
  }
}
