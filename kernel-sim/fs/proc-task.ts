// /proc/PID: what there is to read of one process. Formats are Linux's; counters that nothing here keeps are 0.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Kernel } from '../kernel.ts'
import type { Mm } from '../mm/mm.ts'
import { VM, type Vma } from '../mm/vma.ts'
import type { Task } from '../task/task.ts'
import { File } from './file.ts'
import { type GenNode, genDir } from './generated.ts'
import { type Path, pathName } from './mount.ts'
import { encodeDev, O } from './uapi.ts'

/** Ticks of /proc times are hundredths of a second. */
const NS_PER_TICK = 10_000_000
const STATE_NAMES: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'disk sleep',
  T: 'stopped',
  Z: 'zombie',
  X: 'dead',
}

const EXIT_ZOMBIE = 0x20

function stateOf(task: Task): string {
  if (task.exitState !== 0) return task.exitState & EXIT_ZOMBIE ? 'Z' : 'X'
  if (task.state & 1) return 'S'
  if (task.state & 2) return 'D'
  return task.state & 4 ? 'T' : 'R'
}

const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** Bytes of an address space between two addresses, as far as they are there. */
function userBytes(mm: Mm, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(to - from, 1 << 20)))
  mm.read(from, bytes, 0, bytes.length)
  return bytes
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

function mapsLine(k: Kernel, mm: Mm, area: Vma): string {
  const { flags, file } = area
  const mode =
    (flags & VM.read ? 'r' : '-') +
    (flags & VM.write ? 'w' : '-') +
    (flags & VM.exec ? 'x' : '-') +
    (flags & VM.shared ? 's' : 'p')
  const inode = file instanceof File ? file.inode : undefined
  const dev = inode?.sb.dev ?? 0
  const offset = file ? area.pgoff * PAGE_SIZE : 0
  const head = `${hex(area.start, 8)}-${hex(area.end, 8)} ${mode} ${hex(offset, 8)} ${hex(dev >>> 20, 2)}:${hex(dev & 0xfffff, 2)} ${inode?.ino ?? 0}`
  let name = file instanceof File ? pathName(file.path, k.current.fs?.root) : ''
  if (!file && flags & VM.growsDown) name = '[stack]'
  else if (
    !file &&
    area.start <= mm.place('brk') &&
    area.end >= mm.place('start_brk') &&
    mm.place('brk') > mm.place('start_brk')
  )
    name = '[heap]'
  return name === '' ? `${head} \n` : `${head.padEnd(72)} ${name}\n`
}

/** The process id as the numbers of its ids: uid, euid, suid, fsuid. */
function ids(k: Kernel, task: Task, kind: 'uid' | 'gid'): string {
  const { cred } = k.layout
  const names =
    kind === 'uid' ? (['uid', 'euid', 'suid', 'fsuid'] as const) : (['gid', 'egid', 'sgid', 'fsgid'] as const)
  return names.map((name) => k.mem.dv.getUint32(task.cred + cred[name], true)).join('\t')
}

function status(k: Kernel, task: Task): string {
  const { cred, task: layout } = k.layout
  const { mm } = task
  const state = stateOf(task)
  const cap = (field: 'capInheritable' | 'capPermitted' | 'capEffective' | 'capBset' | 'capAmbient'): string =>
    k.mem
      .readU64(task.cred + cred[field])
      .toString(16)
      .padStart(16, '0')
  const kib = (pages: number): string => `${String((pages * PAGE_SIZE) / 1024).padStart(8)} kB`
  const threads = [...k.tasks.all()].filter((other) => other.tgid === task.tgid).length
  const lines: [string, string | number][] = [
    ['Name', task.comm],
    ['Umask', (task.fs?.umask ?? 0o22).toString(8).padStart(4, '0')],
    ['State', `${state} (${STATE_NAMES[state]})`],
    ['Tgid', task.tgid],
    ['Ngid', 0],
    ['Pid', task.pid],
    ['PPid', task.realParent.tgid],
    ['TracerPid', 0],
    ['Uid', ids(k, task, 'uid')],
    ['Gid', ids(k, task, 'gid')],
    ['FDSize', task.files?.maxFds ?? 0],
    ['Groups', ' '],
    ['NStgid', task.tgid],
    ['NSpid', task.pid],
    ['Kthread', mm ? 0 : 1],
  ]
  if (mm) {
    const rss = mm.rss('anon') + mm.rss('file') + mm.rss('shmem')
    lines.push(
      ['VmSize', kib(mm.counter('total_vm'))],
      ['VmRSS', kib(rss)],
      ['RssAnon', kib(mm.rss('anon'))],
      ['RssFile', kib(mm.rss('file'))],
      ['RssShmem', kib(mm.rss('shmem'))],
      ['VmData', kib(mm.counter('data_vm'))],
      ['VmStk', kib(mm.counter('stack_vm'))],
      ['VmExe', kib((mm.place('end_code') - mm.place('start_code')) / PAGE_SIZE)],
      ['VmPTE', `${String(mm.counter('pgtables_bytes') / 1024).padStart(8)} kB`],
    )
  }
  lines.push(
    ['Threads', threads],
    [
      'SigBlk',
      k.mem
        .readU64(task.at + layout.blocked)
        .toString(16)
        .padStart(16, '0'),
    ],
    ['CapInh', cap('capInheritable')],
    ['CapPrm', cap('capPermitted')],
    ['CapEff', cap('capEffective')],
    ['CapBnd', cap('capBset')],
    ['CapAmb', cap('capAmbient')],
    ['voluntary_ctxt_switches', k.mem.readInt64(task.at + layout.nvcsw)],
    ['nonvoluntary_ctxt_switches', k.mem.readInt64(task.at + layout.nivcsw)],
  )
  return lines.map(([name, value]) => `${name}:\t${value}\n`).join('')
}

/** Fields of /proc/PID/stat behind the state: see proc(5). */
function stat(k: Kernel, task: Task): string {
  const { task: layout } = k.layout
  const { mm } = task
  const ticks = (ns: number): number => Math.floor(ns / NS_PER_TICK)
  const parent = task.realParent.tgid
  const rss = mm ? mm.rss('anon') + mm.rss('file') + mm.rss('shmem') : 0
  const faults = k.mem.readInt64(task.at + layout.minFlt)
  const started = ticks(k.mem.readInt64(task.at + layout.startTime))
  const place = (which: Parameters<Mm['place']>[0]): number => mm?.place(which) ?? 0
  const size = (mm?.counter('total_vm') ?? 0) * PAGE_SIZE
  // biome-ignore format: fields in the order of proc(5)
  const fields = [
    parent, task.tgid, task.tgid, 0, -1, task.flags, faults, 0, 0, 0, ticks(task.utime), ticks(task.stime), 0, 0, 20, 0, 1, 0, started,
    size, rss, '18446744073709551615', place('start_code'), place('end_code'), place('start_stack'), 0, 0, 0, 0, 0, 0, 0, 0, 0,
    17, task.cpu, 0, 0, 0, 0, 0, place('start_data'), place('end_data'), place('start_brk'), place('arg_start'), place('arg_end'),
    place('env_start'), place('env_end'), task.exitCode,
  ]
  return `${task.pid} (${task.comm}) ${stateOf(task)} ${fields.join(' ')}\n`
}

function cmdline(task: Task): string {
  const { mm } = task
  return mm ? latin1(userBytes(mm, mm.place('arg_start'), mm.place('arg_end'))) : ''
}

function fdDir(k: Kernel, task: Task): GenNode {
  return {
    kind: 'dir',
    mode: 0o500,
    list: () => [...(task.files?.entries() ?? [])].map(([fd]) => String(fd)),
    lookup(name) {
      const fd = /^\d+$/.test(name) ? Number(name) : -1
      if (!task.files?.get(fd)) return undefined
      const path = (): Path | number => task.files?.get(fd)?.path ?? -ERRNO.ENOENT
      return { kind: 'link', mode: 0o700, jump: path, target: () => nameOf(k, path()) }
    },
  }
}

function fdinfoDir(task: Task): GenNode {
  return {
    kind: 'dir',
    list: () => [...(task.files?.entries() ?? [])].map(([fd]) => String(fd)),
    lookup(name) {
      const file = /^\d+$/.test(name) ? task.files?.get(Number(name)) : undefined
      if (!file) return undefined
      const cloexec = task.files?.isCloseOnExec(Number(name)) ? O.cloexec : 0
      const flags = (file.flags | cloexec).toString(8)
      return {
        kind: 'file',
        read: () =>
          `pos:\t${file.pos}\nflags:\t0${flags}\nmnt_id:\t${file.mount.id}\nino:\t${file.inode.ino}\n${file.fop.showFdinfo?.(file) ?? ''}`,
      }
    },
  }
}

const nameOf = (k: Kernel, path: Path | number): string =>
  typeof path === 'number' ? '' : pathName(path, k.current.fs?.root)

/** A symbolic link that leads to a place whatever its name is. */
const jumpTo = (k: Kernel, place: () => Path | number): GenNode => ({
  kind: 'link',
  jump: place,
  target: () => nameOf(k, place()),
})

export function mountsText(k: Kernel): string {
  return k.vfs.mounts
    .map((mount) => {
      const on = mount.parent === mount ? '/' : pathName({ mount: mount.parent, dentry: mount.mountpoint })
      return `${mount.devname} ${on} ${mount.sb.type.name} rw,relatime 0 0\n`
    })
    .join('')
}

function mountinfo(k: Kernel): string {
  return k.vfs.mounts
    .map((mount) => {
      const on = mount.parent === mount ? '/' : pathName({ mount: mount.parent, dentry: mount.mountpoint })
      const dev = encodeDev(mount.sb.dev)
      return `${mount.id} ${mount.parent.id} ${(dev >> 8) & 0xfff}:${dev & 0xff} / ${on} rw,relatime - ${mount.sb.type.name} ${mount.devname} rw\n`
    })
    .join('')
}

/** The directory of a process (or thread: with `thread` there is no task/ below). */
export function processDir(k: Kernel, task: Task, thread = false): GenNode {
  const gone = (): boolean => k.tasks.get(task.pid) !== task
  const text = (read: () => string | number, mode = 0o444): GenNode => ({
    kind: 'file',
    mode,
    read: () => (gone() ? -ERRNO.ESRCH : read()),
  })
  const exe = (): Path | number => {
    const file = task.mm?.exe
    return file instanceof File ? file.path : -ERRNO.ENOENT
  }
  const uid = k.mem.dv.getUint32(task.cred + k.layout.cred.euid, true)
  const entries: Record<string, GenNode> = {
    cmdline: text(() => cmdline(task)),
    comm: text(() => `${task.comm}\n`, 0o644),
    environ: text(() => {
      const { mm } = task
      return mm ? latin1(userBytes(mm, mm.place('env_start'), mm.place('env_end'))) : ''
    }, 0o400),
    status: text(() => status(k, task)),
    stat: text(() => stat(k, task)),
    statm: text(() => {
      const { mm } = task
      if (!mm) return '0 0 0 0 0 0 0\n'
      const shared = mm.rss('file') + mm.rss('shmem')
      const code = (mm.place('end_code') - mm.place('start_code')) / PAGE_SIZE
      return `${mm.counter('total_vm')} ${shared + mm.rss('anon')} ${shared} ${code} 0 ${mm.counter('data_vm') + mm.counter('stack_vm')} 0\n`
    }),
    maps: text(() => {
      const { mm } = task
      return mm ? mm.areas.all.map((area) => mapsLine(k, mm, area)).join('') : ''
    }),
    cgroup: text(() => `0::${k.cgroups.path(k.cgroups.of(task))}\n`),
    mounts: text(() => mountsText(k)),
    mountinfo: text(() => mountinfo(k)),
    oom_score_adj: text(() => `${k.mem.dv.getInt16(task.signal + k.layout.signal.oomScoreAdj, true)}\n`, 0o644),
    loginuid: text(() => `${k.mem.dv.getUint32(task.at + k.layout.task.loginuid, true)}`),
    sessionid: text(() => `${k.mem.dv.getUint32(task.at + k.layout.task.sessionid, true)}`),
    wchan: text(() => '0'),
    exe: jumpTo(k, exe),
    cwd: jumpTo(k, () => task.fs?.pwd ?? -ERRNO.ENOENT),
    root: jumpTo(k, () => task.fs?.root ?? -ERRNO.ENOENT),
    fd: fdDir(k, task),
    fdinfo: fdinfoDir(task),
    ns: nsDir(k, task),
  }
  if (!thread) entries['task'] = threadsDir(k, task)
  return { ...genDir(entries), uid }
}

function threadsDir(k: Kernel, task: Task): GenNode {
  const threads = (): Task[] => [...k.tasks.all()].filter((other) => other.tgid === task.tgid)
  return {
    kind: 'dir',
    list: () => threads().map((thread) => String(thread.pid)),
    lookup(name) {
      const found = threads().find((thread) => String(thread.pid) === name)
      return found && processDir(k, found, true)
    },
  }
}

/** Namespaces by their name in /proc/PID/ns: the member of nsproxy, and the struct that its inode number is in. */
const NAMESPACES = {
  cgroup: ['cgroupNs', 'cgroup_namespace'],
  ipc: ['ipcNs', 'ipc_namespace'],
  mnt: ['mntNs', 'mnt_namespace'],
  net: ['netNs', 'net'],
  pid: ['pidNs', 'pid_namespace'],
  time: ['timeNs', 'time_namespace'],
  uts: ['utsNs', 'uts_namespace'],
} as const

function nsDir(k: Kernel, task: Task): GenNode {
  const entries: Record<string, GenNode> = {}
  for (const [name, [member, struct]] of Object.entries(NAMESPACES)) {
    const inum = k.layouts.field(struct, 'ns.inum')
    const at = k.mem.readPtr(task.nsproxy + k.layout.nsproxy[member])
    if (!inum || at === 0) continue
    entries[name] = { kind: 'link', target: () => `${name}:[${k.mem.dv.getUint32(at + inum.offset, true)}]` }
  }
  return genDir(entries)
}
