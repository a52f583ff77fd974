// /proc: processes, the machine as a whole, and the switches under sys/. A tree that other parts add their files to (Vfs.proc).

import type { Kernel } from '../kernel.ts'
import { type GenNode, GenTree } from './generated.ts'
import { processDir } from './proc-task.ts'
import type { FsType } from './super-block.ts'

export const PROC: FsType = { name: 'proc', magic: 0x9fa0 }
export const SYSFS: FsType = { name: 'sysfs', magic: 0x62656572 }

const seconds = (ns: number): string => (Math.floor(ns / 1e7) / 100).toFixed(2)

function meminfo(k: Kernel): string {
  const kib = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`
  const total = k.mem.sizeBytes
  const free = total - k.alloc.usedBytes
  const rows: [string, number][] = [
    ['MemTotal', total],
    ['MemFree', free],
    ['MemAvailable', free],
    ['Buffers', 0],
    ['SwapTotal', 0],
    ['SwapFree', 0],
  ]
  return rows.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${kib(bytes)}\n`).join('')
}

function cpuinfo(k: Kernel): string {
  return k.cpus
    .map(
      (cpu) =>
        `processor\t: ${cpu.id}\nvendor_id\t: GenuineIntel\nmodel name\t: bpfsim virtual CPU\ncpu MHz\t\t: 3000.000\n\n`,
    )
    .join('')
}

function cpuLines(k: Kernel): string {
  const ticks = Math.floor(k.nowNs / 1e7)
  let busy = 0
  for (const task of k.tasks.all()) busy += task.utime + task.stime
  const used = Math.floor(busy / 1e7)
  const each = Math.floor(used / k.cpus.length)
  const line = (name: string, user: number, idle: number): string =>
    `${name} ${user} 0 0 ${Math.max(0, idle)} 0 0 0 0 0 0\n`
  return (
    line('cpu ', used, ticks * k.cpus.length - used) +
    k.cpus.map(({ id }) => line(`cpu${id}`, each, ticks - each)).join('')
  )
}

function stat(k: Kernel): string {
  const tasks = [...k.tasks.all()]
  const running = tasks.filter((task) => task.state === 0 && task.exitState === 0).length
  const booted = Math.floor(k.bootTimeNs / 1e9)
  return `${cpuLines(k)}btime ${booted}\nprocesses ${tasks.length}\nprocs_running ${running}\nprocs_blocked 0\n`
}

const loadavg = (k: Kernel): string => {
  const tasks = [...k.tasks.all()]
  const running = tasks.filter((task) => task.state === 0 && task.exitState === 0).length
  return `0.00 0.00 0.00 ${running}/${tasks.length} ${Math.max(0, ...tasks.map((task) => task.pid))}\n`
}

/** A random identifier in the form of a version 4 UUID. */
function uuid(random: () => number): string {
  const words = [random(), random(), random(), random()].map((word) => (word >>> 0).toString(16).padStart(8, '0'))
  const text = words.join('')
  const variant = ((Number.parseInt(text[16]!, 16) & 3) | 8).toString(16)
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-${variant}${text.slice(17, 20)}-${text.slice(20)}\n`
}

const FILE_SYSTEMS = [
  'nodev\tsysfs',
  'nodev\ttmpfs',
  'nodev\tproc',
  'nodev\tcgroup2',
  'nodev\ttracefs',
  'nodev\tbpf',
  'nodev\tpipefs',
  'nodev\tramfs',
  'nodev\tsockfs',
]

export function buildProc(k: Kernel): GenTree {
  const rng = k.rng('uuid')
  const bootId = uuid(() => rng.u32())
  const uts = (field: 'nodename' | 'release' | 'version' | 'sysname' | 'domainname'): string =>
    k.mem.cstring(k.namespaces.uts + k.layout.utsNs.name + k.layout.uts[field], 65)
  const link = (target: () => string): GenNode => ({ kind: 'link', target })

  const tree = new GenTree(
    (name) => {
      const task = /^[1-9]\d*$/.test(name) ? k.tasks.get(Number(name)) : undefined
      return task && processDir(k, task)
    },
    () => [...k.tasks.all()].filter((task) => task.isLeader).map((task) => String(task.pid)),
  )
  tree
    .add(
      'self',
      link(() => String(k.current.tgid)),
    )
    .add(
      'thread-self',
      link(() => `${k.current.tgid}/task/${k.current.pid}`),
    )
    .add(
      'mounts',
      link(() => 'self/mounts'),
    )
    .add(
      'net',
      link(() => 'self/net'),
    )
    .file('version', () => `${uts('sysname')} version ${uts('release')} (bpfsim) ${uts('version')}\n`)
    .file('uptime', () => `${seconds(k.nowNs)} ${seconds(k.nowNs * k.cpus.length)}\n`)
    .file('loadavg', () => loadavg(k))
    .file('meminfo', () => meminfo(k))
    .file('cpuinfo', () => cpuinfo(k))
    .file('stat', () => stat(k))
    .file('filesystems', () => FILE_SYSTEMS.map((line) => `${line}\n`).join(''))
    .file('cmdline', () => 'BOOT_IMAGE=/vmlinuz root=/dev/root ro quiet\n')
    .file('modules', () => '')
    .file('partitions', () => 'major minor  #blocks  name\n\n')
    .file('swaps', () => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n')
    .file('devices', () => 'Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n')
    .file('sys/kernel/hostname', () => `${uts('nodename')}\n`, 0o644)
    .file('sys/kernel/domainname', () => `${uts('domainname')}\n`, 0o644)
    .file('sys/kernel/osrelease', () => `${uts('release')}\n`)
    .file('sys/kernel/ostype', () => `${uts('sysname')}\n`)
    .file('sys/kernel/version', () => `${uts('version')}\n`)
    .file('sys/kernel/random/boot_id', () => bootId)
    .file('sys/kernel/random/uuid', () => uuid(() => rng.u32()))
  for (const [path, value] of Object.entries(SWITCHES)) tree.file(`sys/${path}`, () => `${value}\n`, 0o644)
  return tree
}

/** Settings that nothing here changes, with Linux's defaults. */
const SWITCHES: Readonly<Record<string, number | string>> = {
  'kernel/pid_max': 4194304,
  'kernel/ngroups_max': 65536,
  'kernel/cap_last_cap': 40,
  'kernel/threads-max': 31514,
  'kernel/overflowuid': 65534,
  'kernel/overflowgid': 65534,
  'kernel/randomize_va_space': 2,
  'kernel/kptr_restrict': 0,
  'kernel/dmesg_restrict': 0,
  'kernel/core_pattern': 'core',
  'vm/overcommit_memory': 0,
  'vm/max_map_count': 65530,
  'vm/mmap_min_addr': 65536,
  'vm/swappiness': 60,
  'fs/nr_open': 1048576,
  'fs/file-max': '9223372036854775807',
  'fs/pipe-max-size': 1048576,
  'net/core/somaxconn': 4096,
  'net/ipv4/ip_local_port_range': '32768\t60999',
}

/** /sys as far as C libraries and tools look before others add to it. */
export function buildSys(k: Kernel): GenTree {
  const online = k.cpus.length === 1 ? '0\n' : `0-${k.cpus.length - 1}\n`
  const tree = new GenTree()
  for (const which of ['online', 'possible', 'present']) tree.file(`devices/system/cpu/${which}`, () => online)
  tree.dir('fs').dir('cgroup')
  tree.dir('kernel').dir('debug')
  tree.dir('kernel').dir('tracing')
  return tree
}
