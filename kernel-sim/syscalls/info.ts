// System calls that tell what the machine, the process and its limits are, and set what only they read.

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Kernel } from '../kernel.ts'
import { setTaskComm } from '../task/comm.ts'
import type { Task } from '../task/task.ts'
import { childrenUsage, processUsage, rusage, threadUsage, type Usage } from '../task/usage.ts'
import { writeUser } from '../user-memory.ts'
import type { SyscallFamily } from './family.ts'

const { EFAULT, EINVAL, EPERM } = ERRNO

/** Copy to user memory; 0 or -EFAULT. */
function give(task: Task, address: number, bytes: Uint8Array): number {
  return task.mm!.write(address, bytes, 0, bytes.length) === 0 ? 0 : -EFAULT
}

/** Little-endian 64-bit words. */
function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => {
    view.setBigInt64(i * 8, BigInt(Math.floor(value)), true)
  })
  return bytes
}

// ---- The machine ----

const UTSNAME_BYTES = 65 * 6

/** struct new_utsname of the task's UTS namespace. */
function uname(k: Kernel, task: Task, buf: number): number {
  const { utsNs } = k.layouts.bind('nsproxy', { utsNs: 'uts_ns' })
  const { name } = k.layouts.bind('uts_namespace', { name: 'name' })
  return give(task, buf, k.mem.bytes(k.mem.readPtr(task.nsproxy + utsNs) + name, UTSNAME_BYTES))
}

function sysinfo(k: Kernel, task: Task, info: number): number {
  const bytes = new Uint8Array(112)
  const used = k.alloc.usedBytes
  bytes.set(words(k.nowNs / 1e9, 0, 0, 0, k.mem.sizeBytes, k.mem.sizeBytes - used, 0, 0, 0, 0), 0)
  const view = new DataView(bytes.buffer)
  view.setUint16(80, [...k.tasks.all()].length, true)
  view.setUint32(104, 1, true)
  return give(task, info, bytes)
}

// ---- Time ----

const CLOCK = {
  realtime: 0,
  monotonic: 1,
  processCpu: 2,
  threadCpu: 3,
  monotonicRaw: 4,
  realtimeCoarse: 5,
  monotonicCoarse: 6,
  boottime: 7,
  tai: 11,
} as const
const TICK_NS = 4_000_000

/** The clock's reading in nanoseconds, or -EINVAL. */
function clockNow(k: Kernel, task: Task, clock: number): number {
  const now = k.nowNs
  switch (clock) {
    // TAI is UTC until somebody sets the offset, as on Linux at boot.
    case CLOCK.realtime:
    case CLOCK.tai:
      return k.bootTimeNs + now
    case CLOCK.realtimeCoarse:
      return k.bootTimeNs + now - (now % TICK_NS)
    case CLOCK.monotonicCoarse:
      return now - (now % TICK_NS)
    case CLOCK.monotonic:
    case CLOCK.monotonicRaw:
    case CLOCK.boottime:
      return now
    case CLOCK.processCpu:
      return cpuTime(processUsage(k, task))
    case CLOCK.threadCpu:
      return cpuTime(threadUsage(k, task))
    default:
      return -EINVAL
  }
}

const cpuTime = (usage: Usage): number => usage.utime + usage.stime

const timespec = (ns: number): Uint8Array => words(Math.floor(ns / 1e9), ns % 1e9)

function clockGettime(k: Kernel, task: Task, clock: number, tp: number): number {
  const now = clockNow(k, task, clock)
  return now < 0 ? now : give(task, tp, timespec(now))
}

function clockGetres(k: Kernel, task: Task, clock: number, tp: number): number {
  if (clockNow(k, task, clock) < 0) return -EINVAL
  const coarse = clock === CLOCK.realtimeCoarse || clock === CLOCK.monotonicCoarse
  return tp === 0 ? 0 : give(task, tp, timespec(coarse ? TICK_NS : 1))
}

function gettimeofday(k: Kernel, task: Task, tv: number, tz: number): number {
  const now = k.bootTimeNs + k.nowNs
  if (tv !== 0 && give(task, tv, words(Math.floor(now / 1e9), Math.floor((now % 1e9) / 1000))) !== 0) return -EFAULT
  return tz === 0 ? 0 : give(task, tz, new Uint8Array(8))
}

function time(k: Kernel, task: Task, tloc: number): number {
  const seconds = Math.floor((k.bootTimeNs + k.nowNs) / 1e9)
  return tloc !== 0 && give(task, tloc, words(seconds)) !== 0 ? -EFAULT : seconds
}

// ---- Usage ----

const RUSAGE = { children: -1, self: 0, thread: 1 } as const
const USER_HZ = 100

function getrusage(k: Kernel, task: Task, who: number, usage: number): number {
  if (who !== RUSAGE.self && who !== RUSAGE.children && who !== RUSAGE.thread) return -EINVAL
  const used =
    who === RUSAGE.children
      ? childrenUsage(k, task)
      : who === RUSAGE.thread
        ? threadUsage(k, task)
        : processUsage(k, task)
  return writeUser(task, usage, rusage(used)) ? 0 : -EFAULT
}

function times(k: Kernel, task: Task, tbuf: number): number {
  const ticks = (ns: number): number => Math.floor((ns * USER_HZ) / 1e9)
  const own = processUsage(k, task)
  const children = childrenUsage(k, task)
  const bytes = words(ticks(own.utime), ticks(own.stime), ticks(children.utime), ticks(children.stime))
  return tbuf !== 0 && give(task, tbuf, bytes) !== 0 ? -EFAULT : ticks(k.nowNs)
}

// ---- Limits ----

const RLIMITS = 16

/** Offset of signal_struct.rlim[resource]: two u64, current and maximum. */
const rlimitAt = (k: Kernel, task: Task, resource: number): number =>
  task.signal + k.layouts.bind('signal_struct', { rlim: 'rlim' }).rlim + resource * 16

function prlimit64(k: Kernel, task: Task, pid: number, resource: number, newLimit: number, oldLimit: number): number {
  if (resource >>> 0 >= RLIMITS) return -EINVAL
  const target = pid === 0 ? task : k.tasks.get(pid)
  if (!target) return -ERRNO.ESRCH
  const at = rlimitAt(k, target, resource)
  const old = k.mem.bytes(at, 16)
  if (newLimit !== 0) {
    const wanted = new Uint8Array(16)
    if (task.mm!.read(newLimit, wanted, 0, 16) !== 0) return -EFAULT
    const view = new DataView(wanted.buffer)
    const maximum = view.getBigUint64(8, true)
    if (view.getBigUint64(0, true) > maximum) return -EINVAL
    if (maximum > k.mem.readU64(at + 8) && k.mem.i32[(task.cred + k.layout.cred.euid) >> 2] !== 0) return -EPERM
    k.mem.u8.set(wanted, at)
  }
  return oldLimit === 0 ? 0 : give(task, oldLimit, old)
}

// ---- The process ----

const PR = {
  setPdeathsig: 1,
  getPdeathsig: 2,
  getDumpable: 3,
  setDumpable: 4,
  getKeepcaps: 7,
  setKeepcaps: 8,
  setName: 15,
  getName: 16,
  capbsetRead: 23,
  setNoNewPrivs: 38,
  getNoNewPrivs: 39,
} as const
const LAST_CAP = 40
const COMM_BYTES = 16

function prctl(k: Kernel, task: Task, option: number, a: number, b: number, c: number, d: number): number {
  const { mem, layout } = k
  switch (option) {
    case PR.setName: {
      const name = new Uint8Array(COMM_BYTES)
      const missing = task.mm!.read(a, name, 0, COMM_BYTES - 1)
      const end = name.indexOf(0)
      if (missing > 0 && end >= COMM_BYTES - 1 - missing) return -EFAULT
      setTaskComm(k, task, String.fromCharCode(...name.subarray(0, end)))
      return 0
    }
    case PR.getName:
      return give(task, a, mem.bytes(task.at + layout.task.comm, COMM_BYTES))
    case PR.setPdeathsig:
      if (a < 0 || a > 64) return -EINVAL
      mem.i32[(task.at + layout.task.pdeathSignal) >> 2] = a
      return 0
    case PR.getPdeathsig:
      return give(task, a, mem.bytes(task.at + layout.task.pdeathSignal, 4))
    case PR.setDumpable:
    case PR.getDumpable: {
      const at = task.mm!.at + k.layouts.bind('mm_struct', { flags: 'flags' }).flags
      if (option === PR.getDumpable) return mem.i32[at >> 2]! & 3
      if (a !== 0 && a !== 1) return -EINVAL
      mem.i32[at >> 2] = (mem.i32[at >> 2]! & ~3) | a
      return 0
    }
    case PR.capbsetRead: {
      if (a < 0 || a > LAST_CAP) return -EINVAL
      const { bset } = k.layouts.bind('cred', { bset: 'cap_bset' })
      return (mem.u8[task.cred + bset + (a >> 3)]! >> (a & 7)) & 1
    }
    case PR.setNoNewPrivs:
    case PR.getNoNewPrivs: {
      if (b !== 0 || c !== 0 || d !== 0) return -EINVAL
      const field = k.layouts.field('task_struct', 'no_new_privs') ?? k.layouts.field('task_struct', 'atomic_flags')!
      const at = task.at + field.offset
      if (option === PR.getNoNewPrivs) return a === 0 ? mem.i32[at >> 2]! & 1 : -EINVAL
      if (a !== 1) return -EINVAL
      mem.i32[at >> 2] = mem.i32[at >> 2]! | 1
      return 0
    }
    case PR.getKeepcaps:
    case PR.setKeepcaps: {
      const at = task.cred + k.layouts.bind('cred', { securebits: 'securebits' }).securebits
      if (option === PR.getKeepcaps) return (mem.i32[at >> 2]! >> 4) & 1
      if (a !== 0 && a !== 1) return -EINVAL
      mem.i32[at >> 2] = (mem.i32[at >> 2]! & ~0x10) | (a << 4)
      return 0
    }
    default:
      return -EINVAL
  }
}

const ARCH = { setGs: 0x1001, setFs: 0x1002, getFs: 0x1003, getGs: 0x1004 } as const

function archPrctl(k: Kernel, task: Task, option: number, addr: number): number {
  const { fsbase, gsbase } = k.layouts.bind('task_struct', { fsbase: 'thread.fsbase', gsbase: 'thread.gsbase' })
  switch (option) {
    case ARCH.setFs:
      k.mem.writeInt64(task.at + fsbase, addr)
      return 0
    case ARCH.setGs:
      k.mem.writeInt64(task.at + gsbase, addr)
      return 0
    case ARCH.getFs:
      return give(task, addr, k.mem.bytes(task.at + fsbase, 8))
    case ARCH.getGs:
      return give(task, addr, k.mem.bytes(task.at + gsbase, 8))
    default:
      return -EINVAL
  }
}

const ROBUST_LIST_HEAD_BYTES = 24
const RSEQ_MIN_BYTES = 32

function setRobustList(k: Kernel, task: Task, head: number, length: number): number {
  if (length !== ROBUST_LIST_HEAD_BYTES) return -EINVAL
  const { list } = k.layouts.bind('task_struct', { list: 'robust_list' })
  if (list >= 0) k.mem.writeInt64(task.at + list, head)
  return 0
}

function rseq(k: Kernel, task: Task, area: number, length: number, flags: number, signature: number): number {
  const o = k.layouts.bind('task_struct', { rseq: 'rseq', length: 'rseq_len', signature: 'rseq_sig' })
  if (o.rseq < 0) return -ERRNO.ENOSYS
  const registered = k.mem.readInt64(task.at + o.rseq)
  if (flags === 1) {
    if (registered !== area || registered === 0) return -EINVAL
    k.mem.writeInt64(task.at + o.rseq, 0)
    return 0
  }
  if (flags !== 0 || length < RSEQ_MIN_BYTES || area % 32 !== 0) return -EINVAL
  if (registered !== 0) return registered === area ? -ERRNO.EBUSY : -EINVAL
  k.mem.writeInt64(task.at + o.rseq, area)
  if (o.length >= 0) k.mem.i32[(task.at + o.length) >> 2] = length
  if (o.signature >= 0) k.mem.i32[(task.at + o.signature) >> 2] = signature
  return 0
}

function setTidAddress(k: Kernel, task: Task, address: number): number {
  k.mem.writeInt64(task.at + k.layout.task.clearChildTid, address)
  return task.pid
}

const GRND_KNOWN = 7

function getrandom(k: Kernel, task: Task, buf: number, length: number, flags: number): number {
  if (flags & ~GRND_KNOWN || (flags & 6) === 6) return -EINVAL
  const count = Math.min(length, 0x1ffffff)
  const bytes = new Uint8Array(count)
  for (let i = 0; i < count; i++) bytes[i] = k.random.u32() >>> 24
  return give(task, buf, bytes) === 0 ? count : -EFAULT
}

function getcpu(k: Kernel, task: Task, cpu: number, node: number): number {
  const id = new Uint8Array(4)
  new DataView(id.buffer).setUint32(0, k.cpu.id, true)
  if (cpu !== 0 && give(task, cpu, id) !== 0) return -EFAULT
  return node !== 0 && give(task, node, new Uint8Array(4)) !== 0 ? -EFAULT : 0
}

/** Linux returns the bytes of a cpumask that it copied: whole words, at most as many as it has. */
function schedGetaffinity(k: Kernel, task: Task, pid: number, length: number, mask: number): number {
  const words = Math.ceil(k.cpus.length / 64)
  if (length * 8 < k.cpus.length || length % 8 !== 0) return -EINVAL
  const target = pid === 0 ? task : k.tasks.get(pid)
  if (!target) return -ERRNO.ESRCH
  const count = Math.min(length, words * 8)
  return give(task, mask, k.mem.bytes(target.at + k.layout.task.cpusMask, count)) === 0 ? count : -EFAULT
}

export const infoSyscalls: SyscallFamily = {
  uname,
  sysinfo: partial(sysinfo, 'no load averages, buffers or swap: they read 0'),
  time,
  gettimeofday,
  clock_gettime: clockGettime,
  clock_getres: clockGetres,
  getrusage: partial(getrusage, 'resident set size and block counts read 0; of a process only the calling thread'),
  times: partial(times, 'of the process only the calling thread'),
  prlimit64,
  getrlimit: (k, task, resource, limit) => prlimit64(k, task, 0, resource, 0, limit),
  setrlimit: (k, task, resource, limit) => prlimit64(k, task, 0, resource, limit, 0),
  prctl: partial(
    prctl,
    'names, parent death signal, dumpable, keepcaps, bounding set, no_new_privs; other options are -EINVAL',
  ),
  arch_prctl: archPrctl,
  set_robust_list: setRobustList,
  rseq: partial(rseq, 'registers the area and does not keep it up to date: nothing here runs code that reads it'),
  set_tid_address: setTidAddress,
  getrandom,
  getcpu,
  sched_getaffinity: schedGetaffinity,
}
