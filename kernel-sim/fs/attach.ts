// Giving a kernel its file system, memory management and sockets, with the files that are there from the start.

import type { Kernel } from '../kernel.ts'
import { MemoryCalls } from '../mm/calls.ts'
import { Frames } from '../mm/frames.ts'
import { Net } from '../net/net.ts'
import { followMounts } from './mount.ts'
import { makeNamespaces } from './namespaces.ts'
import { type PreparedNode, prepareFiles } from './prepare.ts'
import { PROC, SYSFS } from './proc.ts'
import { Vfs, type VfsHost } from './vfs.ts'

/** Sets k.vfs, k.memory and k.net; /proc and /sys are mounted, `nodes` that lie in them are left out. The idle tasks get the root as root and working directory (init_fs), and no descriptors. */
export function attachFileSystem(k: Kernel, host: VfsHost, nodes: Iterable<PreparedNode>): void {
  const frames = new Frames(k.mem, k.alloc)
  k.vfs = new Vfs(k, host, frames)
  k.memory = new MemoryCalls(k, k.vfs, frames)
  k.net = new Net(k.vfs)
  const initFs = k.vfs.newFsStruct()
  const initFiles = k.vfs.newFiles()
  for (const { idle } of k.cpus) {
    idle.fs = initFs
    idle.files = initFiles
  }
  const { vfs } = k
  prepareFiles(vfs, [
    { path: '/proc', kind: 'directory', mode: 0o555 },
    { path: '/sys', kind: 'directory', mode: 0o555 },
  ])
  for (const [name, type, tree] of [
    ['proc', PROC, vfs.proc],
    ['sys', SYSFS, vfs.sys],
  ] as const) {
    const root = followMounts(vfs.root)
    vfs.mountGenerated(type, tree.node, { mount: root.mount, dentry: root.dentry.children.get(name)! })
  }
  makeNamespaces(k, vfs.root.mount)
  prepareFiles(vfs, nodes)
}
