// The file systems that a BPF host shows to its tasks: tracefs, the parts of sysfs that loaders read, and the cgroup hierarchy,
// whose directories are what cgroup arrays take descriptors of.
// Partly there: cgroups can be listed and asked for their members (cgroup.procs), not made or changed through files.

import { type GenNode, genDir, genFile } from '../kernel-sim/fs/generated.ts'
import { mountpoint } from '../kernel-sim/fs/prepare.ts'
import type { FsType } from '../kernel-sim/fs/super-block.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Cgroup } from '../kernel-sim/task/cgroups.ts'
import type { BpfHost } from './host.ts'
import { readTracefs, TRACEFS, tracefsPaths } from './tracefs.ts'

const TRACEFS_TYPE: FsType = { name: 'tracefs', magic: 0x74726163 }
const SYSFS_TYPE: FsType = { name: 'sysfs', magic: 0x62656572 }
const CGROUP_TYPE: FsType = { name: 'cgroup2', magic: 0x63677270 }

const PROC = '/proc/'

/** Cgroups by the node of their directory. */
export type CgroupNodes = WeakMap<GenNode, Cgroup>

/** Mount everything; returns which nodes are cgroups. */
export function mountHost(host: BpfHost): CgroupNodes {
  const { kernel } = host
  const mount = (at: string, type: FsType): void => {
    const root = lazily(() => {
      const below = [...tracefsPaths(host)].filter((path) => path.startsWith(`${at}/`))
      return tree(
        below.map((path) => path.slice(at.length + 1)),
        (path) => genFile(() => readTracefs(host, `${at}/${path}`) ?? ''),
      )
    })
    kernel.vfs.mountGenerated(type, root, mountpoint(kernel.vfs, at))
  }
  mount(TRACEFS, TRACEFS_TYPE)
  mount('/sys/kernel/btf', SYSFS_TYPE)
  mount('/sys/bus/event_source', SYSFS_TYPE)
  for (const path of tracefsPaths(host))
    if (path.startsWith(PROC)) kernel.vfs.proc.file(path.slice(PROC.length), () => readTracefs(host, path) ?? '')
  const cgroups: CgroupNodes = new WeakMap()
  kernel.vfs.mountGenerated(
    CGROUP_TYPE,
    cgroupNode(kernel, kernel.cgroups.root, cgroups),
    mountpoint(kernel.vfs, '/sys/fs/cgroup'),
  )
  return cgroups
}

type Directory = Extract<GenNode, { kind: 'dir' }>

/** A directory whose content is worked out when someone looks. */
function lazily(make: () => Directory): Directory {
  let made: Directory | undefined
  const get = (): Directory => (made ??= make())
  return { kind: 'dir', lookup: (name) => get().lookup(name), list: () => get().list() }
}

/** Nested directories of flat paths. */
function tree(paths: readonly string[], file: (path: string) => GenNode, prefix = ''): Directory {
  const below = new Map<string, string[]>()
  for (const path of paths) {
    const [name = '', ...rest] = path.split('/')
    const inside = below.get(name) ?? []
    if (rest.length > 0) inside.push(rest.join('/'))
    below.set(name, inside)
  }
  const entries: Record<string, GenNode> = {}
  for (const [name, inside] of below) {
    const path = `${prefix}${name}`
    entries[name] = inside.length > 0 ? tree(inside, file, `${path}/`) : file(path)
  }
  return genDir(entries) as Directory
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
