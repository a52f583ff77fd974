// A program that fires while another runs on the same CPU: here from the wakeup of a perf event that the outer program writes to.

import { beforeEach, expect, test } from 'vitest'
import { mapRing } from '../../hooks/perf/file.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { PERF_COUNT_SW, PERF_SAMPLE, PERF_TYPE } from '../../hooks/uapi/perf.ts'
import { note, type Rig, rig, target } from './rig.ts'

/** Writes 8 bytes to the perf event of this CPU. */
const output = `
  *(u64 *)(r10 -8) = 7
  r2 = map[events]
  r3 = 0xffffffff ll
  r4 = r10
  r4 += -8
  r5 = 8
  call bpf_perf_event_output
  r0 = 0
  exit
`

let r: Rig
let events: number
let counts: number
let inner: () => number
let outer: () => number

beforeEach(() => {
  r = rig('trust')
  events = r.map('perf_event_array', 2, 4)
  counts = r.map('array')
  outer = r.kernel.functions.declare('void blk_mq_start_request(struct request *rq)', () => 0)
  inner = r.kernel.functions.declare('int hrtimer_init(int clock)', () => 0)
  const attr = {
    type: PERF_TYPE.software,
    config: BigInt(PERF_COUNT_SW.bpf_output),
    sample_type: PERF_SAMPLE.raw,
    wakeup_events: 1,
  }
  const fd = r.host.perfEventOpen(r.task, attr, -1, 0, -1, 0)
  const file = r.host.file(r.task, fd, 'perf_event')
  if (typeof file === 'number') throw new Error('no event')
  mapRing(r.host, file.event, 2 * 4096)
  file.event.onWakeup = () => inner()
  const words = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
  expect(r.host.bpf(r.task, 'map_update_elem', { map_fd: events, key: words(0), value: words(fd) })).toBe(0)
})

const missed = (fd: number): bigint => {
  const info = r.host.info(r.task, fd, 'prog')
  return typeof info === 'number' ? -1n : info.recursion_misses
}

test('kprobe and tracepoint programs are skipped while one of them runs', () => {
  r.perf('kprobe', 'blk_mq_start_request', r.load('kprobe', output, { events }))
  const skipped = r.load('kprobe', note(1), { counts })
  r.perf('kprobe', 'hrtimer_init', skipped)
  outer()
  expect([r.u64(counts, 0), missed(skipped)]).toEqual([0n, 1n])
  inner()
  expect([r.u64(counts, 0), missed(skipped)]).toEqual([1n, 1n])
})

test('tracing programs run inside others', () => {
  r.perf('kprobe', 'blk_mq_start_request', r.load('kprobe', output, { events }))
  r.link(r.load('tracing', note(1), { counts }, target(r, 'trace_fentry', 'hrtimer_init')), 'trace_fentry')
  outer()
  expect(r.u64(counts, 0)).toBe(1n)
})

test('a tracing program does not run inside itself', () => {
  const prog = r.load('tracing', output, { events }, target(r, 'trace_fentry', 'hrtimer_init'))
  r.link(prog, 'trace_fentry')
  inner()
  expect(missed(prog)).toBe(1n)
})

test('raw tracepoint programs count per program', () => {
  const open = (fd: number): number =>
    r.host.bpf(r.task, 'raw_tracepoint_open', { prog_fd: fd, name: cstring('task_rename') })
  const { taskRename } = r.kernel.trace
  const noisy = r.load('raw_tracepoint', output, { events })
  const quiet = r.load('raw_tracepoint', note(1), { counts })
  expect(open(noisy)).toBeGreaterThan(0)
  expect(open(quiet)).toBeGreaterThan(0)
  let depth = 0
  r.link(r.load('tracing', 'r0 = 0\nexit', {}, target(r, 'trace_fentry', 'hrtimer_init')), 'trace_fentry')
  r.kernel.functions.get('hrtimer_init')!.attach({
    entry: () => {
      if (depth++ === 0) taskRename.emit(r.task, r.task.at)
    },
  })
  taskRename.emit(r.task, r.task.at)
  // The inner event runs the second program, but not the first one inside itself.
  expect([r.u64(counts, 0), missed(noisy), missed(quiet)]).toEqual([2n, 1n, 0n])
})

test('run counts and times are kept while statistics are on', () => {
  const prog = r.load('kprobe', note(1), { counts })
  r.perf('kprobe', 'hrtimer_init', prog)
  inner()
  const stats = r.host.bpf(r.task, 'enable_stats', { type: 0 })
  inner()
  inner()
  r.host.close(r.task, stats)
  inner()
  const info = r.host.info(r.task, prog, 'prog')
  if (typeof info === 'number') throw new Error('no info')
  expect(info.run_cnt).toBe(2n)
  expect(info.run_time_ns).toBeGreaterThan(0n)
  expect(r.u64(counts, 0)).toBe(4n)
})
