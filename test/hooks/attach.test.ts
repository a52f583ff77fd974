import { beforeEach, expect, test } from 'vitest'
import { ERRNO } from '../../base/errno.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { PERF_IOC, PERF_TYPE, PMU_TYPE } from '../../hooks/uapi/perf.ts'
import { keep, note, type Rig, rig, run, target } from './rig.ts'

const PROBED = 'blk_update_request'
const PROTOTYPE = 'ssize_t blk_update_request(struct file *file, char __user *buf, size_t count, loff_t *pos)'
const ADDRESS = 0x7fff_1234_5678

let r: Rig
/** A function that this kernel has and does not model, given a body: it returns one less than its count. */
let read: (file: number, buf: number, count: number, pos: number) => number
let reads: number

beforeEach(() => {
  r = rig('trust')
  reads = 0
  read = r.kernel.functions.declare(PROTOTYPE, (_file: number, _buf: number, count: number, _pos: number): number => {
    reads++
    return count - 1
  })
})

test('a tracepoint program counts until its perf event is closed', () => {
  const counts = r.map('array')
  const event = r.perf('tracepoint', 'task:task_rename', r.load('tracepoint', note(1), { counts }))
  const { taskRename } = r.kernel.trace
  const emit = (): void => {
    if (taskRename.armed) taskRename.emit(r.task, r.task.at)
  }
  emit()
  emit()
  expect(r.u64(counts, 0)).toBe(2n)
  r.host.close(r.task, event)
  expect(taskRename.armed).toBe(false)
  emit()
  expect(r.u64(counts, 0)).toBe(2n)
})

test('a link keeps its program and its perf event after their descriptors are closed', () => {
  const counts = r.map('array')
  const prog = r.load('kprobe', note(1), { counts })
  const attr = { type: PMU_TYPE.kprobe, kprobe_func: cstring(PROBED) }
  const event = r.host.perfEventOpen(r.task, attr, -1, 0, -1, 0)
  const link = r.host.bpf(r.task, 'link_create', { prog_fd: prog, target_fd: event, attach_type: 41 })
  expect(link).toBeGreaterThan(0)
  const info = r.host.info(r.task, link, 'link', { perf_event_name: new Uint8Array(64), perf_event_name_len: 64 })
  expect(info).toMatchObject({ type: 7, perf_event_type: 3 })
  r.host.close(r.task, prog)
  r.host.close(r.task, event)
  read(0, 0, 1, 0)
  expect(r.u64(counts, 0)).toBe(1n)
  r.host.close(r.task, link)
  read(0, 0, 1, 0)
  expect(r.u64(counts, 0)).toBe(1n)
  expect(r.host.bpf(r.task, 'prog_get_next_id', {})).toBe(-ERRNO.ENOENT)
})

test('kprobe programs read arguments and the stack pointer, kretprobe programs the result', () => {
  const kept = (at: number, kind: 'kprobe' | 'kretprobe' = 'kprobe'): number => {
    const counts = r.map('array')
    r.perf(kind, PROBED, r.load('kprobe', keep(at), { counts }))
    return counts
  }
  const [file, buf, count, ip, sp, result] = [
    kept(112),
    kept(104),
    kept(96),
    kept(128),
    kept(152),
    kept(80, 'kretprobe'),
  ]
  const { sp: before } = r.task
  read(0x5000, ADDRESS, 10, 0)
  expect(r.u64(file, 0)).toBe(0xffff888000005000n)
  expect(r.u64(buf, 0)).toBe(BigInt(ADDRESS))
  expect(r.u64(count, 0)).toBe(10n)
  expect(r.u64(ip, 0)).toBe(0xffffffff00000005n + BigInt(r.kernel.functions.addressOf(PROBED) >>> 0))
  expect(r.u64(sp, 0)).toBe(0xffff888000000000n + BigInt(before - 8))
  expect(r.u64(result, 0)).toBe(9n)
})

test('fexit programs see the arguments and the result, fmod_ret programs end the call', () => {
  const [count, result] = [r.map('array'), r.map('array')]
  r.link(r.load('tracing', keep(16), { counts: count }, target(r, 'trace_fexit', PROBED)), 'trace_fexit')
  r.link(r.load('tracing', keep(32), { counts: result }, target(r, 'trace_fexit', PROBED)), 'trace_fexit')
  expect(read(0x5000, 0, 77, 0)).toBe(76)
  expect([r.u64(count, 0), r.u64(result, 0)]).toEqual([77n, 76n])
  const deny = r.load('tracing', 'r0 = -13\nexit', {}, target(r, 'modify_return', PROBED))
  const link = r.link(deny, 'modify_return')
  expect(link).toBeGreaterThan(0)
  expect(read(0x5000, 0, 5, 0)).toBe(-ERRNO.EACCES)
  expect([reads, BigInt.asIntN(64, r.u64(result, 0))]).toEqual([1, -13n])
  r.host.close(r.task, link)
  expect(read(0x5000, 0, 5, 0)).toBe(4)
})

test('probes of one function run in the order of Linux', () => {
  const counts = r.map('array')
  const digit = (n: number): string => note(n, 10)
  const kprobe = (n: number, kind: 'kprobe' | 'kretprobe'): number =>
    r.perf(kind, PROBED, r.load('kprobe', digit(n), { counts }))
  const tracing = (n: number, kind: 'trace_fentry' | 'trace_fexit'): number =>
    r.link(r.load('tracing', digit(n), { counts }, target(r, kind, PROBED)), kind)
  tracing(3, 'trace_fentry')
  tracing(4, 'trace_fentry')
  kprobe(7, 'kretprobe')
  kprobe(8, 'kretprobe')
  kprobe(1, 'kprobe')
  kprobe(2, 'kprobe')
  tracing(5, 'trace_fexit')
  tracing(6, 'trace_fexit')
  read(0, 0, 1, 0)
  // Newest first, but for kretprobes; kprobes before fentry, fexit before kretprobes.
  expect(r.u64(counts, 0)).toBe(21436578n)
})

test('a kretprobe hears no return of a call that began before it', () => {
  const counts = r.map('array')
  const prog = r.load('kprobe', note(1), { counts })
  let event = 0
  const sync = r.kernel.functions.declare('int hrtimer_init(int clock)', (): number => {
    if (event === 0) event = r.perf('kretprobe', 'hrtimer_init', prog)
    return 0
  })
  sync()
  expect(r.u64(counts, 0)).toBe(0n)
  sync()
  expect(r.u64(counts, 0)).toBe(1n)
})

test('override_return in a kprobe program ends a system call, and only such functions', () => {
  const prog = r.load('kprobe', 'r2 = -5\ncall bpf_override_return\nr0 = 0\nexit')
  expect(r.perf('kprobe', PROBED, prog)).toBe(-ERRNO.EINVAL)
  expect(r.perf('kretprobe', '__x64_sys_getuid', prog)).toBe(-ERRNO.EINVAL)
  expect(r.perf('kprobe', '__x64_sys_getuid', prog)).toBeGreaterThan(0)
  const results: number[] = []
  run(r, function* ({ sys }) {
    results.push(yield* sys.getuid(), yield* sys.getpid())
  })
  expect(results[0]).toBe(-ERRNO.EIO)
  expect(results[1]).toBeGreaterThan(0)
})

test('perf events count while they are enabled', () => {
  const event = r.perf('kprobe', PROBED, r.load('kprobe', 'r0 = 0\nexit'))
  const file = r.host.file(r.task, event, 'perf_event')
  read(0, 0, 1, 0)
  r.host.ioctl(r.task, event, PERF_IOC.disable)
  read(0, 0, 1, 0)
  expect(typeof file === 'number' ? file : file.event.count).toBe(1)
})

test('attach cookies', () => {
  const counts = r.map('array')
  const text = `call bpf_get_attach_cookie\nr6 = r0\n${keep(0).replace(/.*r6 = .*\n/, '')}`
  const prog = r.load('tracing', text, { counts }, target(r, 'trace_fentry', PROBED))
  r.link(prog, 'trace_fentry', 0x1234_5678_9abc_def0n)
  read(0, 0, 1, 0)
  expect(r.u64(counts, 0)).toBe(0x1234_5678_9abc_def0n)
})

test('what cannot be attached is refused in Linux’s numbers', () => {
  const { EINVAL, ENOENT, EEXIST, EBUSY, EILSEQ, ESRCH } = ERRNO
  const open = (attr: Parameters<typeof r.host.perfEventOpen>[1], pid = -1, cpu = 0): number =>
    r.host.perfEventOpen(r.task, attr, pid, cpu, -1, 0)
  const kprobe = { type: PMU_TYPE.kprobe, kprobe_func: cstring(PROBED) }
  expect(open({ type: PERF_TYPE.tracepoint, config: 999_999n })).toBe(-EINVAL)
  expect(open({ ...kprobe, kprobe_func: cstring('no_such_function') })).toBe(-ENOENT)
  expect(open({ ...kprobe, probe_offset: 3n })).toBe(-EILSEQ)
  expect(open({ ...kprobe, config: 1n, probe_offset: 3n })).toBe(-EINVAL)
  expect(open({ type: 77 })).toBe(-ENOENT)
  expect(open(kprobe, -1, -1)).toBe(-EINVAL)
  expect(open(kprobe, -1, 99)).toBe(-EINVAL)
  expect(open(kprobe, 4242)).toBe(-ESRCH)

  const tracepoint = r.load('tracepoint', note(1), { counts: r.map('array') })
  const prog = r.load('kprobe', note(1), { counts: r.map('array') })
  expect(r.perf('kprobe', PROBED, tracepoint)).toBe(-EINVAL)
  expect(r.perf('tracepoint', 'task:task_rename', prog)).toBe(-EINVAL)
  const event = r.perf('kprobe', PROBED, prog)
  expect(r.host.ioctl(r.task, event, PERF_IOC.set_bpf, prog)).toBe(-EEXIST)
  r.perf('tracepoint', 'task:task_rename', tracepoint)
  expect(r.perf('tracepoint', 'task:task_rename', tracepoint)).toBe(-EEXIST)
  const fentry = r.load('tracing', 'r0 = 0\nexit', {}, target(r, 'trace_fentry', PROBED))
  expect(r.link(fentry, 'trace_fexit')).toBe(-EINVAL)
  expect(r.link(fentry, 'trace_fentry')).toBeGreaterThan(0)
  expect(r.link(fentry, 'trace_fentry')).toBe(-EBUSY)
})
