// Waiting for children: wait4 and waitid.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import { listObjects } from '../list.ts'
import { writeUser } from '../user-memory.ts'
import { after, type MaybeWait } from '../wait.ts'
import { EXIT } from './exit.ts'
import { PIDTYPE } from './pids.ts'
import { STATE, type Task } from './task.ts'
import { addChildUsage, addUsage, childrenUsage, processUsage, rusage, type Usage } from './usage.ts'

export const WAIT = { nohang: 1, untraced: 2, exited: 4, continued: 8, nowait: 0x1000000, all: 0x40000000 } as const

/** Room for struct wait_opts, whose members nothing reads. */
const WAIT_OPTS_BYTES = 64

/** Which children: any, one process, or the members of a group (by number). */
export type Which = { readonly kind: 'any' } | { readonly kind: 'pid' | 'pgid'; readonly nr: number }

/** A child that was found: what wait returns of it. */
export interface Found {
  readonly pid: number
  /** Wait status word. */
  readonly status: number
  readonly uid: number
  /** What it and its own children used, once it is over. */
  readonly usage?: Usage
}

export class WaitChildren {
  readonly #k: Kernel
  readonly #doWait: (wo: number, which: Which, options: number) => MaybeWait<number>
  readonly #wait4: (upid: number, statAddr: number, options: number, ru: number, which: Which) => MaybeWait<number>

  constructor(k: Kernel) {
    this.#k = k
    this.#doWait = k.functions.declare(
      'long do_wait(struct wait_opts *wo)',
      (_wo: number, which: Which, options: number) => this.#wait(which, options),
    )
    this.#wait4 = k.functions.declare(
      'long kernel_wait4(pid_t upid, int __user *stat_addr, int options, struct rusage *ru)',
      (_upid: number, statAddr: number, options: number, ru: number, which: Which) =>
        after(this.wait(which, options | WAIT.exited), (result) => {
          const { found } = k.current
          if (result <= 0 || !found) return result
          if (ru !== 0 && found.usage) k.mem.u8.set(new Uint8Array(rusage(found.usage).buffer), ru)
          return statAddr !== 0 && !giveStatus(k.current, statAddr, found.status) ? -ERRNO.EFAULT : result
        }),
    )
  }

  /** For wait4: the child's number, 0 or a negative errno. `ru`: offset of a struct rusage in kernel memory to fill, 0 for none. */
  wait4(which: Which, statAddr: number, options: number, ru: number): MaybeWait<number> {
    return this.#wait4(
      which.kind === 'any' ? -1 : which.kind === 'pid' ? which.nr : -which.nr,
      statAddr,
      options,
      ru,
      which,
    )
  }

  /** For waitid: the same; the current task's `found` tells more. */
  wait(which: Which, options: number): MaybeWait<number> {
    return this.#doWait(this.#k.current.stackRoom(WAIT_OPTS_BYTES), which, options)
  }

  #wait(which: Which, options: number): MaybeWait<number> {
    const k = this.#k
    const { current, trace } = k
    if (trace.schedProcessWait.armed) trace.schedProcessWait.emit(which.kind === 'any' ? 0 : k.pids.find(which.nr))
    current.found = undefined
    const first = this.#look(which, options)
    if (first !== 0 || options & WAIT.nohang) return k.settle(first)
    let result = 0
    const slept = k.sleeps.wait(
      current.group.waitChild,
      () => {
        result = this.#look(which, options)
        return result !== 0
      },
      { state: STATE.interruptible },
    )
    return after(slept, (error) => k.settle(error === 0 ? result : error))
  }

  /** A child's number, -ECHILD if there is none to wait for, 0 if none is ready. */
  #look(which: Which, options: number): number {
    const { mem, layout, tasks, current } = this.#k
    let any = false
    for (const thread of current.group.threads) {
      for (const at of listObjects(mem, thread.at + layout.task.children, layout.task.sibling)) {
        const child = tasks.at(at)
        if (!this.#eligible(child, which)) continue
        any = true
        const result = this.#consider(child, options)
        if (result !== 0) return result
      }
    }
    return any ? 0 : -ERRNO.ECHILD
  }

  #eligible(child: Task, which: Which): boolean {
    if (which.kind === 'any') return true
    const { pids } = this.#k
    return which.kind === 'pid' ? child.pid === which.nr : pids.number(pids.of(child, PIDTYPE.pgid)) === which.nr
  }

  #consider(child: Task, options: number): number {
    const { processes, credentials, current } = this.#k
    const uid = credentials.id(child.realCred, 'uid')
    if (child.exitState === EXIT.zombie && child.group.live === 0 && options & WAIT.exited) {
      const status = child.group.exiting ? child.group.exitCode : child.exitCode
      const { pid } = child
      const usage = addUsage(processUsage(this.#k, child), childrenUsage(this.#k, child))
      current.found = { pid, status, uid, usage }
      if (options & WAIT.nowait) return pid
      child.exitState = EXIT.dead
      processes.exit.releaseTask(child)
      addChildUsage(this.#k, current, usage)
      return pid
    }
    if (options & WAIT.untraced && child.group.stopped && !child.group.stopReported && child.state & STATE.stopped) {
      child.group.stopReported = true
      current.found = { pid: child.pid, status: (child.exitCode << 8) | 0x7f, uid }
      return child.pid
    }
    if (options & WAIT.continued && child.group.continued) {
      child.group.continued = false
      current.found = { pid: child.pid, status: 0xffff, uid }
      return child.pid
    }
    return 0
  }
}

function giveStatus(task: Task, address: number, status: number): boolean {
  const view = new DataView(new ArrayBuffer(4))
  view.setInt32(0, status, true)
  return writeUser(task, address, view)
}
