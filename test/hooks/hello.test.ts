// The smallest whole path: an assembled program counts one system call of a simulated process in an array map.

import { expect, test } from 'vitest'
import { ERRNO } from '../../base/errno.ts'
import { ATTACH_TYPE, MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import type { Program } from '../../kernel-sim/user/api.ts'
import { keep, note, rig, run, start, target } from './rig.ts'

test.each(['6.12', '6.1'])('a system call is counted, until its program is detached, on %s', (version) => {
  const r = rig('verify', version)
  const counts = r.map('array')
  const event = r.perf('tracepoint', 'syscalls:sys_enter_openat', r.load('tracepoint', note(1), { counts }))
  const body: Program = function* ({ sys }) {
    for (let i = 0; i < 5; i++) yield* sys.openat(-100, '/etc/hosts', 0)
  }
  run(r, body)
  expect(r.u64(counts, 0)).toBe(5n)
  r.host.close(r.task, event)
  run(r, body)
  expect(r.u64(counts, 0)).toBe(5n)
})

test.each(['6.12', '6.1'])('arguments and results of a system call, seen from every side, on %s', (version) => {
  const r = rig('verify', version)
  const kept = (): number => r.map('array')
  const [enter, exit, raw, kprobe, kretprobe, fexit] = [kept(), kept(), kept(), kept(), kept(), kept()]
  const { regs } = { regs: 112 }
  // sys_enter_read: __syscall_nr at 8, fd at 16, buf at 24, count at 32; sys_exit_read: ret at 16.
  r.perf('tracepoint', 'syscalls:sys_enter_read', r.load('tracepoint', keep(32), { counts: enter }))
  r.perf('tracepoint', 'syscalls:sys_exit_read', r.load('tracepoint', keep(16), { counts: exit }))
  r.perf('kprobe', 'vfs_read', r.load('kprobe', keep(96), { counts: kprobe }))
  r.perf('kretprobe', 'vfs_read', r.load('kprobe', keep(80), { counts: kretprobe }))
  r.link(r.load('tracing', keep(32), { counts: fexit }, target(r, 'trace_fexit', 'vfs_read')), 'trace_fexit')
  // ksyscall: __x64_sys_read(regs); the first argument is in the user's registers.
  const text = `
    r7 = *(u64 *)(r1 +${regs})
    r1 = r10
    r1 += -16
    r2 = 8
    r3 = r7
    r3 += 96
    call bpf_probe_read_kernel
    r6 = *(u64 *)(r10 -16)
    ${keep(0).replace(/.*r6 = .*\n/, '')}`
  r.perf('kprobe', '__x64_sys_read', r.load('kprobe', text, { counts: raw }))
  run(r, function* ({ sys }) {
    const fd = yield* sys.openat(-100, '/etc/hostname', 0)
    yield* sys.read(fd, 100)
  })
  expect([r.u64(enter, 0), r.u64(kprobe, 0), r.u64(raw, 0)]).toEqual([100n, 100n, 100n])
  const length = r.u64(exit, 0)
  expect(length).toBeGreaterThan(0n)
  expect([r.u64(kretprobe, 0), r.u64(fexit, 0)]).toEqual([length, length])
})

test('kretprobe and fexit across a sleep', () => {
  const r = rig()
  const [returned, left, woken] = [r.map('array'), r.map('array'), r.map('array')]
  r.perf('kretprobe', 'hrtimer_nanosleep', r.load('kprobe', note(1), { counts: returned }))
  r.link(r.load('tracing', note(1), { counts: left }, target(r, 'trace_fexit', 'hrtimer_nanosleep')), 'trace_fexit')
  r.perf('tracepoint', 'syscalls:sys_exit_nanosleep', r.load('tracepoint', note(1), { counts: woken }))
  run(r, function* ({ sys }) {
    yield* sys.nanosleep(1_000_000)
  })
  expect([r.u64(returned, 0), r.u64(left, 0), r.u64(woken, 0)]).toEqual([1n, 1n, 1n])
})

test('a killed sleeper returns from everything it was in', () => {
  const r = rig()
  const [returned, left, exited] = [r.map('array'), r.map('array'), r.map('array')]
  r.perf('kretprobe', 'hrtimer_nanosleep', r.load('kprobe', note(1), { counts: returned }))
  r.link(r.load('tracing', note(1), { counts: left }, target(r, 'trace_fexit', 'hrtimer_nanosleep')), 'trace_fexit')
  r.perf('tracepoint', 'syscalls:sys_exit_nanosleep', r.load('tracepoint', note(1), { counts: exited }))
  run(r, function* ({ sys }) {
    const child = yield* sys.fork(function* ({ sys: own }) {
      yield* own.nanosleep(10_000_000_000)
    })
    yield* sys.nanosleep(1_000_000)
    yield* sys.kill(child, 9)
    yield* sys.wait4(child)
  })
  expect([r.u64(returned, 0), r.u64(left, 0), r.u64(exited, 0)]).toEqual([2n, 2n, 2n])
})

test('the stack of a task that slept before anything was attached', () => {
  const r = rig()
  start(r, function* ({ sys }) {
    yield* sys.nanosleep(5_000_000)
  })
  r.kernel.run({ untilNs: r.kernel.driver.nowNs + 1_000_000 })
  const counts = r.map('array', 1, 128)
  // tp_btf sched_waking(p): the stack of p into the map.
  const text = `
    r6 = *(u64 *)(r1 +0)
    *(u32 *)(r10 -4) = 0
    r2 = r10
    r2 += -4
    r1 = map[counts]
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = r6
    r2 = r0
    r3 = 128
    r4 = 0
    call bpf_get_task_stack
  out:
    r0 = 0
    exit`
  const attach_btf_id = r.kernel.profile.btf.find('btf_trace_sched_waking', 'typedef')
  const on = { expected_attach_type: ATTACH_TYPE.trace_raw_tp, attach_btf_id }
  expect(r.link(r.load('tracing', text, { counts }, on), 'trace_raw_tp')).toBeGreaterThan(0)
  r.kernel.run()
  const value = new Uint8Array(128)
  r.host.bpf(r.task, 'map_lookup_elem', { map_fd: counts, key: new Uint8Array(4), value })
  const names = Array.from(new BigUint64Array(value.buffer))
    .filter((address) => address !== 0n)
    .map((address) => r.kernel.functions.symbolAt(Number(BigInt.asIntN(32, address)))?.name)
  expect(names.at(-1)).toBe('entry_SYSCALL_64_after_hwframe')
  expect(names).toEqual(
    expect.arrayContaining(['schedule', 'hrtimer_nanosleep', '__x64_sys_nanosleep', 'do_syscall_64']),
  )
})

test('a program sends a signal, names a file, and is heard by the task it ran for', () => {
  // vfs_read is not among the functions that bpf_d_path() may be called from: unverified.
  const r = rig('trust')
  const names = r.map('array', 1, 64)
  // fentry vfs_read(file): the file's path into the map; then SIGKILL to the reader.
  const path = r.kernel.layouts.field('file', 'f_path')!.offset
  const text = `
    r6 = *(u64 *)(r1 +0)
    *(u32 *)(r10 -4) = 0
    r2 = r10
    r2 += -4
    r1 = map[names]
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = r6
    r1 += ${path}
    r2 = r0
    r3 = 64
    call bpf_d_path
    r1 = 9
    call bpf_send_signal
  out:
    r0 = 0
    exit`
  r.link(r.load('tracing', text, { names }, target(r, 'trace_fentry', 'vfs_read')), 'trace_fentry')
  let status = 0
  run(r, function* ({ sys }) {
    const child = yield* sys.fork(function* ({ sys: own }) {
      yield* own.read(yield* own.openat(-100, '/etc/hostname', 0), 10)
      yield* own.openat(-100, '/etc/hosts', 0)
    })
    status = (yield* sys.wait4(child)).status
  })
  expect(status).toBe(9)
  const value = new Uint8Array(64)
  r.host.bpf(r.task, 'map_lookup_elem', { map_fd: names, key: new Uint8Array(4), value })
  expect(String.fromCharCode(...value.subarray(0, value.indexOf(0)))).toBe('/etc/hostname')
})

test('a task that calls bpf(2) itself holds its maps until it ends', () => {
  const r = rig()
  const live = (): number => r.host.bpf(r.task, 'map_get_next_id', { start_id: 0 })
  const seen: number[] = []
  run(r, function* ({ sys }) {
    // map_type, key_size, value_size, max_entries of union bpf_attr; one of a size that Linux does not take.
    const attr = new Uint8Array(Uint32Array.of(MAP_TYPE.array, 4, 8, 1).buffer)
    seen.push(yield* sys.call('bpf', 0, attr, attr.length))
    seen.push(yield* sys.call('bpf', 0, attr, 5000))
    seen.push(yield* sys.call('bpf', 99, attr, attr.length))
    seen.push(live())
  })
  expect(seen[0]).toBeGreaterThanOrEqual(0)
  expect(seen.slice(1)).toEqual([-ERRNO.E2BIG, -ERRNO.EINVAL, 0])
  expect(live()).toBe(-ERRNO.ENOENT)
})

test('what a loader attached ends with it', () => {
  const r = rig()
  const counts = r.map('array')
  const prog = r.load('tracepoint', note(1), { counts })
  r.perf('tracepoint', 'syscalls:sys_enter_getuid', prog)
  const body: Program = function* ({ sys }) {
    yield* sys.getuid()
  }
  run(r, body)
  const before = r.u64(counts, 0)
  const object = r.host.file(r.task, counts, 'map')
  if (typeof object === 'number') throw new Error('no map')
  const { map } = object.object.hold()
  run(r, function* ({ sys }) {
    yield* sys.kill(r.task.pid, 9)
  })
  expect(r.host.progs.after(0)).toBe(0)
  run(r, body)
  const value = map.lookup(r.kernel.alloc.alloc(8))
  expect([before, r.kernel.mem.readU64(value)]).toEqual([1n, 1n])
})
