// perf_event_open(2): the checks in their order, then the source that attr.type names: a tracepoint by its id, a function through
// the kprobe PMU, or a software event (of which BPF output is the one that does something here; the counters stay at 0 and cannot
// sample). Hardware events are -ENOENT, as on a machine without a PMU. Not there: groups (-EINVAL), cgroup events (-EINVAL).

import { ERRNO } from '../../base/errno.ts'
import { KprobeSource } from '../attach/kprobe.ts'
import type { ProbeSite } from '../attach/probe-table.ts'
import { TracepointSource } from '../attach/tracepoint.ts'
import { capabilitiesOf } from '../credentials.ts'
import type { BpfHost } from '../host.ts'
import { stringFromUser } from '../uapi/codec.ts'
import {
  PERF_ATTR,
  PERF_COUNT_SW,
  PERF_EVENT_ATTR,
  PERF_FLAG,
  PERF_SAMPLE_MAX,
  PERF_TYPE,
  PMU_TYPE,
} from '../uapi/perf.ts'
import { type PerfAttr, PerfEvent, type PerfSource, SAMPLE_SUPPORTED } from './event.ts'
import { perfFile } from './file.ts'

const KNOWN_FLAGS = PERF_FLAG.fd_no_group | PERF_FLAG.fd_output | PERF_FLAG.pid_cgroup | PERF_FLAG.fd_cloexec
const MAX_FREQUENCY = 100_000n

export function perfEventOpen(
  host: BpfHost,
  given: Partial<PerfAttr>,
  pid: number,
  cpu: number,
  groupFd: number,
  flags: number,
): number {
  const attr: PerfAttr = { ...PERF_EVENT_ATTR.zero(), ...given }
  const { kernel } = host
  if (flags & ~KNOWN_FLAGS) return -ERRNO.EINVAL
  if (attr.sample_type >= PERF_SAMPLE_MAX || attr.reserved_2 || attr.reserved_3) return -ERRNO.EINVAL
  if (!capabilitiesOf(kernel, kernel.current).perfmon) return -ERRNO.EACCES
  if (attr.flags & PERF_ATTR.freq) {
    if (attr.sample_period > MAX_FREQUENCY) return -ERRNO.EINVAL
  } else if (attr.sample_period >> 63n) return -ERRNO.EINVAL
  if (flags & PERF_FLAG.pid_cgroup || groupFd !== -1) return -ERRNO.EINVAL
  if (pid !== -1 && pid !== 0 && !kernel.tasks.get(pid)) return -ERRNO.ESRCH
  if (cpu < -1 || cpu >= kernel.cpus.length || (pid === -1 && cpu === -1)) return -ERRNO.EINVAL
  if (attr.sample_type & ~SAMPLE_SUPPORTED) return -ERRNO.EOPNOTSUPP

  const source = sourceOf(host, attr)
  if (typeof source === 'number') return source
  const followed = pid === 0 ? kernel.current.pid : pid
  const event = new PerfEvent(host.nextPerfId(), attr, followed, cpu, source, kernel.nowNs)
  if (source instanceof TracepointSource || source instanceof KprobeSource) source.event = event
  const fd = host.descriptors.install(perfFile(host, event))
  if (fd < 0) event.release()
  return fd
}

function sourceOf(host: BpfHost, attr: PerfAttr): PerfSource | number {
  switch (attr.type) {
    case PERF_TYPE.tracepoint: {
      const tracepoint = host.probes.tracepointById(Number(attr.config))
      return tracepoint ? new TracepointSource(host, host.probes.hub(tracepoint)) : -ERRNO.EINVAL
    }
    case PMU_TYPE.kprobe:
      return kprobeSource(host, attr)
    case PERF_TYPE.software:
      return Number(attr.config) in SOFTWARE ? softwareSource : -ERRNO.ENOENT
    default:
      return -ERRNO.ENOENT
  }
}

const SOFTWARE: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(PERF_COUNT_SW).map(([name, config]) => [config, name]),
)

/** No occurrences of its own: what programs put out through it, and nothing else. */
const softwareSource: PerfSource = { attach: () => -ERRNO.EOPNOTSUPP, detach: () => {}, release: () => {} }

/** create_local_trace_kprobe() */
function kprobeSource(host: BpfHost, attr: PerfAttr): PerfSource | number {
  const isReturn = (attr.config & 1n) !== 0n
  if (attr.config & ~1n) return -ERRNO.EINVAL
  let name = ''
  if (attr.kprobe_func) {
    const text = stringFromUser(attr.kprobe_func, KSYM_NAME_LEN)
    if (text === undefined) return -ERRNO.EFAULT
    if (text.length === KSYM_NAME_LEN) return -ERRNO.E2BIG
    name = text
  }
  const site = name === '' ? host.probes.siteAt(Number(BigInt.asIntN(32, attr.config2))) : siteByName(host, name, attr)
  if (typeof site === 'number') return site
  if (site.offset !== 0) return isReturn ? -ERRNO.EINVAL : -ERRNO.EILSEQ
  return new KprobeSource(host, site, isReturn)
}

const KSYM_NAME_LEN = 512

function siteByName(host: BpfHost, name: string, attr: PerfAttr): (ProbeSite & { offset: number }) | number {
  const site = host.probes.site(name)
  return typeof site === 'number' ? site : { ...site, offset: Number(attr.probe_offset) }
}
