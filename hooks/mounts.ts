// The file systems that a BPF host shows to its tasks: tracefs, the parts of sysfs that loaders read, and the cgroup hierarchy,
// whose directories are what cgroup arrays take descriptors of.
// Partly there: cgroups can be listed and asked for their members (cgroup.procs), not made or changed through files.

import { type GenNode, GenTree, genFile } from '../kernel-sim/fs/generated.ts'
import { mountpoint } from '../kernel-sim/fs/prepare.ts'
import type { FsType } from '../kernel-sim/fs/super-block.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Cgroup } from '../kernel-sim/task/cgroups.ts'
import type { BpfHost } from './host.ts'
import { FIXED_PATHS, readTracefs, TRACEFS, tracefsPaths } from './tracefs.ts'

const TRACEFS_TYPE: FsType = { name: 'tracefs', magic: 0x74726163 }
const CGROUP_TYPE: FsType = { name: 'cgroup2', magic: 0x63677270 }

/** Cgroups by the node of their directory. */
export type CgroupNodes = WeakMap<GenNode, Cgroup>

/** Mount and add everything; returns which nodes are cgroups. */
export function mountHost(host: BpfHost): CgroupNodes {
  const { kernel } = host
  const { vfs } = kernel
  const read = (path: string) => () => readTracefs(host, path) ?? ''
  for (const path of FIXED_PATHS) {
    const [, top, ...rest] = path.split('/')
    if (!path.startsWith(TRACEFS)) (top === 'proc' ? vfs.proc : vfs.sys).file(rest.join('/'), read(path))
  }
  const tracefs = lazily(() => {
    const tree = new GenTree()
    for (const path of tracefsPaths(host)) tree.file(path.slice(TRACEFS.length + 1), read(path))
    return tree.node as Directory
  })
  vfs.mountGenerated(TRACEFS_TYPE, tracefs, mountpoint(vfs, TRACEFS))
  const cgroups: CgroupNodes = new WeakMap()
  const root = cgroupNode(kernel, kernel.cgroups.root, cgroups)
  vfs.mountGenerated(CGROUP_TYPE, root, mountpoint(vfs, '/sys/fs/cgroup'))
  return cgroups
}

type Directory = Extract<GenNode, { kind: 'dir' }>

/** A directory whose content is worked out when someone looks. */
function lazily(make: () => Directory): Directory {
  let made: Directory | undefined
  const get = (): Directory => (made ??= make())
  return { kind: 'dir', lookup: (name) => get().lookup(name), list: () => get().list() }
}

function cgroupNode(kernel: Kernel, group: Cgroup, nodes: CgroupNodes): GenNode {
  const known = new Map<Cgroup, GenNode>()
  const procs = genFile(() => {
    const members = [...kernel.tasks.all()].filter((task) => task.isLeader && kernel.cgroups.of(task) === group)
    return members.map((task) => `${task.pid}\n`).join('')
  })
  const node: GenNode = {
    kind: 'dir',
    lookup(name) {
      if (name === 'cgroup.procs') return procs
      const child = group.children.get(name)
      if (!child) return undefined
      const made = known.get(child) ?? cgroupNode(kernel, child, nodes)
      known.set(child, made)
      return made
    },
    list: () => ['cgroup.procs', ...group.children.keys()],
  }
  nodes.set(node, group)
  return node
}
