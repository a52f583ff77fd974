// System calls that tell and change who a task acts as.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import { CAP } from '../task/credentials.ts'
import type { Task } from '../task/task.ts'
import { readUser, writeUser } from '../user-memory.ts'
import type { SyscallFamily } from './family.ts'

const { EFAULT, EINVAL, EPERM } = ERRNO
const NGROUPS_MAX = 65536
const KEEP = 0xffffffff

const ids = (k: Kernel, task: Task, kind: 'u' | 'g') => ({
  real: k.credentials.id(task.cred, `${kind}id`),
  effective: k.credentials.id(task.cred, `e${kind}id`),
  saved: k.credentials.id(task.cred, `s${kind}id`),
})

/** setuid(), setgid(): all three with the capability, else the effective one to the real or saved one. */
function setId(k: Kernel, task: Task, kind: 'u' | 'g', id: number): number {
  const wanted = id >>> 0
  if (wanted === KEEP) return -EINVAL
  const now = ids(k, task, kind)
  if (k.credentials.capable(task, kind === 'u' ? CAP.setuid : CAP.setgid))
    return setAll(k, task, kind, wanted, wanted, wanted)
  if (wanted !== now.real && wanted !== now.saved) return -EPERM
  return setAll(k, task, kind, now.real, wanted, now.saved)
}

function setAll(k: Kernel, task: Task, kind: 'u' | 'g', real: number, effective: number, saved: number): number {
  return k.credentials.change(task, {
    [`${kind}id`]: real,
    [`e${kind}id`]: effective,
    [`s${kind}id`]: saved,
    [`fs${kind}id`]: effective,
  })
}

/** setresuid(), setresgid(): each id to one of the three that the task has, or anything with the capability; -1 keeps. */
function setResId(k: Kernel, task: Task, kind: 'u' | 'g', ...wanted: readonly [number, number, number]): number {
  const now = ids(k, task, kind)
  const allowed: readonly number[] = Object.values(now)
  const [real, effective, saved] = wanted.map((id) => id >>> 0) as [number, number, number]
  const free = k.credentials.capable(task, kind === 'u' ? CAP.setuid : CAP.setgid)
  for (const id of [real, effective, saved]) if (id !== KEEP && !free && !allowed.includes(id)) return -EPERM
  const or = (id: number, old: number): number => (id === KEEP ? old : id)
  return setAll(k, task, kind, or(real, now.real), or(effective, now.effective), or(saved, now.saved))
}

function setReId(k: Kernel, task: Task, kind: 'u' | 'g', real: number, effective: number): number {
  const now = ids(k, task, kind)
  const euid = effective >>> 0 === KEEP ? now.effective : effective >>> 0
  const saved = real >>> 0 !== KEEP || (effective >>> 0 !== KEEP && euid !== now.real) ? euid : now.saved
  return setResId(k, task, kind, real, effective, saved)
}

function getResIds(k: Kernel, task: Task, kind: 'u' | 'g', ...addresses: readonly number[]): number {
  const now = ids(k, task, kind)
  for (const [i, id] of [now.real, now.effective, now.saved].entries()) {
    const view = new DataView(new ArrayBuffer(4))
    view.setUint32(0, id, true)
    if (!writeUser(task, addresses[i]!, view)) return -EFAULT
  }
  return 0
}

function getgroups(k: Kernel, task: Task, size: number, list: number): number {
  const groups = k.credentials.groups(task)
  if (size === 0) return groups.length
  if (size < groups.length) return -EINVAL
  const view = new DataView(new ArrayBuffer(groups.length * 4))
  for (const [i, group] of groups.entries()) view.setUint32(i * 4, group, true)
  return writeUser(task, list, view) ? groups.length : -EFAULT
}

function setgroups(k: Kernel, task: Task, size: number, list: number): number {
  if (!k.credentials.capable(task, CAP.setgid)) return -EPERM
  if (size < 0 || size > NGROUPS_MAX) return -EINVAL
  const view = readUser(task, list, size * 4)
  if (!view && size > 0) return -EFAULT
  const groups = Array.from({ length: size }, (_, i) => view!.getUint32(i * 4, true))
  return k.credentials.change(
    task,
    {},
    groups.sort((a, b) => a - b),
  )
}

export const credentialSyscalls: SyscallFamily = {
  getuid: (k, task) => k.credentials.id(task.cred, 'uid'),
  geteuid: (k, task) => k.credentials.id(task.cred, 'euid'),
  getgid: (k, task) => k.credentials.id(task.cred, 'gid'),
  getegid: (k, task) => k.credentials.id(task.cred, 'egid'),
  setuid: (k, task, uid) => setId(k, task, 'u', uid),
  setgid: (k, task, gid) => setId(k, task, 'g', gid),
  setreuid: (k, task, ruid, euid) => setReId(k, task, 'u', ruid, euid),
  setregid: (k, task, rgid, egid) => setReId(k, task, 'g', rgid, egid),
  setresuid: (k, task, ruid, euid, suid) => setResId(k, task, 'u', ruid, euid, suid),
  setresgid: (k, task, rgid, egid, sgid) => setResId(k, task, 'g', rgid, egid, sgid),
  getresuid: (k, task, ruid, euid, suid) => getResIds(k, task, 'u', ruid, euid, suid),
  getresgid: (k, task, rgid, egid, sgid) => getResIds(k, task, 'g', rgid, egid, sgid),
  setfsuid: (k, task, uid) => setFsId(k, task, 'u', uid),
  setfsgid: (k, task, gid) => setFsId(k, task, 'g', gid),
  getgroups,
  setgroups,
}

/** The old id, whether it changed or not. */
function setFsId(k: Kernel, task: Task, kind: 'u' | 'g', id: number): number {
  const old = k.credentials.id(task.cred, `fs${kind}id`)
  const now = ids(k, task, kind)
  const wanted = id >>> 0
  const allowed = wanted === old || (Object.values(now) as number[]).includes(wanted)
  if (wanted !== KEEP && (allowed || k.credentials.capable(task, kind === 'u' ? CAP.setuid : CAP.setgid))) {
    k.credentials.change(task, { [`fs${kind}id`]: wanted })
  }
  return old
}
