// Helpers about the current task: ids, credentials, name, cgroup, registers.

import { ERRNO } from '../../base/errno.ts'
import { SEND_SIG_PRIV } from '../../kernel-sim/signal/numbers.ts'
import { PIDTYPE_PID, PIDTYPE_TGID } from '../../kernel-sim/signal/signals.ts'
import { PF } from '../../kernel-sim/task/task.ts'
import type { CgroupArray } from '../maps/cgroup-array.ts'
import type { HelperFamily } from './family.ts'

export const taskHelpers: HelperFamily = ({ kernel, machine }) => {
  const { mem, layout, layouts } = kernel
  const cgroupFields = layouts.bind('cgroup', { kn: 'kn', level: 'level', ancestors: 'ancestors' })
  const kernfsId = layouts.field('kernfs_node', 'id')?.offset ?? -1
  const u32At = (at: number): number => mem.i32[at >> 2]!

  /** The cgroup v2 of the current task. */
  const currentCgroup = (): number =>
    mem.readPtr(mem.readPtr(kernel.current.at + layout.task.cgroups) + layout.cssSet.dflCgrp)
  const giveId = (cgroup: number): number => {
    const id = mem.readPtr(cgroup + cgroupFields.kn) + kernfsId
    return machine.giveU64(u32At(id), u32At(id + 4))
  }
  /** The ancestor of a cgroup at a level, the cgroup itself at its own; 0 where there is none. */
  const ancestor = (cgroup: number, level: number): number =>
    level < 0 || level > u32At(cgroup + cgroupFields.level)
      ? 0
      : mem.readPtr(cgroup + cgroupFields.ancestors + level * 8)

  /** bpf_send_signal(): to the current task's process or to the task itself; never to init, kernel threads and those that exit. */
  const sendSignal = (signal: number, type: number): number => {
    const { current } = kernel
    if (current.flags & (PF.kthread | PF.exiting) || current.pid === 1) return -ERRNO.EPERM
    if (signal >>> 0 > MAX_SIGNAL) return -ERRNO.EINVAL
    return kernel.signals.groupSendSigInfo(signal, SEND_SIG_PRIV, current, type)
  }

  return [
    { id: 109, name: 'send_signal', takes: ['u32'], gives: 's32', run: (signal) => sendSignal(signal, PIDTYPE_TGID) },
    {
      id: 117,
      name: 'send_signal_thread',
      takes: ['u32'],
      gives: 's32',
      run: (signal) => sendSignal(signal, PIDTYPE_PID),
    },
    {
      id: 14,
      name: 'get_current_pid_tgid',
      takes: [],
      gives: 'u64',
      run: () => machine.giveU64(kernel.current.pid, kernel.current.tgid),
    },
    {
      id: 15,
      name: 'get_current_uid_gid',
      takes: [],
      gives: 'u64',
      run: () => {
        const { cred } = kernel.current
        return machine.giveU64(u32At(cred + layout.cred.uid), u32At(cred + layout.cred.gid))
      },
    },
    {
      id: 16,
      name: 'get_current_comm',
      takes: ['ptr', 'u32'],
      gives: 's32',
      run: (to, size) => {
        const from = kernel.current.at + layout.task.comm
        const { u8 } = mem
        let i = 0
        for (; i < size - 1 && i < 16 && u8[from + i] !== 0; i++) u8[to + i] = u8[from + i]!
        u8.fill(0, to + i, to + size)
        return 0
      },
    },
    { id: 35, name: 'get_current_task', takes: [], gives: 'ptr', run: () => kernel.current.at },
    { id: 158, name: 'get_current_task_btf', takes: [], gives: 'ptr', run: () => kernel.current.at },
    { id: 175, name: 'task_pt_regs', takes: ['ptr'], gives: 'ptr', run: (task) => kernel.tasks.at(task).regs },
    { id: 80, name: 'get_current_cgroup_id', takes: [], gives: 'u64', run: () => giveId(currentCgroup()) },
    {
      id: 123,
      name: 'get_current_ancestor_cgroup_id',
      takes: ['s32'],
      gives: 'u64',
      run: (level) => {
        const found = ancestor(currentCgroup(), level)
        return found === 0 ? machine.giveU64(0, 0) : giveId(found)
      },
    },
    {
      id: 37,
      name: 'current_task_under_cgroup',
      takes: ['ptr', 'u32'],
      gives: 's32',
      run: (map, index) => {
        const array = machine.mapAt(map) as CgroupArray
        if (index >>> 0 >= array.maxEntries) return -ERRNO.E2BIG
        const cgroup = array.at(index >>> 0)
        if (!cgroup) return -ERRNO.EAGAIN
        const level = u32At(cgroup.at + cgroupFields.level)
        return ancestor(currentCgroup(), level) === cgroup.at ? 1 : 0
      },
    },
    {
      id: 120,
      name: 'get_ns_current_pid_tgid',
      takes: ['u64', 'u64', 'ptr', 'u32'],
      gives: 's32',
      run: (devLo, devHi, inoLo, inoHi, to, size) => {
        mem.u8.fill(0, to, to + size)
        if (size !== 8 || devHi !== 0 || inoHi !== 0) return -ERRNO.EINVAL
        // The pid structure knows the task's number in each namespace it is visible in; the last is its own.
        const { current } = kernel
        const pid = mem.readPtr(current.at + layout.task.threadPid)
        const own = (at: number): number => at + layout.pid.numbers + u32At(at + layout.pid.level) * layout.size.upid
        const namespace = mem.readPtr(own(pid) + layout.upid.ns)
        if (devLo !== NSFS_DEV || u32At(namespace + layout.pidNs.inum) !== inoLo) return -ERRNO.EINVAL
        const leader = mem.readPtr(current.groupLeader.at + layout.task.threadPid)
        mem.dv.setInt32(to, u32At(own(pid) + layout.upid.nr), true)
        mem.dv.setInt32(to + 4, u32At(own(leader) + layout.upid.nr), true)
        return 0
      },
    },
  ]
}

/** SIGRTMAX */
const MAX_SIGNAL = 64

/** Device of the nsfs files in /proc/PID/ns: an anonymous one, minor 4. */
const NSFS_DEV = 4
