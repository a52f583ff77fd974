// Who a task acts as: struct cred in kernel memory, shared until changed, replaced as a whole (commit_creds). One user namespace, so
// kuid and uid are the same number.

import type { Kernel } from '../kernel.ts'
import type { Task } from './task.ts'

type Id = 'uid' | 'gid' | 'suid' | 'sgid' | 'euid' | 'egid' | 'fsuid' | 'fsgid'

/** Capabilities that code here asks for (include/uapi/linux/capability.h). */
export const CAP = {
  chown: 0,
  dacOverride: 1,
  dacReadSearch: 2,
  fowner: 3,
  fsetid: 4,
  kill: 5,
  setgid: 6,
  setuid: 7,
  sysAdmin: 21,
  sysNice: 23,
  sysResource: 24,
  perfmon: 38,
  bpf: 39,
} as const

/** All capabilities up to CAP_CHECKPOINT_RESTORE. */
const ALL_LO = -1
const ALL_HI = 0x1ff

export class Credentials {
  readonly #k: Kernel
  /** init_cred: root with every capability. */
  readonly root: number
  readonly #commit: (cred: number) => number
  readonly #capable: (cred: number, userNs: number, cap: number, options: number) => number

  constructor(k: Kernel, userNs: number) {
    this.#k = k
    const { alloc, mem, layout } = k
    this.root = alloc.alloc(layout.size.cred)
    mem.writeInt64(this.root + layout.cred.usage, 1)
    mem.writePtr(this.root + layout.cred.userNs, userNs)
    mem.writePtr(this.root + layout.cred.groupInfo, alloc.alloc(layout.size.groupInfo))
    this.#setCapabilities(this.root, true)
    this.#commit = k.functions.declare('int commit_creds(struct cred *new)', (cred: number) => {
      const { current } = k
      const old = current.cred
      this.hold(cred)
      mem.writePtr(current.at + layout.task.cred, cred)
      mem.writePtr(current.at + layout.task.realCred, cred)
      this.put(old)
      this.put(old)
      return 0
    })
    this.#capable = k.functions.declare(
      'int cap_capable(const struct cred *cred, struct user_namespace *targ_ns, int cap, unsigned int opts)',
      (cred: number, _ns: number, cap: number, _options: number) => {
        const word = mem.i32[(cred + layout.cred.capEffective + (cap > 31 ? 4 : 0)) >> 2]!
        return word & (1 << (cap & 31)) ? 0 : -1
      },
    )
  }

  uid(task: Task): number {
    return this.id(task.cred, 'uid')
  }

  /** An id of a struct cred, as an unsigned number. */
  id(cred: number, which: Id): number {
    return this.#k.mem.u32[(cred + this.#k.layout.cred[which]) >> 2]!
  }

  /** capable(): CAP_* in the initial user namespace. */
  capable(task: Task, cap: number): boolean {
    const { mem, layout } = this.#k
    const { cred } = task
    return this.#capable(cred, mem.readPtr(cred + layout.cred.userNs), cap, 0) === 0
  }

  /** Supplementary groups. */
  groups(task: Task): number[] {
    const { mem, layout } = this.#k
    const info = mem.readPtr(task.cred + layout.cred.groupInfo)
    const count = mem.i32[(info + layout.groupInfo.ngroups) >> 2]!
    return Array.from({ length: count }, (_, i) => mem.u32[((info + layout.groupInfo.gid) >> 2) + i]!)
  }

  /** A copy with these ids (and groups), for the current task. Capabilities follow the user ids as they do at setuid(). */
  change(task: Task, ids: Partial<Record<Id, number>>, groups?: readonly number[]): number {
    const { mem, layout, alloc } = this.#k
    const cred = alloc.alloc(layout.size.cred)
    const wasRoot = [this.id(task.cred, 'uid'), this.id(task.cred, 'euid'), this.id(task.cred, 'suid')].includes(0)
    const euidBefore = this.id(task.cred, 'euid')
    mem.u8.copyWithin(cred, task.cred, task.cred + layout.size.cred)
    mem.writeInt64(cred + layout.cred.usage, 1)
    for (const [which, id] of Object.entries(ids) as [Id, number][]) mem.i32[(cred + layout.cred[which]) >> 2] = id
    if (groups) mem.writePtr(cred + layout.cred.groupInfo, this.#groupInfo(groups))
    const isRoot = [this.id(cred, 'uid'), this.id(cred, 'euid'), this.id(cred, 'suid')].includes(0)
    if (wasRoot && !isRoot) this.#setCapabilities(cred, false)
    else if (euidBefore === 0 && this.id(cred, 'euid') !== 0) mem.writeInt64(cred + layout.cred.capEffective, 0)
    else if (euidBefore !== 0 && this.id(cred, 'euid') === 0) {
      mem.u8.copyWithin(
        cred + layout.cred.capEffective,
        cred + layout.cred.capPermitted,
        cred + layout.cred.capPermitted + 8,
      )
    }
    return this.#commit(cred)
  }

  /** A user's credentials for a task that a session starts. */
  make(uid: number, gid: number, groups: readonly number[] = []): number {
    const { mem, layout, alloc } = this.#k
    const cred = alloc.alloc(layout.size.cred)
    mem.u8.copyWithin(cred, this.root, this.root + layout.size.cred)
    mem.writeInt64(cred + layout.cred.usage, 0)
    for (const which of ['uid', 'suid', 'euid', 'fsuid'] as const) mem.i32[(cred + layout.cred[which]) >> 2] = uid
    for (const which of ['gid', 'sgid', 'egid', 'fsgid'] as const) mem.i32[(cred + layout.cred[which]) >> 2] = gid
    mem.writePtr(cred + layout.cred.groupInfo, this.#groupInfo(groups))
    if (uid !== 0) this.#setCapabilities(cred, false)
    return cred
  }

  hold(cred: number): void {
    const at = cred + this.#k.layout.cred.usage
    this.#k.mem.writeInt64(at, this.#k.mem.readInt64(at) + 1)
  }

  put(cred: number): void {
    const { mem, layout, alloc } = this.#k
    const left = mem.readInt64(cred + layout.cred.usage) - 1
    mem.writeInt64(cred + layout.cred.usage, left)
    if (left === 0) alloc.free(cred)
  }

  /** kill_ok_by_cred(), or the signal is SIGCONT within a session (not asked for here), or CAP_KILL. */
  mayKill(sender: Task, target: Task, _signal: number): boolean {
    if (sender.group === target.group) return true
    const [mine, theirs] = [sender.cred, target.realCred]
    const [uid, euid] = [this.id(mine, 'uid'), this.id(mine, 'euid')]
    const [tuid, tsuid] = [this.id(theirs, 'uid'), this.id(theirs, 'suid')]
    return euid === tsuid || euid === tuid || uid === tsuid || uid === tuid || this.capable(sender, CAP.kill)
  }

  #groupInfo(groups: readonly number[]): number {
    const { mem, layout, alloc } = this.#k
    const info = alloc.alloc(layout.size.groupInfo + groups.length * 4)
    mem.i32[(info + layout.groupInfo.ngroups) >> 2] = groups.length
    for (const [i, group] of groups.entries()) mem.i32[((info + layout.groupInfo.gid) >> 2) + i] = group
    return info
  }

  #setCapabilities(cred: number, all: boolean): void {
    const { mem, layout } = this.#k
    for (const set of [layout.cred.capPermitted, layout.cred.capEffective]) {
      mem.i32[(cred + set) >> 2] = all ? ALL_LO : 0
      mem.i32[(cred + set + 4) >> 2] = all ? ALL_HI : 0
    }
    mem.i32[(cred + layout.cred.capBset) >> 2] = ALL_LO
    mem.i32[(cred + layout.cred.capBset + 4) >> 2] = ALL_HI
  }
}
