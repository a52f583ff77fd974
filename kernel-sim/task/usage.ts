// What threads, processes and their waited-for children have used, as task_struct and signal_struct count it.

import type { Kernel } from '../kernel.ts'
import type { Task } from './task.ts'

/** Times in nanoseconds. */
export interface Usage {
  readonly utime: number
  readonly stime: number
  readonly minFlt: number
  readonly majFlt: number
  readonly nvcsw: number
  readonly nivcsw: number
}

const KEYS = ['utime', 'stime', 'minFlt', 'majFlt', 'nvcsw', 'nivcsw'] as const
type Offsets = Readonly<Record<keyof Usage, number>>

function read(k: Kernel, at: number, offsets: Offsets): Usage {
  const usage = {} as Record<keyof Usage, number>
  for (const key of KEYS) usage[key] = k.mem.readInt64(at + offsets[key])
  return usage
}

export function addUsage(a: Usage, b: Usage): Usage {
  const sum = {} as Record<keyof Usage, number>
  for (const key of KEYS) sum[key] = a[key] + b[key]
  return sum
}

/** What one thread used, up to now. */
export function threadUsage(k: Kernel, task: Task): Usage {
  if (task === k.current) k.sched.updateCurrent(k.cpu)
  return read(k, task.at, k.layout.task)
}

/** What a process used: the threads that are gone and those that are there. */
export function processUsage(k: Kernel, task: Task): Usage {
  const gone = read(k, task.group.at, k.layout.signal)
  return task.group.threads.reduce((sum, thread) => addUsage(sum, threadUsage(k, thread)), gone)
}

const childOffsets = ({ layout: { signal } }: Kernel): Offsets => ({
  utime: signal.cutime,
  stime: signal.cstime,
  minFlt: signal.cminFlt,
  majFlt: signal.cmajFlt,
  nvcsw: signal.cnvcsw,
  nivcsw: signal.cnivcsw,
})

/** What the children that a process has waited for used, and theirs. */
export function childrenUsage(k: Kernel, task: Task): Usage {
  return read(k, task.group.at, childOffsets(k))
}

/** A child that was waited for counts as one of the parent's. */
export function addChildUsage(k: Kernel, parent: Task, usage: Usage): void {
  const offsets = childOffsets(k)
  for (const key of KEYS) {
    const at = parent.group.at + offsets[key]
    k.mem.writeInt64(at, k.mem.readInt64(at) + usage[key])
  }
}

const RUSAGE_BYTES = 144

/** struct rusage. Resident set size and block counts read 0, as do the fields that Linux never fills. */
export function rusage(usage: Usage): DataView {
  const view = new DataView(new ArrayBuffer(RUSAGE_BYTES))
  const put = (index: number, value: number): void => view.setBigInt64(index * 8, BigInt(Math.floor(value)), true)
  put(0, usage.utime / 1e9)
  put(1, (usage.utime % 1e9) / 1e3)
  put(2, usage.stime / 1e9)
  put(3, (usage.stime % 1e9) / 1e3)
  put(8, usage.minFlt)
  put(9, usage.majFlt)
  put(16, usage.nvcsw)
  put(17, usage.nivcsw)
  return view
}
