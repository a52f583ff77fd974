// Giving a kernel its file system, memory management and sockets, with the files that are there from the start.

import type { Kernel } from '../kernel.ts'
import { MemoryCalls } from '../mm/calls.ts'
import { Frames } from '../mm/frames.ts'
import { Net } from '../net/net.ts'
import { type PreparedNode, prepareFiles } from './prepare.ts'
import { Vfs, type VfsHost } from './vfs.ts'

/** Sets k.vfs, k.memory and k.net. The idle tasks get the root as root and working directory (init_fs), and no descriptors. */
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
  prepareFiles(k.vfs, nodes)
}
