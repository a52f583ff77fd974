// Waiting for children: wait4 and waitid.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import { listObjects } from '../list.ts'
import { after, type MaybeWait } from '../wait.ts'
import { EXIT } from './exit.ts'
import { PIDTYPE } from './pids.ts'
import { STATE, type Task } from './task.ts'

export const WAIT = { nohang: 1, untraced: 2, exited: 4, continued: 8, nowait: 0x1000000, all: 0x40000000 } as const

/** Which children: any, one process, or the members of a group (by number). */
export type Which = { readonly kind: 'any' } | { readonly kind: 'pid' | 'pgid'; readonly nr: number }

/** A child that was found: what wait returns of it. */
export interface Found {
  readonly pid: number
  /** Wait status word. */
  readonly status: number
  readonly uid: number
}

export class WaitChildren {
  readonly #k: Kernel
  readonly #doWait: (wo: number, which: Which, options: number) => MaybeWait<number>
  readonly kernelWait4: (which: Which, statAddr: number, options: number, ru: number) => MaybeWait<number>
  #found: Found | undefined

  constructor(k: Kernel) {
    this.#k = k
    this.#doWait = k.functions.declare(
      'long do_wait(struct wait_opts *wo)',
      (_wo: number, which: Which, options: number) => this.#wait(which, options),
    )
    const wait4 = k.functions.declare(
      'long kernel_wait4(pid_t upid, int __user *stat_addr, int options, struct rusage *ru)',
      (_upid: number, statAddr: number, options: number, _ru: number, which: Which) =>
        after(this.#doWait(0, which, options | WAIT.exited), (result) => {
          if (result > 0 && statAddr !== 0 && !this.#giveStatus(statAddr)) return -ERRNO.EFAULT
          return result
        }),
    )
    this.kernelWait4 = (which, statAddr, options, ru) =>
      wait4(which.kind === 'any' ? -1 : which.kind === 'pid' ? which.nr : -which.nr, statAddr, options, ru, which)
  }

  /** For waitid: the child's number, 0 or a negative errno; `found` tells more. */
  wait(which: Which, options: number): MaybeWait<number> {
    return this.#doWait(0, which, options)
  }

  /** The child that the last wait found. */
  get found(): Found | undefined {
    return this.#found
  }

  #giveStatus(address: number): boolean {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setInt32(0, this.#found!.status, true)
    return this.#k.current.mm?.write(address, bytes, 0, 4) === 0
  }

  #wait(which: Which, options: number): MaybeWait<number> {
    const k = this.#k
    const { current, trace } = k
    if (trace.schedProcessWait.armed) trace.schedProcessWait.emit(which.kind === 'any' ? 0 : k.pids.find(which.nr))
    this.#found = undefined
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
    const { mem, layout, processes, credentials } = this.#k
    const uid = credentials.id(child.realCred, 'uid')
    if (child.exitState === EXIT.zombie && child.group.live === 0 && options & WAIT.exited) {
      const status = child.group.exiting ? child.group.exitCode : child.exitCode
      const { pid } = child
      this.#found = { pid, status, uid }
      if (options & WAIT.nowait) return pid
      child.exitState = EXIT.dead
      processes.exit.releaseTask(child)
      // What it used, and what its own children had, becomes the parent's.
      for (const [own, sum] of [
        [layout.signal.utime, layout.signal.cutime],
        [layout.signal.stime, layout.signal.cstime],
        [layout.signal.nvcsw, layout.signal.cnvcsw],
        [layout.signal.nivcsw, layout.signal.cnivcsw],
        [layout.signal.minFlt, layout.signal.cminFlt],
        [layout.signal.majFlt, layout.signal.cmajFlt],
      ] as const) {
        const to = this.#k.current.signal + sum
        mem.writeInt64(
          to,
          mem.readInt64(to) + mem.readInt64(child.group.at + own) + mem.readInt64(child.group.at + sum),
        )
      }
      return pid
    }
    if (options & WAIT.untraced && child.group.stopped && !child.group.stopReported && child.state & STATE.stopped) {
      child.group.stopReported = true
      this.#found = { pid: child.pid, status: (child.exitCode << 8) | 0x7f, uid }
      return child.pid
    }
    if (options & WAIT.continued && child.group.continued) {
      child.group.continued = false
      this.#found = { pid: child.pid, status: 0xffff, uid }
      return child.pid
    }
    return 0
  }
}
