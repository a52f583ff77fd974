// Making tasks: fork, vfork, clone and clone3, kernel threads, and the processes that a session starts from nothing.

import { ERRNO } from '../../base/errno.ts'
import { COST_NS } from '../costs.ts'
import type { Kernel } from '../kernel.ts'
import { listAddTail, listInit } from '../list.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import { SIG } from '../signal/numbers.ts'
import type { UserSide } from '../user/user-side.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import { RLIM, ThreadGroup } from './group.ts'
import { CLONE_NEW_ANY } from './namespaces.ts'
import { PIDTYPE } from './pids.ts'
import type { AddressSpace, Files, FsState } from './resources.ts'
import { PF, STACK_BYTES, STATE, Task } from './task.ts'

export const CLONE = {
  vm: 0x100,
  fs: 0x200,
  files: 0x400,
  sighand: 0x800,
  vfork: 0x4000,
  parent: 0x8000,
  thread: 0x10000,
  settls: 0x80000,
  parentSettid: 0x100000,
  childCleartid: 0x200000,
  childSettid: 0x1000000,
} as const

/** struct kernel_clone_args, as far as it is used, and its copy in kernel memory. User addresses are numbers. */
export interface CloneArgs {
  readonly at: number
  readonly flags: number
  readonly exitSignal: number
  readonly stack: number
  readonly tls: number
  readonly parentTid: number
  readonly childTid: number
}

/** Lays the arguments out in kernel memory; whoever made them frees `at`. */
export function cloneArgs(k: Kernel, values: Omit<CloneArgs, 'at'>): CloneArgs {
  const { mem, alloc, layout } = k
  const { cloneArgs: o } = layout
  const at = alloc.alloc(layout.size.cloneArgs)
  mem.writeInt64(at + o.flags, values.flags)
  mem.i32[(at + o.exitSignal) >> 2] = values.exitSignal
  mem.writeInt64(at + o.stack, values.stack)
  mem.writeInt64(at + o.tls, values.tls)
  mem.writeInt64(at + o.parentTid, values.parentTid)
  mem.writeInt64(at + o.childTid, values.childTid)
  return { at, ...values }
}

export interface SpawnOptions {
  readonly comm: string
  readonly user: UserSide | ((task: Task) => UserSide)
  /** Its number; the next free one by default. */
  readonly pid?: number
  /** Its parent; init by default. */
  readonly parent?: Task
  /** Offset of its struct cred (Credentials.make); root by default. */
  readonly cred?: number
  /** What it has of memory and files; an empty address space, no descriptors and `/` by default. */
  readonly mm?: AddressSpace
  readonly files?: Files
  readonly fs?: FsState
  /** When it starts, not before now. */
  readonly atNs?: number
}

export class Fork {
  readonly #k: Kernel
  readonly kernelClone: (args: CloneArgs) => MaybeWait<number>
  readonly #copyProcess: (pid: number, trace: number, node: number, args: CloneArgs) => number
  readonly #retFromFork: (task: Task, body: (() => Wait<undefined>) | undefined) => Wait<undefined>
  /** The task that copy_process() made last. */
  #made!: Task

  constructor(k: Kernel) {
    this.#k = k
    const { functions } = k
    const steps = {
      dup: functions.declare(
        'struct task_struct *dup_task_struct(struct task_struct *orig, int node)',
        (orig: Task, _node: number) => {
          this.#made = this.#duplicate(orig)
          return this.#made.at
        },
        { costNs: COST_NS.fork },
      ),
      creds: functions.declare(
        'int copy_creds(struct task_struct *p, unsigned long clone_flags)',
        (p: Task, _flags: number) => {
          k.credentials.hold(p.cred)
          k.credentials.hold(p.cred)
          return 0
        },
      ),
      files: functions.declare(
        'int copy_files(unsigned long clone_flags, struct task_struct *tsk, int no_files)',
        (flags: number, p: Task, _no: number) => {
          const { files } = k.current
          if (flags & CLONE.files) files?.hold()
          p.files = flags & CLONE.files ? files : files?.copy()
          return 0
        },
      ),
      fs: functions.declare(
        'int copy_fs(unsigned long clone_flags, struct task_struct *tsk)',
        (flags: number, p: Task) => {
          const { fs } = k.current
          if (flags & CLONE.fs) fs?.hold()
          p.fs = flags & CLONE.fs ? fs : fs?.copy()
          return 0
        },
      ),
      mm: functions.declare(
        'int copy_mm(unsigned long clone_flags, struct task_struct *tsk)',
        (flags: number, p: Task) => {
          const { mm } = k.current
          if (flags & CLONE.vm) mm?.hold()
          p.mm = flags & CLONE.vm ? mm : mm?.fork()
          return 0
        },
      ),
      namespaces: functions.declare(
        'int copy_namespaces(unsigned long flags, struct task_struct *tsk)',
        (_flags: number, p: Task) => {
          k.mem.i32[(p.nsproxy + k.layout.nsproxy.count) >> 2]!++
          return 0
        },
      ),
      thread: functions.declare(
        'int copy_thread(struct task_struct *p, const struct kernel_clone_args *args)',
        (p: Task, args: CloneArgs) => this.#copyThread(p, args),
      ),
      pid: functions.declare(
        'struct pid *alloc_pid(struct pid_namespace *ns, pid_t *set_tid, size_t set_tid_size)',
        (_ns: number, _tid: number, _size: number) => {
          const recorded = k.current.recorded?.result ?? 0
          return k.pids.alloc(recorded > 0 ? recorded : 0)
        },
      ),
    }
    this.#copyProcess = functions.declare(
      'struct task_struct *copy_process(struct pid *pid, int trace, int node, struct kernel_clone_args *args)',
      (_pid: number, _trace: number, node: number, args: CloneArgs) => this.#copy(steps, node, args),
    )
    const waitForVfork = functions.declare(
      'int wait_for_vfork_done(struct task_struct *child, struct completion *vfork)',
      (_child: Task, _vfork: number, done: NonNullable<Task['vfork']>) =>
        k.sleeps.wait(done.queue, () => done.done, { state: STATE.killable }),
    )
    this.kernelClone = functions.declare('pid_t kernel_clone(struct kernel_clone_args *args)', (clone: CloneArgs) =>
      this.#clone(clone, waitForVfork),
    )
    this.#retFromFork = functions.declare(
      'void ret_from_fork(struct task_struct *prev, struct pt_regs *regs)',
      (task: Task, body: (() => Wait<undefined>) | undefined) => this.#firstRun(task, body),
      { hidden: true },
    )
    functions.symbol('void ret_from_fork_asm(void)')
  }

  /** A process from nothing, for the programs a session starts. It is ready to run from `atNs` on. */
  spawn(options: SpawnOptions): Task {
    const k = this.#k
    const parent = options.parent ?? k.init
    const task = this.#fresh(options.comm, parent, options.pid ?? 0)
    if (options.cred !== undefined) {
      for (const member of [k.layout.task.cred, k.layout.task.realCred]) k.mem.writePtr(task.at + member, options.cred)
    }
    k.credentials.hold(task.cred)
    k.credentials.hold(task.cred)
    task.mm = options.mm ?? k.memory.newMm()
    task.files = options.files ?? k.vfs.newFiles()
    task.fs = options.fs ?? k.vfs.newFsStruct()
    task.user = typeof options.user === 'function' ? options.user(task) : options.user
    task.uncontended = task.user.uncontended === true
    task.suspended = this.#start(task, undefined)
    k.events.at(Math.max(options.atNs ?? 0, k.driver.nowNs), task.cpu, () => k.sched.wakeUpNewTask(task))
    return task
  }

  /** A kernel thread that runs `body`. */
  kthread(comm: string, parent: Task, body: () => Wait<undefined>): Task {
    const k = this.#k
    const task = this.#fresh(comm, parent, 0)
    task.flags |= PF.kthread
    k.credentials.hold(task.cred)
    k.credentials.hold(task.cred)
    task.suspended = this.#start(task, body)
    k.sched.wakeUpNewTask(task)
    return task
  }

  #clone(
    clone: CloneArgs,
    waitForVfork: (child: Task, vfork: number, done: NonNullable<Task['vfork']>) => MaybeWait<number>,
  ): MaybeWait<number> {
    const k = this.#k
    const { flags } = clone
    if (flags & CLONE_NEW_ANY) return -ERRNO.EINVAL
    if ((flags & CLONE.thread && !(flags & CLONE.sighand)) || (flags & CLONE.sighand && !(flags & CLONE.vm))) {
      return -ERRNO.EINVAL
    }
    const made = this.#copyProcess(0, 0, -1, clone)
    if (made < 0) return made
    const child = this.#made
    if (k.trace.schedProcessFork.armed) k.trace.schedProcessFork.emit(k.current, child)
    const nr = child.pid
    if (flags & CLONE.parentSettid) k.current.mm?.write(clone.parentTid, int32(nr), 0, 4)
    const done = flags & CLONE.vfork ? { done: false, queue: new WaitQueue() } : undefined
    child.vfork = done
    k.sched.wakeUpNewTask(child)
    if (!done) return k.settle(nr)
    const wait = waitForVfork(child, 0, done)
    return isWait(wait) ? this.#afterVfork(wait, nr) : k.settle(nr)
  }

  *#afterVfork(wait: Wait<number>, nr: number): Wait<number> {
    yield* wait
    const end = this.#k.settle(nr)
    return isWait(end) ? yield* end : end
  }

  #copy(
    steps: {
      dup: (orig: Task, node: number) => number
      creds: (p: Task, flags: number) => number
      files: (flags: number, p: Task, no: number) => number
      fs: (flags: number, p: Task) => number
      mm: (flags: number, p: Task) => number
      namespaces: (flags: number, p: Task) => number
      thread: (p: Task, args: CloneArgs) => number
      pid: (ns: number, tid: number, size: number) => number
    },
    node: number,
    clone: CloneArgs,
  ): number {
    const k = this.#k
    const { flags } = clone
    const parent = k.current
    steps.dup(parent, node)
    const p = this.#made
    steps.creds(p, flags)
    k.sched.schedFork(flags, p)
    steps.files(flags, p, 0)
    steps.fs(flags, p)
    this.#copySighand(p, flags)
    if (flags & CLONE.thread) p.group = parent.group
    else this.#copySignal(p, parent)
    steps.mm(flags, p)
    steps.namespaces(flags, p)
    steps.thread(p, clone)
    const pid = steps.pid(k.namespaces.pid, 0, 0)
    this.#enter(p, pid, flags & (CLONE.parent | CLONE.thread) ? parent.realParent : parent, flags, clone)
    p.user = parent.user!.forked(parent, p)
    p.uncontended = p.user.uncontended === true
    p.forked = true
    p.suspended = this.#start(p, undefined)
    if (k.trace.taskNewtask.armed) k.trace.taskNewtask.emit(p, flags)
    return p.at
  }

  /** dup_task_struct(): a copy, with what must not be shared reset. */
  #duplicate(orig: Task): Task {
    const { mem, alloc, layout } = this.#k
    const at = alloc.alloc(layout.size.task)
    mem.u8.copyWithin(at, orig.at, orig.at + layout.size.task)
    const task = new Task(this.#k, at, alloc.allocPages(STACK_BYTES / 4096))
    this.#reset(task)
    task.flags = (task.flags & ~(PF.idle | PF.noSetAffinity)) | PF.forkNoExec
    if (orig.restoreMask) task.restoreMask = orig.restoreMask
    return task
  }

  #reset(task: Task): void {
    const { mem, layout, nowNs } = this.#k
    const o = layout.task
    for (const list of [o.tasks, o.children, o.sibling, o.threadNode, o.cgList, o.pendingList]) {
      if (list >= 0) listInit(mem, task.at + list)
    }
    mem.u8.fill(0, task.at + o.pidLinks, task.at + o.pidLinks + 64)
    for (const member of [
      o.pendingSignals,
      o.robustList,
      o.clearChildTid,
      o.setChildTid,
      o.vforkDone,
      o.minFlt,
      o.majFlt,
    ]) {
      mem.writeInt64(task.at + member, 0)
    }
    mem.writeInt64(task.at + o.threadFlags, 0)
    mem.writeInt64(task.at + o.startTime, nowNs)
    mem.writeInt64(task.at + o.startBoottime, nowNs)
    mem.i32[(task.at + o.usage) >> 2] = 2
    task.exitState = 0
    task.exitCode = 0
  }

  /** A process that no fork makes: like a child of init_task. */
  #fresh(comm: string, parent: Task, wanted: number): Task {
    const k = this.#k
    const task = this.#duplicate(k.cpus[0]!.idle)
    k.mem.writePtr(task.at + k.layout.task.cgroups, k.cgroups.root.cssSet)
    task.flags &= ~(PF.kthread | PF.forkNoExec)
    task.comm = comm
    this.#copySighand(task, 0)
    this.#copySignal(task, undefined)
    k.sched.schedFork(0, task)
    this.#enter(task, k.pids.alloc(wanted), parent, 0, undefined)
    k.mem.i32[(k.namespaces.nsproxy + k.layout.nsproxy.count) >> 2]!++
    return task
  }

  /** Puts a new task where others find it: number, parent, process, lists. */
  #enter(p: Task, pid: number, parent: Task, flags: number, clone: CloneArgs | undefined): void {
    const k = this.#k
    const { mem, layout, pids } = k
    const o = layout.task
    const creator = k.current
    const nr = pids.number(pid)
    mem.i32[(p.at + o.pid) >> 2] = nr
    const thread = (flags & CLONE.thread) !== 0
    mem.i32[(p.at + o.tgid) >> 2] = thread ? creator.tgid : nr
    mem.writePtr(p.at + o.groupLeader, thread ? creator.groupLeader.at : p.at)
    mem.i32[(p.at + o.exitSignal) >> 2] = thread ? -1 : (clone?.exitSignal ?? SIG.CHLD)
    mem.writePtr(p.at + o.realParent, parent.at)
    mem.writePtr(p.at + o.parent, parent.at)
    if (flags & CLONE.childSettid) mem.writeInt64(p.at + o.setChildTid, clone!.childTid)
    if (flags & CLONE.childCleartid) mem.writeInt64(p.at + o.clearChildTid, clone!.childTid)
    const { group } = p
    group.threads.push(p)
    group.live++
    mem.i32[(group.at + layout.signal.nrThreads) >> 2]!++
    mem.i32[(group.at + layout.signal.sigcnt) >> 2]!++
    pids.attach(p, PIDTYPE.pid, pid)
    if (!thread) {
      const session = clone ? creator : parent
      const own = session.isIdle || session.pid === 0 ? pid : 0
      pids.attach(p, PIDTYPE.tgid, pid)
      pids.attach(p, PIDTYPE.pgid, own || pids.of(session, PIDTYPE.pgid))
      pids.attach(p, PIDTYPE.sid, own || pids.of(session, PIDTYPE.sid))
      listAddTail(mem, p.at + o.sibling, parent.at + o.children)
      listAddTail(mem, p.at + o.tasks, k.cpus[0]!.idle.at + o.tasks)
    }
    listAddTail(mem, p.at + o.threadNode, group.at + layout.signal.threadHead)
    k.tasks.add(p)
    k.cgroups.attach(p, k.cgroups.of(p))
    pids.put(pid)
  }

  #copySighand(p: Task, flags: number): void {
    const { mem, alloc, layout } = this.#k
    const old = p.sighand
    if (old !== 0 && flags & CLONE.sighand) {
      mem.i32[(old + layout.sighand.count) >> 2]!++
      return
    }
    const at = alloc.alloc(layout.size.sighand)
    if (old !== 0) mem.u8.copyWithin(at + layout.sighand.action, old + layout.sighand.action, old + layout.size.sighand)
    mem.i32[(at + layout.sighand.count) >> 2] = 1
    mem.writePtr(p.at + layout.task.sighand, at)
  }

  #copySignal(p: Task, from: Task | undefined): void {
    const { mem, layout } = this.#k
    const group = new ThreadGroup(this.#k)
    p.group = group
    mem.writePtr(p.at + layout.task.signal, group.at)
    if (from) {
      mem.u8.copyWithin(
        group.at + layout.signal.rlim,
        from.signal + layout.signal.rlim,
        from.signal + layout.signal.rlim + 256,
      )
      mem.u8.copyWithin(
        group.at + layout.signal.tty,
        from.signal + layout.signal.tty,
        from.signal + layout.signal.tty + 8,
      )
      mem.u8.copyWithin(
        group.at + layout.signal.oomScoreAdj,
        from.signal + layout.signal.oomScoreAdj,
        from.signal + layout.signal.oomScoreAdj + 4,
      )
    } else setDefaultLimits(group)
  }

  /** The child returns 0 from the same call, on its own stack. */
  #copyThread(p: Task, clone: CloneArgs): number {
    const { mem, layout, current } = this.#k
    mem.u8.copyWithin(p.regs, current.regs, current.regs + layout.size.ptRegs)
    mem.writeInt64(p.regs + layout.ptRegs.ax, 0)
    if (clone.stack !== 0) mem.writeInt64(p.regs + layout.ptRegs.sp, clone.stack)
    if (clone.flags & CLONE.settls && layout.task.fsbase >= 0) mem.writeInt64(p.at + layout.task.fsbase, clone.tls)
    return 0
  }

  *#start(task: Task, body: (() => Wait<undefined>) | undefined): Wait<undefined> {
    task.ip = this.#k.functions.addressOf('ret_from_fork_asm')
    yield* this.#retFromFork(task, body)
    task.enterUserMode()
  }

  *#firstRun(task: Task, body: (() => Wait<undefined>) | undefined): Wait<undefined> {
    const k = this.#k
    k.sched.startNewTask()
    if (body) {
      yield* body()
      yield* k.processes.exit.doExit(0)
    }
    const { mem, layout } = k
    const setTid = mem.readInt64(task.at + layout.task.setChildTid)
    if (setTid !== 0) task.mm?.write(setTid, int32(task.pid), 0, 4)
    yield* k.syscalls.returnFromFork(task)
  }
}

/** What a freshly booted system gives its first process. */
function setDefaultLimits(group: ThreadGroup): void {
  for (const resource of Object.values(RLIM)) {
    for (const hard of [false, true]) group.setRlimit(resource, Number.POSITIVE_INFINITY, hard)
  }
  group.setRlimit(RLIM.stack, 8 << 20)
  group.setRlimit(RLIM.core, 0)
  group.setRlimit(RLIM.nofile, 1024)
  group.setRlimit(RLIM.nofile, 1_048_576, true)
  for (const hard of [false, true]) {
    group.setRlimit(RLIM.nproc, 127_235, hard)
    group.setRlimit(RLIM.sigpending, 127_235, hard)
    group.setRlimit(RLIM.memlock, 8 << 20, hard)
    group.setRlimit(RLIM.msgqueue, 819_200, hard)
    group.setRlimit(RLIM.nice, 0, hard)
    group.setRlimit(RLIM.rtprio, 0, hard)
  }
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return bytes
}
