// Files that are there before anything runs: of a workload's machine, or as a recording found them. Made directly, without system
// calls, events or permission checks; parents that are missing are made too; nodes inside /proc and /sys are left out. A later node of the same path replaces an earlier one.

import { InternalError, UserError } from '../../base/errors.ts'
import type { Dentry } from './dentry.ts'
import { followMounts, type Path } from './mount.ts'
import { bytesContent, modelledContent } from './page-cache.ts'
import { makeDev, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

export type NodeKind = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

export interface PreparedNode {
  /** Absolute, without `.` and `..`, through no symbolic link. */
  readonly path: string
  readonly kind: NodeKind
  /** Permission bits; default 0644, 0755 for directories. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Bytes of a file; default the end of its content. What the content leaves out reads back as modelled bytes (page-cache.ts). */
  readonly size?: number
  /** Text of a symbolic link. */
  readonly target?: string
  /** Major and minor number of a device. */
  readonly rdev?: readonly [major: number, minor: number]
  /** The whole content as bytes or Latin-1 text, or the pieces that are known, by offset. */
  readonly content?: Uint8Array | string | readonly { readonly at: number; readonly text: string }[]
}

const TYPE: Record<NodeKind, number> = {
  file: S.ifreg,
  directory: S.ifdir,
  symlink: S.iflnk,
  char: S.ifchr,
  block: S.ifblk,
  fifo: S.ififo,
  socket: S.ifsock,
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))

/** Make the nodes, in order. Throws UserError for a path that cannot be. */
export function prepareFiles(vfs: Vfs, nodes: Iterable<PreparedNode>): void {
  for (const node of nodes) prepareNode(vfs, node)
}

function prepareNode(vfs: Vfs, node: PreparedNode): void {
  if (!node.path.startsWith('/')) throw new UserError(`file to prepare: ${node.path}: give an absolute path`)
  const parts = node.path.split('/').filter((part) => part !== '')
  const name = parts.pop()
  if (name === undefined) {
    const root = vfs.root.dentry.inode!
    if (node.mode !== undefined) root.mode = S.ifdir | (node.mode & 0o7777)
    return
  }
  let path = followMounts(vfs.root)
  for (const part of parts) {
    if (isGenerated(path.dentry)) return
    path = followMounts({ mount: path.mount, dentry: childDirectory(vfs, path.dentry, part, node) })
  }
  if (isGenerated(path.dentry)) return
  const existing = path.dentry.children.get(name)
  if (existing?.inode) {
    if (existing.inode.isDir && node.kind === 'directory') {
      if (node.mode !== undefined) existing.inode.mode = S.ifdir | (node.mode & 0o7777)
      return
    }
    existing.unhash()
  }
  make(vfs, path.dentry, name, node)
}

/**
 * The directory at an absolute path, made where it is missing, to mount something on: in the root file system, or in the trees of
 * /proc and /sys. It stays held.
 */
export function mountpoint(vfs: Vfs, path: string): Path {
  const parts = path.split('/').filter((part) => part !== '')
  const tree = parts[0] === 'proc' ? vfs.proc : parts[0] === 'sys' ? vfs.sys : undefined
  if (tree) parts.slice(1).reduce((dir, part) => dir.dir(part), tree)
  else prepareNode(vfs, { path, kind: 'directory' })
  let at = followMounts(vfs.root)
  for (const part of parts) {
    let dentry = at.dentry.children.get(part)
    if (!dentry) {
      dentry = vfs.newDentry(at.dentry, part)
      dentry.volatile = true
      if (at.dentry.inode!.iop.lookup?.(at.dentry.inode!, dentry) !== 0) throw new InternalError(`${path} was not made`)
    }
    at = followMounts({ mount: at.mount, dentry })
  }
  return at
}

/** Directories of /proc and the like take no files. */
const isGenerated = (dentry: Dentry): boolean => !dentry.inode!.iop.create

function childDirectory(vfs: Vfs, parent: Dentry, name: string, node: PreparedNode): Dentry {
  const child = parent.children.get(name) ?? make(vfs, parent, name, { path: node.path, kind: 'directory' })
  if (!child.inode?.isDir) throw new UserError(`file to prepare: ${node.path}: ${name} is not a directory`)
  return child
}

function make(vfs: Vfs, parent: Dentry, name: string, node: PreparedNode): Dentry {
  const bits = node.mode ?? (node.kind === 'directory' ? 0o755 : node.kind === 'symlink' ? 0o777 : 0o644)
  const dev = node.rdev ? makeDev(node.rdev[0], node.rdev[1]) : 0
  const inode = vfs.ramfs.newInode(parent.sb, undefined, TYPE[node.kind] | (bits & 0o7777), dev)
  inode.uid = node.uid ?? 0
  inode.gid = node.gid ?? 0
  if (node.kind === 'symlink') vfs.ramfs.setTarget(inode, node.target ?? '')
  if (node.kind === 'directory') parent.inode!.nlink++
  if (node.kind === 'file') {
    const { content } = node
    if (content instanceof Uint8Array || typeof content === 'string') {
      const bytes = typeof content === 'string' ? latin1(content) : content
      inode.size = node.size ?? bytes.length
      inode.pages!.replace(bytesContent(bytes), bytes.length)
    } else {
      const pieces = (content ?? []).map(({ at, text }) => ({ at, bytes: latin1(text) }))
      inode.size = node.size ?? pieces.reduce((end, piece) => Math.max(end, piece.at + piece.bytes.length), 0)
      if (inode.size > 0) inode.pages!.replace(modelledContent(inode.ino, pieces), inode.size)
    }
  }
  const dentry = vfs.newDentry(parent, name)
  vfs.pin(dentry, inode)
  dentry.put()
  return dentry
}
