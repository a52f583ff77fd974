// Samples and counters through a perf event array.

import { ERRNO } from '../../base/errno.ts'
import type { PerfEventArray } from '../maps/perf-event-array.ts'
import type { PerfEvent } from '../perf/event.ts'
import { type HelperFamily, runContextOf } from './family.ts'

/** BPF_F_CURRENT_CPU: the index mask's all ones. */
const CURRENT_CPU = -1
/** A record's size is a u16 that counts the header too. */
const MAX_SAMPLE_BYTES = 0xffff - 8 - 4 - 7

export const perfHelpers: HelperFamily = ({ kernel, machine }) => {
  const { mem } = kernel

  /** The event that flags name, or a negative errno. */
  const eventOf = (map: number, lo: number, hi: number): PerfEvent | number => {
    if (hi !== 0) return -ERRNO.EINVAL
    const array = machine.mapAt(map) as PerfEventArray
    const index = lo === CURRENT_CPU ? kernel.cpu.id : lo >>> 0
    if (index >= array.maxEntries) return -ERRNO.E2BIG
    return array.event(index) ?? -ERRNO.ENOENT
  }

  return [
    {
      id: 25,
      name: 'perf_event_output',
      takes: ['ptr', 'ptr', 'u64', 'ptr', 'u32'],
      gives: 's32',
      run: (_ctx, map, lo, hi, from, size) => {
        const event = eventOf(map, lo, hi)
        if (typeof event === 'number') return event
        if (!event.isBpfOutput) return -ERRNO.EINVAL
        const cpu = kernel.cpu.id
        if (!event.enabled || (event.cpu !== -1 && event.cpu !== cpu)) return -ERRNO.EOPNOTSUPP
        if (size > MAX_SAMPLE_BYTES) return -ERRNO.E2BIG
        const { tgid, pid, ip } = kernel.current
        const moment = { pid: tgid, tid: pid, cpu, timeNs: kernel.nowNs, ip: runContextOf(machine)?.where.ip ?? ip }
        return event.output(moment, from, size)
      },
    },
    {
      id: 22,
      name: 'perf_event_read',
      partial: 'counts tracepoints and probes only; software and hardware counters stay 0',
      takes: ['ptr', 'u64'],
      gives: 'u64',
      run: (map, lo, hi) => {
        const event = eventOf(map, lo, hi)
        if (typeof event === 'number') return machine.giveU64(event, -1)
        return machine.giveU64(event.count | 0, Math.floor(event.count / 0x1_0000_0000))
      },
    },
    {
      id: 55,
      name: 'perf_event_read_value',
      partial: 'as perf_event_read; time enabled is time since the event was opened',
      takes: ['ptr', 'u64', 'ptr', 'u32'],
      gives: 's32',
      run: (map, lo, hi, to, size) => {
        mem.u8.fill(0, to, to + size)
        if (size !== 24) return -ERRNO.EINVAL
        const event = eventOf(map, lo, hi)
        if (typeof event === 'number') return event
        // struct bpf_perf_event_value: counter, time enabled, time running.
        mem.writeInt64(to, event.count)
        const onNs = event.enabled ? kernel.nowNs - event.openedNs : 0
        mem.writeInt64(to + 8, onNs)
        mem.writeInt64(to + 16, onNs)
        return 0
      },
    },
  ]
}
