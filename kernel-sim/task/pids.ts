// Process ids: struct pid in kernel memory, with its number in the initial pid namespace (the only one here), and the lists by which
// tasks hang on it (as thread, process, process group and session).

import type { Kernel } from '../kernel.ts'
import { hlistAdd, hlistDelete } from '../list.ts'
import type { Task } from './task.ts'

/** enum pid_type */
export const PIDTYPE = { pid: 0, tgid: 1, pgid: 2, sid: 3 } as const
type PidType = (typeof PIDTYPE)[keyof typeof PIDTYPE]

const PID_MAX = 4_194_304
/** After the numbers have run out once, those below are for the system (RESERVED_PIDS). */
const RESERVED = 300
/** struct hlist_node */
const HLIST_NODE = 16

export class Pids {
  readonly #k: Kernel
  readonly #byNumber = new Map<number, number>()
  readonly #namespace: number
  #last = 0

  /** `namespace`: offset of the initial struct pid_namespace. */
  constructor(k: Kernel, namespace: number) {
    this.#k = k
    this.#namespace = namespace
  }

  /** The next number is above this one. */
  startAfter(pid: number): void {
    this.#last = pid
  }

  /** A new struct pid: with the number `wanted` if that is free, else with the next free one. Returns its offset. */
  alloc(wanted = 0): number {
    const { mem, layout, alloc } = this.#k
    const nr = wanted > 0 && !this.#byNumber.has(wanted) ? wanted : this.#next()
    const at = alloc.alloc(layout.size.pid + layout.size.upid)
    mem.i32[(at + layout.pid.count) >> 2] = 1
    mem.i32[(at + layout.pid.level) >> 2] = 0
    mem.i32[(at + layout.pid.numbers + layout.upid.nr) >> 2] = nr
    mem.writePtr(at + layout.pid.numbers + layout.upid.ns, this.#namespace)
    this.#byNumber.set(nr, at)
    return at
  }

  /** The struct pid of a number, 0 if it is not in use. */
  find(nr: number): number {
    return this.#byNumber.get(nr) ?? 0
  }

  number(pid: number): number {
    const { mem, layout } = this.#k
    return pid === 0 ? 0 : mem.i32[(pid + layout.pid.numbers + layout.upid.nr) >> 2]!
  }

  hold(pid: number): void {
    this.#k.mem.i32[(pid + this.#k.layout.pid.count) >> 2]!++
  }

  put(pid: number): void {
    const { mem, layout, alloc } = this.#k
    if (--mem.i32[(pid + layout.pid.count) >> 2]! > 0) return
    const nr = this.number(pid)
    if (this.#byNumber.get(nr) === pid) this.#byNumber.delete(nr)
    alloc.free(pid)
  }

  /** attach_pid(): the task is found through `pid` as this type. */
  attach(task: Task, type: PidType, pid: number): void {
    const { mem, layout } = this.#k
    this.hold(pid)
    if (type === PIDTYPE.pid) mem.writePtr(task.at + layout.task.threadPid, pid)
    else mem.writePtr(task.signal + layout.signal.pids + type * 8, pid)
    hlistAdd(mem, task.at + layout.task.pidLinks + type * HLIST_NODE, pid + layout.pid.tasks + type * 8)
  }

  detach(task: Task, type: PidType): void {
    const { mem, layout } = this.#k
    const pid = this.of(task, type)
    hlistDelete(mem, task.at + layout.task.pidLinks + type * HLIST_NODE)
    if (pid !== 0) this.put(pid)
  }

  /** Move a process to another group or session. */
  change(leader: Task, type: PidType, pid: number): void {
    if (this.of(leader, type) === pid) return
    this.hold(pid)
    this.detach(leader, type)
    this.attach(leader, type, pid)
    this.put(pid)
  }

  /** The struct pid of a task as this type: its thread, process, process group or session. */
  of(task: Task, type: PidType): number {
    const { mem, layout } = this.#k
    return type === PIDTYPE.pid
      ? mem.readPtr(task.at + layout.task.threadPid)
      : mem.readPtr(task.signal + layout.signal.pids + type * 8)
  }

  #next(): number {
    do this.#last = this.#last + 1 >= PID_MAX ? RESERVED : this.#last + 1
    while (this.#byNumber.has(this.#last))
    return this.#last
  }
}
