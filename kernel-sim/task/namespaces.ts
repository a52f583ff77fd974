// The initial namespaces, one of each kind, with the inode numbers that /proc/PID/ns shows on every Linux. There are no others:
// CLONE_NEW* is refused. The mount and network namespaces belong to the file and network parts, which set their pointers.

import type { Kernel } from '../kernel.ts'

/** Inode numbers of the initial namespaces (include/linux/proc_ns.h). */
export const NS_INUM = {
  ipc: 0xefffffff,
  uts: 0xeffffffe,
  user: 0xeffffffd,
  pid: 0xeffffffc,
  cgroup: 0xeffffffb,
  time: 0xeffffffa,
} as const

export const CLONE_NEW = {
  time: 0x80,
  mnt: 0x20000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
} as const

export const CLONE_NEW_ANY = Object.values(CLONE_NEW).reduce((all, flag) => all | flag, 0)

export class Namespaces {
  readonly user: number
  readonly uts: number
  readonly ipc: number
  readonly pid: number
  readonly time: number
  readonly cgroup: number
  /** Offset of the initial struct nsproxy. */
  readonly nsproxy: number

  constructor(k: Kernel, hostname: string) {
    const { alloc, mem, layout } = k
    const { size } = layout
    const make = (bytes: number, inum: number, value: number): number => {
      const at = alloc.alloc(bytes)
      if (inum >= 0) mem.i32[(at + inum) >> 2] = value
      return at
    }
    this.user = make(size.userNs, layout.userNs.inum, NS_INUM.user)
    this.uts = make(size.utsNs, layout.utsNs.inum, NS_INUM.uts)
    this.ipc = make(size.ipcNs, layout.ipcNs.inum, NS_INUM.ipc)
    this.pid = make(size.pidNs, layout.pidNs.inum, NS_INUM.pid)
    this.time = make(size.timeNs, layout.timeNs.inum, NS_INUM.time)
    this.cgroup = make(size.cgroupNs, layout.cgroupNs.inum, NS_INUM.cgroup)
    mem.writePtr(this.uts + layout.utsNs.userNs, this.user)
    mem.writePtr(this.ipc + layout.ipcNs.userNs, this.user)
    mem.writePtr(this.pid + layout.pidNs.userNs, this.user)
    mem.writePtr(this.time + layout.timeNs.userNs, this.user)
    mem.writePtr(this.cgroup + layout.cgroupNs.userNs, this.user)

    const name = this.uts + layout.utsNs.name
    mem.writeCstring(name + layout.uts.sysname, 'Linux', 65)
    mem.writeCstring(name + layout.uts.nodename, hostname, 65)
    mem.writeCstring(name + layout.uts.release, k.release, 65)
    mem.writeCstring(name + layout.uts.version, '#1 SMP PREEMPT_DYNAMIC bpfsim', 65)
    mem.writeCstring(name + layout.uts.machine, 'x86_64', 65)
    mem.writeCstring(name + layout.uts.domainname, '(none)', 65)

    const { nsproxy } = layout
    this.nsproxy = alloc.alloc(size.nsproxy)
    mem.i32[(this.nsproxy + nsproxy.count) >> 2] = 1
    mem.writePtr(this.nsproxy + nsproxy.utsNs, this.uts)
    mem.writePtr(this.nsproxy + nsproxy.ipcNs, this.ipc)
    mem.writePtr(this.nsproxy + nsproxy.pidNs, this.pid)
    mem.writePtr(this.nsproxy + nsproxy.timeNs, this.time)
    mem.writePtr(this.nsproxy + nsproxy.timeNsForChildren, this.time)
    mem.writePtr(this.nsproxy + nsproxy.cgroupNs, this.cgroup)
  }
}
