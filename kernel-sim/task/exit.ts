// The end of tasks: do_exit() and what it gives back, the parent's notice, release once someone has waited, and the memory itself after
// a grace period.

import { COST_NS } from '../costs.ts'
import type { Kernel } from '../kernel.ts'
import { listAddTail, listDelete, listObjects } from '../list.ts'
import { SIG } from '../signal/numbers.ts'
import { setSignal } from '../signal/sigset.ts'
import type { Wait } from '../wait.ts'
import { PIDTYPE } from './pids.ts'
import { PF, STATE, type Task, TIF } from './task.ts'

/** exit_state */
export const EXIT = { dead: 0x10, zombie: 0x20 } as const
/** A grace period of RCU, as long as one usually takes on an idle machine. */
const RCU_NS = 12_000_000

export class Exit {
  readonly #k: Kernel
  /** Ends the current task with this wait status; never returns. */
  readonly doExit: (code: number) => Wait<undefined>
  /** Ends the whole process. */
  readonly doGroupExit: (code: number) => Wait<undefined>
  /** Takes a dead task out of all tables; its memory follows when nobody can look at it any more. */
  readonly releaseTask: (p: Task) => undefined
  readonly #exitMm: () => undefined
  readonly #exitFiles: (p: Task) => undefined
  readonly #exitFs: (p: Task) => undefined
  readonly #exitNotify: (p: Task, groupDead: number) => undefined
  readonly #doTaskDead: () => Wait<undefined>

  constructor(k: Kernel) {
    this.#k = k
    const { functions } = k
    this.doExit = functions.declare('void do_exit(long code)', (code: number) => this.#exit(code), {
      costNs: COST_NS.exit,
    })
    this.doGroupExit = functions.declare('void do_group_exit(int exit_code)', (code: number) => this.#groupExit(code))
    this.releaseTask = functions.declare('void release_task(struct task_struct *p)', (p: Task) => this.#release(p))
    this.#exitMm = functions.declare('void exit_mm(void)', () => {
      const { current } = k
      this.releaseMm(current)
      current.mm = undefined
      return undefined
    })
    this.#exitFiles = functions.declare('void exit_files(struct task_struct *tsk)', (p: Task) => {
      const { files } = p
      p.files = undefined
      files?.put()
      return undefined
    })
    this.#exitFs = functions.declare('void exit_fs(struct task_struct *tsk)', (p: Task) => {
      const { fs } = p
      p.fs = undefined
      fs?.put()
      return undefined
    })
    this.#exitNotify = functions.declare(
      'void exit_notify(struct task_struct *tsk, int group_dead)',
      (p: Task, groupDead: number) => this.#notify(p, groupDead !== 0),
    )
    this.#doTaskDead = functions.declare('void do_task_dead(void)', () => this.#dead())
  }

  /** Its last switch is over: it will not run again. */
  putDead(p: Task): void {
    p.gone.dead = true
    this.#free(p)
  }

  /** mm_release() and mmput(): the task is done with its address space, by exit or by exec. */
  releaseMm(p: Task): void {
    const { mem, layout, futexes } = this.#k
    const clear = mem.readInt64(p.at + layout.task.clearChildTid)
    if (clear !== 0 && p.mm) {
      p.mm.write(clear, new Uint8Array(4), 0, 4)
      futexes.wake(p.mm, clear, 1)
      mem.writeInt64(p.at + layout.task.clearChildTid, 0)
    }
    const { vfork } = p
    if (vfork) {
      p.vfork = undefined
      vfork.done = true
      vfork.queue.wakeAll()
    }
    p.mm?.put()
  }

  *#exit(code: number): Wait<undefined> {
    const k = this.#k
    const p = k.current
    const { group } = p
    p.flags |= PF.exiting
    p.setThreadFlag(TIF.sigpending, false)
    group.live--
    const groupDead = group.live === 0
    if (groupDead) k.timers.cancelAll(group)
    k.sched.updateCurrent(k.cpu)
    p.exitCode = code
    this.#exitMm()
    if (k.trace.schedProcessExit.armed) k.trace.schedProcessExit.emit(p, groupDead ? 1 : 0)
    this.#exitFiles(p)
    this.#exitFs(p)
    k.runTaskWork(p)
    this.#exitNotify(p, groupDead ? 1 : 0)
    yield* this.#doTaskDead()
  }

  *#groupExit(code: number): Wait<undefined> {
    const { mem, layout, sched, current } = this.#k
    const { group } = current
    if (group.exiting) code = group.exitCode
    else if (group.execBy) code = 0
    else if (group.live > 1) {
      group.startExit(code)
      for (const thread of group.threads) {
        if (thread === current || thread.exitState !== 0) continue
        setSignal(mem, thread.at + layout.task.pendingSignals, SIG.KILL, true)
        thread.setThreadFlag(TIF.sigpending, true)
        sched.tryToWakeUp(thread, STATE.interruptible | STATE.wakeKill, 0)
      }
    }
    yield* this.doExit(code)
  }

  *#dead(): Wait<undefined> {
    this.#k.current.state = STATE.taskDead
    yield* this.#k.sched.schedule()
  }

  #notify(p: Task, groupDead: boolean): undefined {
    const k = this.#k
    this.#forgetChildren(p)
    p.exitState = EXIT.zombie
    const { group } = p
    let reap = !p.isLeader
    if (p.isLeader && groupDead) reap = this.#tellParent(p)
    else if (!p.isLeader && groupDead && group.leader.exitState === EXIT.zombie && this.#tellParent(group.leader)) {
      group.leader.exitState = EXIT.dead
      this.releaseTask(group.leader)
    }
    if (reap) {
      p.exitState = EXIT.dead
      this.releaseTask(p)
    }
    k.notices.emit('exit', p)
    return undefined
  }

  /** True when the parent does not want to wait for it. */
  #tellParent(leader: Task): boolean {
    const { mem, layout, signals } = this.#k
    return signals.doNotifyParent(leader, mem.i32[(leader.at + layout.task.exitSignal) >> 2]!) !== 0
  }

  /** Children go to another thread, or to init. */
  #forgetChildren(p: Task): void {
    const { mem, layout, tasks, init } = this.#k
    const o = layout.task
    const heir = p.group.threads.find((thread) => thread !== p && thread.exitState === 0) ?? init
    for (const at of listObjects(mem, p.at + o.children, o.sibling)) {
      const child = tasks.at(at)
      for (const thread of child.group.threads) {
        for (const member of [o.realParent, o.parent]) mem.writePtr(thread.at + member, heir.at)
      }
      listDelete(mem, child.at + o.sibling)
      listAddTail(mem, child.at + o.sibling, heir.at + o.children)
      if (heir === init && child.exitState === EXIT.zombie && child.group.live === 0) {
        mem.i32[(child.at + o.exitSignal) >> 2] = SIG.CHLD
        if (this.#tellParent(child)) this.releaseTask(child)
      }
    }
  }

  #release(p: Task): undefined {
    const { mem, layout, pids, tasks, cgroups } = this.#k
    const o = layout.task
    const { group } = p
    this.#addTimes(p)
    pids.detach(p, PIDTYPE.pid)
    if (p.isLeader) for (const type of [PIDTYPE.tgid, PIDTYPE.pgid, PIDTYPE.sid]) pids.detach(p, type)
    for (const list of [o.sibling, o.tasks, o.threadNode]) listDelete(mem, p.at + list)
    cgroups.detach(p)
    group.threads.splice(group.threads.indexOf(p), 1)
    group.threadsGone.wakeAll()
    mem.i32[(group.at + layout.signal.nrThreads) >> 2]!--
    tasks.remove(p)
    p.gone.released = true
    this.#free(p)
    return undefined
  }

  /** What a thread used counts for its process from now on. */
  #addTimes(p: Task): void {
    const { mem, layout } = this.#k
    for (const [from, to] of [
      [layout.task.utime, layout.signal.utime],
      [layout.task.stime, layout.signal.stime],
      [layout.task.nvcsw, layout.signal.nvcsw],
      [layout.task.nivcsw, layout.signal.nivcsw],
      [layout.task.minFlt, layout.signal.minFlt],
      [layout.task.majFlt, layout.signal.majFlt],
    ] as const) {
      mem.writeInt64(p.signal + to, mem.readInt64(p.signal + to) + mem.readInt64(p.at + from))
    }
  }

  #free(p: Task): void {
    if (!p.gone.released || !p.gone.dead) return
    const k = this.#k
    k.events.at(k.nowNs + RCU_NS, p.cpu, () => {
      if (k.trace.schedProcessFree.armed) k.trace.schedProcessFree.emit(p)
      const { mem, layout, alloc, credentials } = k
      for (const cred of [p.cred, p.realCred]) credentials.put(cred)
      if (--mem.i32[(p.sighand + layout.sighand.count) >> 2]! === 0) alloc.free(p.sighand)
      if (--mem.i32[(p.group.at + layout.signal.sigcnt) >> 2]! === 0) alloc.free(p.group.at)
      mem.i32[(p.nsproxy + layout.nsproxy.count) >> 2]!--
      k.tasks.forget(p)
      alloc.freePages(p.stack)
      alloc.free(p.at)
    })
  }
}
