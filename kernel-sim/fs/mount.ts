// struct mount with its vfsmount: a file system (or part of one) seen at a place of the tree.

import type { FsContext } from './context.ts'
import type { Dentry } from './dentry.ts'
import type { SuperBlock } from './super-block.ts'

export class Mount {
  readonly at: number
  readonly sb: SuperBlock
  readonly root: Dentry
  /** Where it is mounted; itself and its own root for the root of the tree. */
  readonly parent: Mount
  readonly mountpoint: Dentry
  readonly id: number
  readonly devname: string
  readonly flags: number
  readonly #context: FsContext

  /** `flags` are MNT_*; `namespace` is the offset of the mnt_namespace it belongs to, 0 for the kernel's own (pipes, sockets). */
  constructor(
    context: FsContext,
    options: {
      id: number
      sb: SuperBlock
      devname: string
      on: Path | undefined
      namespace: number
      flags: number
    },
  ) {
    const { mem, alloc, layout } = context
    this.#context = context
    this.id = options.id
    this.sb = options.sb
    this.root = options.sb.root
    this.devname = options.devname
    this.flags = options.flags
    this.parent = options.on?.mount ?? this
    this.mountpoint = options.on?.dentry ?? this.root
    this.at = alloc.alloc(layout.mount.size)
    mem.writePtr(this.at + layout.mount.mnt_parent, this.parent.at)
    mem.writePtr(this.at + layout.mount.mnt_mountpoint, this.mountpoint.at)
    mem.writePtr(this.at + layout.mount.mnt_ns, options.namespace)
    mem.dv.setInt32(this.at + layout.mount.mnt_id, options.id, true)
    const devname = alloc.alloc(options.devname.length + 1)
    mem.writeCstring(devname, options.devname, options.devname.length + 1)
    mem.writePtr(this.at + layout.mount.mnt_devname, devname)
    mem.writePtr(this.vfsmount + layout.vfsmount.mnt_root, this.root.at)
    mem.writePtr(this.vfsmount + layout.vfsmount.mnt_sb, this.sb.at)
    mem.dv.setInt32(this.vfsmount + layout.vfsmount.mnt_flags, options.flags, true)
  }

  /** Offset of the struct vfsmount inside, which struct path points to. */
  get vfsmount(): number {
    return this.at + this.#context.layout.mount.mnt
  }
}

/** struct path as a value: a place in the tree. */
export interface Path {
  readonly mount: Mount
  readonly dentry: Dentry
}

/** Store a path as the struct path at `at`. */
export function writePath(context: FsContext, at: number, path: Path | undefined): void {
  context.mem.writePtr(at + context.layout.path.mnt, path?.mount.vfsmount ?? 0)
  context.mem.writePtr(at + context.layout.path.dentry, path?.dentry.at ?? 0)
}

/** Through everything that is mounted on a place to what one sees there (follow_mount). */
export function followMounts(path: Path): Path {
  let { mount, dentry } = path
  for (;;) {
    const above = dentry.mounts.findLast((candidate) => candidate.parent === mount)
    if (!above) return { mount, dentry }
    mount = above
    dentry = above.root
  }
}

/** The absolute name of a place as d_path() gives it, seen from `root`; deleted names end in ` (deleted)`. */
export function pathName(path: Path, root?: Path): string {
  const parts: string[] = []
  let { mount, dentry } = path
  const special = dentry.sb.type.nameOf
  if (special && dentry.inode && dentry !== dentry.sb.root) return special(dentry.inode, dentry)
  const deleted = !dentry.hashed && dentry.parent !== dentry
  for (;;) {
    if (root && dentry === root.dentry && mount === root.mount) break
    if (dentry === mount.root) {
      if (mount.parent === mount) break
      dentry = mount.mountpoint
      mount = mount.parent
      continue
    }
    parts.push(dentry.name)
    dentry = dentry.parent
  }
  return '/' + parts.reverse().join('/') + (deleted ? ' (deleted)' : '')
}
