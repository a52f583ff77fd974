// System calls by which processes begin, end, wait for each other and are numbered.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Kernel } from '../kernel.ts'
import { SIG } from '../signal/numbers.ts'
import { CLONE, type CloneArgs, cloneArgs } from '../task/fork.ts'
import { PIDTYPE } from '../task/pids.ts'
import type { Task } from '../task/task.ts'
import { WAIT, type Which } from '../task/wait.ts'
import { int64, readUser, writeUser } from '../user-memory.ts'
import { after, type MaybeWait, type Wait } from '../wait.ts'
import type { SyscallFamily } from './family.ts'

const { EFAULT, EINVAL, EPERM, ESRCH } = ERRNO
const CSIGNAL = 0xff
const P = { all: 0, pid: 1, pgid: 2 } as const
const CLONE_ARGS_MIN = 64
const AT_FDCWD = -100
const RUSAGE_BYTES = 144
const NO_NAMESPACES = 'CLONE_NEW* is refused with EINVAL, CLONE_PIDFD is ignored'
const LEADER_ONLY = 'EAGAIN in any thread but the first of its process'

function clone(k: Kernel, values: Omit<CloneArgs, 'at'>): MaybeWait<number> {
  const args = cloneArgs(k, values)
  return after(k.processes.fork.kernelClone(args), (result) => {
    k.alloc.free(args.at)
    return result
  })
}

const plainFork = (flags: number): Omit<CloneArgs, 'at'> => ({
  flags,
  exitSignal: SIG.CHLD,
  stack: 0,
  tls: 0,
  parentTid: 0,
  childTid: 0,
})

/** Flags without their low byte, which is the signal at the child's end. */
const flagsOf = (flags: number): number => flags & ~CSIGNAL

function exec(k: Kernel, dirfd: number, path: number, argv: number, envp: number, flags: number): MaybeWait<number> {
  const name = k.vfs.namei.getname(path)
  if (typeof name === 'number') return k.settle(name)
  return after(k.processes.exec.execve(dirfd, name, argv, envp, flags), (result) => {
    k.vfs.namei.putname(name)
    return result
  })
}

/** A call that ends the task gives no result. */
function* ends(exit: Wait<undefined>): Wait<number> {
  yield* exit
  return 0
}

function which(k: Kernel, task: Task, pid: number): Which {
  if (pid === -1) return { kind: 'any' }
  if (pid > 0) return { kind: 'pid', nr: pid }
  return { kind: 'pgid', nr: pid === 0 ? k.pids.number(k.pids.of(task, PIDTYPE.pgid)) : -pid }
}

/** The process that a pid argument means: 0 is the caller's own. */
function processOf(k: Kernel, task: Task, pid: number): Task | undefined {
  const found = pid === 0 ? task : k.tasks.get(pid)
  return found?.groupLeader
}

export const processSyscalls: SyscallFamily = {
  fork: (k) => clone(k, plainFork(0)),
  vfork: (k) => clone(k, plainFork(CLONE.vfork | CLONE.vm)),
  clone: partial(
    (k, _task, flags, stack, parentTid, childTid, tls) =>
      clone(k, { flags: flagsOf(flags), exitSignal: flags & CSIGNAL, stack, tls, parentTid, childTid }),
    NO_NAMESPACES,
  ),
  clone3: partial((k, task, uargs, size) => {
    if (size < CLONE_ARGS_MIN) return -EINVAL
    const args = readUser(task, uargs, CLONE_ARGS_MIN)
    if (!args) return -EFAULT
    const [stack, stackSize] = [int64(args, 40), int64(args, 48)]
    return clone(k, {
      flags: int64(args, 0),
      childTid: int64(args, 16),
      parentTid: int64(args, 24),
      exitSignal: int64(args, 32),
      stack: stack + stackSize,
      tls: int64(args, 56),
    })
  }, NO_NAMESPACES),

  execve: partial((k, _task, path, argv, envp) => exec(k, AT_FDCWD, path, argv, envp, 0), LEADER_ONLY),
  execveat: partial(
    (k, _task, dirfd, path, argv, envp, flags) => exec(k, dirfd >> 0, path, argv, envp, flags),
    `${LEADER_ONLY}; flags are ignored`,
  ),

  exit: (k, _task, status) => ends(k.processes.exit.doExit((status & 0xff) << 8)),
  exit_group: (k, _task, status) => ends(k.processes.exit.doGroupExit((status & 0xff) << 8)),

  wait4: (k, task, pid, statAddr, options, usage) => {
    if (options & ~(WAIT.nohang | WAIT.untraced | WAIT.continued | 0xe0000000)) return -EINVAL
    const ru = usage === 0 ? 0 : task.stackRoom(RUSAGE_BYTES)
    return after(k.processes.wait.wait4(which(k, task, pid >> 0), statAddr, options, ru), (result) => {
      if (result <= 0 || ru === 0) return result
      return task.mm?.write(usage, k.mem.u8, ru, RUSAGE_BYTES) === 0 ? result : -EFAULT
    })
  },
  waitid: (k, task, type, id, infop, options, _usage) => {
    if ((options & (WAIT.exited | WAIT.untraced | WAIT.continued)) === 0) return -EINVAL
    const wanted: Which | undefined =
      type === P.all
        ? { kind: 'any' }
        : type === P.pid
          ? { kind: 'pid', nr: id }
          : type === P.pgid
            ? { kind: 'pgid', nr: id === 0 ? k.pids.number(k.pids.of(task, PIDTYPE.pgid)) : id }
            : undefined
    if (!wanted) return -EINVAL
    return after(k.processes.wait.wait(wanted, options), (result) => {
      if (result < 0) return result
      return infop !== 0 && !writeUser(task, infop, childInfo(k, result)) ? -EFAULT : 0
    })
  },

  getpid: (_k, task) => task.tgid,
  gettid: (_k, task) => task.pid,
  getppid: (_k, task) => task.groupLeader.realParent.tgid,
  getpgrp: (k, task) => k.pids.number(k.pids.of(task, PIDTYPE.pgid)),
  getpgid: (k, task, pid) => {
    const p = processOf(k, task, pid)
    return p ? k.pids.number(k.pids.of(p, PIDTYPE.pgid)) : -ESRCH
  },
  getsid: (k, task, pid) => {
    const p = processOf(k, task, pid)
    return p ? k.pids.number(k.pids.of(p, PIDTYPE.sid)) : -ESRCH
  },
  setpgid: (k, task, pid, pgid) => {
    const p = processOf(k, task, pid)
    if (!p) return -ESRCH
    if (pgid < 0) return -EINVAL
    if (p !== task.groupLeader && p.realParent.groupLeader !== task.groupLeader) return -ESRCH
    const wanted = k.pids.find(pgid === 0 ? p.pid : pgid)
    if (wanted === 0) return -EPERM
    k.pids.change(p, PIDTYPE.pgid, wanted)
    return 0
  },
  setsid: (k, task) => {
    const own = k.pids.of(task.groupLeader, PIDTYPE.tgid)
    if (k.pids.of(task, PIDTYPE.pgid) === own) return -EPERM
    k.pids.change(task.groupLeader, PIDTYPE.sid, own)
    k.pids.change(task.groupLeader, PIDTYPE.pgid, own)
    return task.tgid
  },
  sched_yield: (k) => yieldCpu(k),
}

function* yieldCpu(k: Kernel): Wait<number> {
  yield* k.sched.schedule()
  return 0
}

/** siginfo of waitid(): all zeros when nothing was found. */
function childInfo(k: Kernel, pid: number): DataView {
  const view = new DataView(new ArrayBuffer(128))
  const { found } = k.current
  if (pid === 0 || !found) return view
  const signal = found.status & 0x7f
  view.setInt32(0, SIG.CHLD, true)
  view.setInt32(8, signal === 0 ? 1 : found.status & 0x80 ? 3 : 2, true)
  view.setInt32(16, found.pid, true)
  view.setUint32(20, found.uid, true)
  view.setInt32(24, signal === 0 ? found.status >> 8 : signal, true)
  return view
}
