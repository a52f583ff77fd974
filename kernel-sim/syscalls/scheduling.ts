// System calls that set how a task is scheduled. There is one class here, the fair one: real-time and deadline policies are refused.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Kernel } from '../kernel.ts'
import { CAP } from '../task/credentials.ts'
import { PIDTYPE } from '../task/pids.ts'
import type { Task } from '../task/task.ts'
import { readUser, writePair, writeUser } from '../user-memory.ts'
import type { SyscallFamily } from './family.ts'

const { EACCES, EFAULT, EINVAL, EPERM, ESRCH } = ERRNO
const PRIO = { process: 0, pgrp: 1, user: 2 } as const
const POLICY = { normal: 0, fifo: 1, rr: 2, batch: 3, idle: 5 } as const
const FAIR: readonly number[] = [POLICY.normal, POLICY.batch, POLICY.idle]
/** nice 19 is 1, nice -20 is 40: what getpriority() returns is never negative. */
const NICE_BASE = 20
const RR_SLICE_NS = 100_000_000
const MASK_BYTES = 8

const taskOf = (k: Kernel, task: Task, pid: number): Task | undefined => (pid === 0 ? task : k.tasks.get(pid))

/** The tasks that getpriority() and setpriority() mean. */
function whoOf(k: Kernel, task: Task, which: number, who: number): Task[] {
  if (which === PRIO.process) return [taskOf(k, task, who)].filter((one) => one !== undefined)
  const all = [...k.tasks.all()].filter((one) => one.user !== undefined)
  if (which === PRIO.pgrp) {
    const group = who === 0 ? k.pids.number(k.pids.of(task, PIDTYPE.pgid)) : who
    return all.filter((one) => k.pids.number(k.pids.of(one, PIDTYPE.pgid)) === group)
  }
  const uid = who === 0 ? k.credentials.uid(task) : who
  return all.filter((one) => k.credentials.uid(one) === uid)
}

/** Others' tasks only with CAP_SYS_NICE. */
function mayChange(k: Kernel, task: Task, target: Task): boolean {
  const euid = k.credentials.id(task.cred, 'euid')
  const { realCred } = target
  const own = euid === k.credentials.id(realCred, 'uid') || euid === k.credentials.id(realCred, 'euid')
  return own || k.credentials.capable(task, CAP.sysNice)
}

function setpriority(k: Kernel, task: Task, which: number, who: number, niceval: number): number {
  if (which < 0 || which > PRIO.user) return -EINVAL
  const nice = Math.max(-20, Math.min(19, niceval >> 0))
  const targets = whoOf(k, task, which, who)
  let result: number = -ESRCH
  for (const target of targets) {
    if (!mayChange(k, task, target)) result = -EPERM
    else if (nice < target.nice && !k.credentials.capable(task, CAP.sysNice)) result = -EACCES
    else {
      target.nice = nice
      if (result === -ESRCH) result = 0
    }
  }
  return result
}

function getpriority(k: Kernel, task: Task, which: number, who: number): number {
  if (which < 0 || which > PRIO.user) return -EINVAL
  const targets = whoOf(k, task, which, who)
  return targets.length === 0 ? -ESRCH : Math.max(...targets.map((target) => NICE_BASE - target.nice))
}

function setscheduler(k: Kernel, task: Task, pid: number, policy: number, param: number): number {
  const target = taskOf(k, task, pid)
  if (!target) return -ESRCH
  const view = readUser(task, param, 4)
  if (!view) return -EFAULT
  if (!FAIR.includes(policy) || view.getInt32(0, true) !== 0) return -EINVAL
  if (!mayChange(k, task, target)) return -EPERM
  k.mem.i32[(target.at + k.layout.task.policy) >> 2] = policy
  return 0
}

/** Where it may run; a task that stands elsewhere moves when it next sleeps. */
function setaffinity(k: Kernel, task: Task, pid: number, length: number, address: number): number {
  const target = taskOf(k, task, pid)
  if (!target) return -ESRCH
  const bytes = Math.min(length, MASK_BYTES)
  const view = readUser(task, address, bytes)
  if (!view) return -EFAULT
  if (!mayChange(k, task, target)) return -EPERM
  const mask = new Uint8Array(MASK_BYTES)
  let count = 0
  for (const { id } of k.cpus) {
    if (id >> 3 >= bytes || !((view.getUint8(id >> 3) >> (id & 7)) & 1)) continue
    mask[id >> 3]! |= 1 << (id & 7)
    count++
  }
  if (count === 0) return -EINVAL
  k.mem.u8.set(mask, target.at + k.layout.task.cpusMask)
  k.mem.i32[(target.at + k.layout.task.nrCpusAllowed) >> 2] = count
  return 0
}

export const schedulingSyscalls: SyscallFamily = {
  getpriority,
  setpriority,
  sched_setscheduler: partial(setscheduler, 'EINVAL for real-time and deadline policies'),
  sched_getscheduler: (k, task, pid) => {
    const target = taskOf(k, task, pid)
    return target ? k.mem.i32[(target.at + k.layout.task.policy) >> 2]! : -ESRCH
  },
  sched_setparam: (k, task, pid, param) => {
    const target = taskOf(k, task, pid)
    if (!target) return -ESRCH
    const view = readUser(task, param, 4)
    return view ? (view.getInt32(0, true) === 0 ? 0 : -EINVAL) : -EFAULT
  },
  sched_getparam: (k, task, pid, param) => {
    if (!taskOf(k, task, pid)) return -ESRCH
    return writeUser(task, param, new DataView(new ArrayBuffer(4))) ? 0 : -EFAULT
  },
  sched_get_priority_max: (_k, _task, policy) =>
    FAIR.includes(policy) ? 0 : policy === POLICY.fifo || policy === POLICY.rr ? 99 : -EINVAL,
  sched_get_priority_min: (_k, _task, policy) =>
    FAIR.includes(policy) ? 0 : policy === POLICY.fifo || policy === POLICY.rr ? 1 : -EINVAL,
  sched_rr_get_interval: (k, task, pid, interval) => {
    if (!taskOf(k, task, pid)) return -ESRCH
    return writePair(task, interval, 0, RR_SLICE_NS) ? 0 : -EFAULT
  },
  sched_setaffinity: partial(setaffinity, 'a task that stands elsewhere moves when it next sleeps'),
}
