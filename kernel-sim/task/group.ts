// A process: what its threads share. signal_struct and sighand_struct in kernel memory hold what Linux keeps there; the list of
// threads as objects, and the queues that have no bytes of their own, are here.

import type { Kernel } from '../kernel.ts'
import { listInit } from '../list.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import type { Task } from './task.ts'

export const RLIM = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const

/** A signal that waits, and the offset of its siginfo (or SEND_SIG_*). */
export interface PendingSignal {
  readonly signal: number
  readonly info: number
}

/** signal_struct.flags: the process is on its way out. */
const SIGNAL_GROUP_EXIT = 4

export class ThreadGroup {
  readonly k: Kernel
  /** Offset of struct signal_struct. */
  readonly at: number
  /** In order of creation; the leader stays until the last thread is gone. */
  readonly threads: Task[] = []
  /** wait4() sleeps here. */
  readonly waitChild = new WaitQueue()
  /** The thread whose execve ends the others, and what it waits on. */
  execBy: Task | undefined
  readonly threadsGone = new WaitQueue()
  /** Signals of the process as a whole, in the order they came. */
  readonly pending: PendingSignal[] = []
  /** Stopped by a signal: its threads stop on their way to user mode. */
  stopped = false
  /** A waiting parent was told that it stopped; it went on and nobody was told. */
  stopReported = false
  continued = false

  constructor(k: Kernel) {
    const { mem, layout } = k
    this.k = k
    this.at = k.alloc.alloc(layout.size.signal)
    listInit(mem, this.at + layout.signal.threadHead)
  }

  /** Threads that have not exited. */
  get live(): number {
    return this.k.mem.i32[(this.at + this.k.layout.signal.live) >> 2]!
  }

  set live(count: number) {
    this.k.mem.i32[(this.at + this.k.layout.signal.live) >> 2] = count
  }

  /** Its first thread. */
  get leader(): Task {
    return this.threads[0]!
  }

  /** The process that adopts orphans: signals without a handler do it nothing. */
  get isInit(): boolean {
    return this.leader.pid === 1
  }

  /** Someone ended the whole process; its threads go on their way to user mode. */
  get exiting(): boolean {
    return (this.k.mem.i32[(this.at + this.k.layout.signal.flags) >> 2]! & SIGNAL_GROUP_EXIT) !== 0
  }

  /** Wait status of the whole process, once it is `exiting`. */
  get exitCode(): number {
    return this.k.mem.i32[(this.at + this.k.layout.signal.groupExitCode) >> 2]!
  }

  startExit(code: number): void {
    this.k.mem.i32[(this.at + this.k.layout.signal.groupExitCode) >> 2] = code
    this.k.mem.i32[(this.at + this.k.layout.signal.flags) >> 2]! |= SIGNAL_GROUP_EXIT
    this.stopped = false
  }

  /** Limit of a resource (RLIM), as a number; Infinity for RLIM_INFINITY. */
  rlimit(resource: number, hard = false): number {
    const at = this.at + this.k.layout.signal.rlim + resource * 16 + (hard ? 8 : 0)
    const { mem } = this.k
    return mem.i32[(at + 4) >> 2] === -1 ? Number.POSITIVE_INFINITY : mem.readInt64(at)
  }

  setRlimit(resource: number, value: number, hard = false): void {
    const at = this.at + this.k.layout.signal.rlim + resource * 16 + (hard ? 8 : 0)
    this.k.mem.writeInt64(at, value === Number.POSITIVE_INFINITY ? -1 : value)
  }
}
