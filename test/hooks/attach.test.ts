import { expect, test } from 'vitest'
import { ATTACH_TYPE, MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { PERF_IOC, PERF_TYPE, PMU_TYPE } from '../../hooks/uapi/perf.ts'
import type { MaybeWait } from '../../kernel-sim/wait.ts'
import { type Rig, rig } from './rig.ts'

const COUNT = `
  r1 = 0
  *(u32 *)(r10 -4) = r1
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r1 = 1
  lock *(u64 *)(r0 +0) += r1
out:
  r0 = 0
  exit
`

function array(r: Rig, entries = 1, valueSize = 8): number {
  const attr = { map_type: MAP_TYPE.array, key_size: 4, value_size: valueSize, max_entries: entries }
  return r.host.bpf(r.task, 'map_create', attr)
}

function tracepoint(r: Rig, name: string): number {
  const { record } = r.kernel.tracepoints.get(name)!
  const attr = { type: PERF_TYPE.tracepoint, config: BigInt(record!.id) }
  return r.host.perfEventOpen(r.task, attr, -1, 0, -1, 0)
}

test('a program counts a tracepoint until its perf event is closed', () => {
  const r = rig()
  const counts = array(r)
  const prog = r.load('tracepoint', COUNT, { counts })
  const event = tracepoint(r, 'task:task_rename')
  expect(r.host.ioctl(r.task, event, PERF_IOC.set_bpf, prog)).toBe(0)
  const { taskRename } = r.kernel.trace
  const emit = () => {
    if (taskRename.armed) taskRename.emit(r.task, r.task.at)
  }
  emit()
  emit()
  expect(r.u64(counts, 0)).toBe(2n)
  r.host.descriptors.close(r.task, event)
  expect(taskRename.armed).toBe(false)
  emit()
  expect(r.u64(counts, 0)).toBe(2n)
})

/** Stores the u64 at offset `at` of the context into element 0. */
const keep = (at: number): string => `
  r6 = *(u64 *)(r1 +${at})
  *(u32 *)(r10 -4) = 0
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  *(u64 *)(r0 +0) = r6
out:
  r0 = 0
  exit
`

function probe(r: Rig, symbol: string, prog: number, isReturn = false): number {
  const attr = { type: PMU_TYPE.kprobe, config: isReturn ? 1n : 0n, kprobe_func: cstring(symbol) }
  const event = r.host.perfEventOpen(r.task, attr, -1, 0, -1, 0)
  expect(event).toBeGreaterThan(0)
  expect(r.host.ioctl(r.task, event, PERF_IOC.set_bpf, prog)).toBe(0)
  return event
}

test('kprobe programs read arguments, kretprobe programs the result', () => {
  const r = rig()
  const [first, second, result] = [array(r), array(r), array(r)]
  const read = r.kernel.functions.declare(
    'ssize_t vfs_read(struct file *file, char __user *buf, size_t count, loff_t *pos)',
    (_file: number, _buf: number, count: number, _pos: number): MaybeWait<number> => count - 1,
  )
  probe(r, 'vfs_read', r.load('kprobe', keep(112), { counts: first }))
  probe(r, 'vfs_read', r.load('kprobe', keep(104), { counts: second }))
  probe(r, 'vfs_read', r.load('kprobe', keep(80), { counts: result }), true)
  read(0x5000, 0x7fff_1234_5678, 10, 0)
  expect(r.u64(first, 0)).toBe(0xffff888000005000n)
  expect(r.u64(second, 0)).toBe(0x7fff12345678n)
  expect(r.u64(result, 0)).toBe(9n)
})

test('fexit programs see the arguments and the result', () => {
  const r = rig()
  const [count, result] = [array(r), array(r)]
  const read = r.kernel.functions.declare(
    'ssize_t vfs_read(struct file *file, char __user *buf, size_t count, loff_t *pos)',
    (_file: number, _buf: number, _count: number, _pos: number): MaybeWait<number> => -9,
  )
  const target = {
    expected_attach_type: ATTACH_TYPE.trace_fexit,
    attach_btf_id: r.kernel.profile.btf.find('vfs_read', 'func'),
  }
  for (const [map, at] of [
    [count, 16],
    [result, 32],
  ] as const) {
    const prog = r.load('tracing', keep(at), { counts: map }, target)
    const link = { prog_fd: prog, attach_type: ATTACH_TYPE.trace_fexit }
    expect(r.host.bpf(r.task, 'link_create', link)).toBeGreaterThan(0)
  }
  read(0x5000, 0, 77, 0)
  expect(r.u64(count, 0)).toBe(77n)
  expect(BigInt.asIntN(64, r.u64(result, 0))).toBe(-9n)
})
