// The mount and network namespaces that every task starts in. There is one of each.

import type { Kernel } from '../kernel.ts'
import type { Mount } from './mount.ts'

/** Inode numbers are handed out from here when a namespace has no fixed one (PROC_DYNAMIC_FIRST); the mount namespace comes first. */
const PROC_DYNAMIC_FIRST = 0xf0000000
const NET_INUM = PROC_DYNAMIC_FIRST + 0x78

/** Makes both and enters them in the initial nsproxy. */
export function makeNamespaces(k: Kernel, root: Mount): void {
  const { mem, alloc, layouts, layout } = k
  const make = (struct: string, inum: number): number => {
    const at = alloc.alloc(Math.max(8, layouts.sizeOf(struct)))
    const field = layouts.field(struct, 'ns.inum')
    if (field) mem.dv.setUint32(at + field.offset, inum, true)
    const userNs = layouts.field(struct, 'user_ns')
    if (userNs) mem.writePtr(at + userNs.offset, k.namespaces.user)
    return at
  }
  const mnt = make('mnt_namespace', PROC_DYNAMIC_FIRST)
  const rootField = layouts.field('mnt_namespace', 'root')
  if (rootField) mem.writePtr(mnt + rootField.offset, root.at)
  for (const mount of k.vfs.mounts) mem.writePtr(mount.at + k.vfs.layout.mount.mnt_ns, mnt)
  mem.writePtr(k.namespaces.nsproxy + layout.nsproxy.mntNs, mnt)
  mem.writePtr(k.namespaces.nsproxy + layout.nsproxy.netNs, make('net', NET_INUM))
}
