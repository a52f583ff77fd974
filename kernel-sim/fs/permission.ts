// Who may do what with a file: inode_permission() and the checks around it, by the current task's credentials. Capabilities count as
// in the initial user namespace. Access control lists are not modelled: mode bits decide.

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import type { Dentry } from './dentry.ts'
import type { Inode } from './inode.ts'
import { CAP, MAY, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** Whether the current task has a capability (capable()). */
export function capable(k: Kernel, capability: number): boolean {
  const at = k.current.cred + k.layout.cred.capEffective + (capability >> 5) * 4
  return ((k.mem.dv.getInt32(at, true) >>> (capability & 31)) & 1) === 1
}

export function fsuid(k: Kernel): number {
  return k.mem.dv.getUint32(k.current.cred + k.layout.cred.fsuid, true)
}

export function fsgid(k: Kernel): number {
  return k.mem.dv.getUint32(k.current.cred + k.layout.cred.fsgid, true)
}

/** in_group_p(): the fsgid or one of the supplementary groups. */
export function inGroup(k: Kernel, gid: number): boolean {
  if (fsgid(k) === gid) return true
  const groups = k.mem.readPtr(k.current.cred + k.layout.cred.groupInfo)
  if (groups === 0) return false
  const count = k.mem.dv.getInt32(groups + k.layout.groupInfo.ngroups, true)
  for (let i = 0; i < count; i++)
    if (k.mem.dv.getUint32(groups + k.layout.groupInfo.gid + i * 4, true) === gid) return true
  return false
}

/** inode_owner_or_capable(). */
export function ownerOrCapable(k: Kernel, inode: Inode): boolean {
  return fsuid(k) === inode.uid || capable(k, CAP.fowner)
}

export function declarePermission(vfs: Vfs) {
  const { k } = vfs

  const generic = vfs.declare(
    `int generic_permission(${vfs.idmapParam}, struct inode *inode, int mask)`,
    (_idmap: number, inode: Inode, mask: number): number => {
      const { mode } = inode
      const wanted = mask & (MAY.read | MAY.write | MAY.exec)
      const bits = fsuid(k) === inode.uid ? mode >> 6 : inGroup(k, inode.gid) ? mode >> 3 : mode
      if ((wanted & ~bits) === 0) return 0
      if (inode.isDir) {
        if (!(wanted & MAY.write) && capable(k, CAP.dacReadSearch)) return 0
        return capable(k, CAP.dacOverride) ? 0 : -ERRNO.EACCES
      }
      if (wanted === MAY.read && capable(k, CAP.dacReadSearch)) return 0
      // Nobody executes what has no execute bit at all.
      if ((!(wanted & MAY.exec) || mode & 0o111) && capable(k, CAP.dacOverride)) return 0
      return -ERRNO.EACCES
    },
  )

  const security = vfs.security('int security_inode_permission(struct inode *inode, int mask)')

  /** 0 or -EACCES (-EROFS, -EPERM are the mount's and the inode flags' business, which nothing here sets). */
  const inodePermission = vfs.declare(
    `int inode_permission(${vfs.idmapParam}, struct inode *inode, int mask)`,
    (idmap: number, inode: Inode, mask: number): number => generic(idmap, inode, mask) || security(inode, mask),
  )

  const mayDelete = vfs.declare(
    `int may_delete(${vfs.idmapParam}, struct inode *dir, struct dentry *victim, bool isdir)`,
    (idmap: number, dir: Inode, victim: Dentry, isDir: number): number => {
      const inode = victim.inode
      if (!inode) return -ERRNO.ENOENT
      const refused = inodePermission(idmap, dir, MAY.write | MAY.exec)
      if (refused) return refused
      if (dir.mode & S.isvtx && fsuid(k) !== inode.uid && fsuid(k) !== dir.uid && !capable(k, CAP.fowner))
        return -ERRNO.EPERM
      if (isDir) {
        if (!inode.isDir) return -ERRNO.ENOTDIR
        if (victim.parent === victim) return -ERRNO.EBUSY
      } else if (inode.isDir) return -ERRNO.EISDIR
      return dir.nlink === 0 ? -ERRNO.ENOENT : 0
    },
  )

  /** may_create(), inlined in Linux: 0, -EEXIST, -ENOENT in a removed directory, -EACCES. */
  const mayCreate = (dir: Inode, child: Dentry): number => {
    if (child.inode) return -ERRNO.EEXIST
    if (dir.nlink === 0) return -ERRNO.ENOENT
    return inodePermission(vfs.idmap, dir, MAY.write | MAY.exec)
  }

  return { inodePermission, genericPermission: generic, mayDelete, mayCreate }
}
