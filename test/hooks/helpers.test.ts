import { beforeEach, describe, expect, test } from 'vitest'
import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { mapRing } from '../../hooks/perf/file.ts'
import { formatLine } from '../../hooks/trace-pipe.ts'
import { PERF_COUNT_SW, PERF_SAMPLE, PERF_TYPE } from '../../hooks/uapi/perf.ts'
import { note, type Rig, rig, target } from './rig.ts'

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)

let r: Rig
beforeEach(() => {
  r = rig('trust')
})

/** Run the text as a raw tracepoint program; r0 as a signed number. */
function run(text: string, maps: Record<string, number> = {}): number {
  const attr = { prog_fd: r.load('raw_tracepoint', text, maps), retval: 0 }
  expect(r.host.bpf(r.task, 'prog_test_run', attr)).toBe(0)
  return attr.retval | 0
}

/** An array map of one value that holds this text. */
function textMap(text: string): number {
  const size = Math.ceil((text.length + 1) / 8) * 8
  const fd = r.map('array', 1, size)
  const value = new Uint8Array(size)
  value.set(Uint8Array.from(text, (char) => char.charCodeAt(0)))
  expect(r.host.bpf(r.task, 'map_update_elem', { map_fd: fd, key: u32(0), value })).toBe(0)
  return fd
}

describe('trace_printk', () => {
  const print = (format: string, ...args: (number | string)[]): string | number => {
    const [a = 0, b = 0, c = 0] = args
    const text = `
      r3 = ${a} ll
      r4 = ${b} ll
      r5 = ${c} ll
      r1 = map[format][0]+0
      r2 = ${format.length + 1}
      call bpf_trace_printk
      exit`
    const result = run(text, { format: textMap(format) })
    const [line] = r.host.tracePipe.take()
    return line ? line.text : result
  }
  test.each<[string, (number | string)[], string | number]>([
    ['plain', [], 'plain'],
    ['%d %u %x', [-1, -1, 255], '-1 4294967295 ff'],
    ['%ld %lu %llx', [-1, '0xffffffffffffffff', '0x123456789abcdef0'], '-1 18446744073709551615 123456789abcdef0'],
    ['%5d|%-5d|%05d', [42, 42, -42], '   42|42   |-0042'],
    ['%+d % d %X', [7, 7, 0xbeef], '+7  7 BEEF'],
    ['100%% %c', [65], '100% A'],
    ['%px', [0x1234], '0000000000001234'],
    ['%s', [0], ''],
    ['%d %d %d %d', [1, 2, 3], -ERRNO.EINVAL],
    ['%f', [1], -ERRNO.EINVAL],
    ['%zu', [1], -ERRNO.EINVAL],
    ['%sx', [1], -ERRNO.EINVAL],
    ['%', [1], -ERRNO.EINVAL],
  ])('%j', (format, args, expected) => {
    expect(print(format, ...args)).toBe(expected)
  })

  test('names symbols and strings of the kernel', () => {
    const { functions, current } = r.kernel
    const address = 0xffffffff00000000n + BigInt(functions.addressOf('vfs_read') >>> 0)
    expect(print('%ps %pS', `${address}`, `${address + 5n}`)).toBe('vfs_read vfs_read+0x5/0x100')
    expect(print('%s', `${0xffff888000000000n + BigInt(current.at + r.kernel.layout.task.comm)}`)).toBe('loader')
  })

  test('a line of trace_pipe', () => {
    print('hello %d', 3)
    const line = { timeNs: 12_345_678_901, cpu: 1, pid: 42, comm: 'sleep', text: 'hello 3' }
    expect(formatLine(line)).toBe('           sleep-42      [001] ...21    12.345679: bpf_trace_printk: hello 3\n')
  })
})

describe('memory', () => {
  const read = (helper: string, address: string, size = 8): number =>
    run(`
      *(u64 *)(r10 -8) = -1
      r1 = r10
      r1 += -8
      r2 = ${size}
      r3 = ${address} ll
      call ${helper}
      exit`)
  test('kernel addresses that are not mapped, user addresses, no addresses', () => {
    expect(read('bpf_probe_read_kernel', '0xffff888000001000')).toBe(0)
    expect(read('bpf_probe_read_kernel', '0xffff888000000010')).toBe(-ERRNO.EFAULT)
    expect(read('bpf_probe_read_kernel', '0xffffffff81000000')).toBe(-ERRNO.EFAULT)
    expect(read('bpf_probe_read_kernel', '0')).toBe(-ERRNO.ERANGE)
    expect(read('bpf_probe_read_kernel', '0x7fff00000000')).toBe(-ERRNO.ERANGE)
    expect(read('bpf_probe_read_kernel', '0x123400000000000')).toBe(-ERRNO.ERANGE)
    expect(read('bpf_probe_read_user', '0x7fff00000000')).toBe(-ERRNO.EFAULT)
    expect(read('bpf_probe_read_user', '0xffff888000001000')).toBe(-ERRNO.EFAULT)
  })
  test('strings end at their NUL or are cut', () => {
    const comm = `${0xffff888000000000n + BigInt(r.task.at + r.kernel.layout.task.comm)}`
    r.task.comm = 'a-long-name'
    expect(read('bpf_probe_read_kernel_str', comm, 8)).toBe(8)
    r.task.comm = 'sh'
    expect(read('bpf_probe_read_kernel_str', comm, 8)).toBe(3)
    expect(read('bpf_probe_read_kernel_str', '0', 8)).toBe(-ERRNO.ERANGE)
  })
})

test('ids, name and the arguments of the traced function', () => {
  r.task.comm = 'bpftest'
  const id = run('call bpf_get_current_pid_tgid\nexit')
  expect(id).toBe(r.task.pid)
  expect(run('r1 = r10\nr1 += -16\nr2 = 16\ncall bpf_get_current_comm\nr0 = *(u8 *)(r10 -16)\nexit')).toBe(0x62)

  const counts = r.map('array')
  const read = r.kernel.functions.declare(
    'ssize_t blk_update_request(struct file *file, char __user *buf, size_t count, loff_t *pos)',
    (_file: number, _buf: number, count: number, _pos: number): number => count * 2,
  )
  const text = `
    r6 = r1
    call bpf_get_func_arg_cnt
    r7 = r0
    r1 = r6
    r2 = r10
    r2 += -8
    call bpf_get_func_ret
    r8 = *(u64 *)(r10 -8)
    r8 *= 10
    r8 += r7
    *(u32 *)(r10 -4) = 0
    r2 = r10
    r2 += -4
    r1 = map[counts]
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    *(u64 *)(r0 +0) = r8
  out:
    r0 = 0
    exit`
  r.link(r.load('tracing', text, { counts }, target(r, 'trace_fexit', 'blk_update_request')), 'trace_fexit')
  read(0, 0, 50, 0)
  expect(r.u64(counts, 0)).toBe(1004n)
})

describe('stacks', () => {
  const names = (words: BigUint64Array): string[] =>
    Array.from(words)
      .filter((address) => address !== 0n)
      .map((address) => r.kernel.functions.symbolAt(Number(BigInt.asIntN(32, address)))?.name ?? '?')

  test('the stack of a kprobe begins at the function, and goes out to the caller', () => {
    const { functions } = r.kernel
    const read = functions.declare(
      'ssize_t blk_update_request(struct file *file, char __user *buf, size_t count, loff_t *pos)',
      () => 0,
    )
    const ksys = functions.declare('void blk_mq_start_request(struct request *rq)', () => read())
    const stacks = r.map('stack_trace', 16, 80)
    const counts = r.map('array')
    const text = `
      r2 = map[stacks]
      r3 = 0
      call bpf_get_stackid
      r6 = r0
      ${note(0).replace('r1 *= 1', 'r1 = r6')}`
    r.perf('kprobe', 'blk_update_request', r.load('kprobe', text, { stacks, counts }))
    ksys()
    const id = Number(BigInt.asIntN(32, r.u64(counts, 0)))
    expect(id).toBeGreaterThanOrEqual(0)
    const value = new Uint8Array(80)
    expect(r.host.bpf(r.task, 'map_lookup_elem', { map_fd: stacks, key: u32(id), value })).toBe(0)
    const stack = new BigUint64Array(value.buffer)
    expect(names(stack).slice(0, 2)).toEqual(['blk_update_request', 'blk_mq_start_request'])
    expect(stack[0]! & 0xffn).toBe(BigInt(functions.addressOf('blk_update_request') & 0xff) + 5n)
    // The same stack again is the same id.
    ksys()
    expect(Number(BigInt.asIntN(32, r.u64(counts, 0)))).toBe(id)
  })
})

describe('perf events', () => {
  /** A bpf-output event on CPU 0 in map `events`, with so many data pages. */
  function openRing(pages: number) {
    const events = r.map('perf_event_array', 2, 4)
    const attr = { type: PERF_TYPE.software, config: BigInt(PERF_COUNT_SW.bpf_output), sample_type: PERF_SAMPLE.raw }
    const fd = r.host.perfEventOpen(r.task, attr, -1, 0, -1, 0)
    const file = r.host.file(r.task, fd, 'perf_event')
    if (typeof file === 'number') throw new Error('no event')
    const ring = pages > 0 ? mapRing(r.host, file.event, (pages + 1) * PAGE_SIZE) : undefined
    r.host.bpf(r.task, 'map_update_elem', { map_fd: events, key: u32(0), value: u32(fd) })
    return { events, fd, event: file.event, ring: ring as Exclude<typeof ring, number | undefined> }
  }
  const output = (bytes: number, flags = '0xffffffff'): string => `
    *(u64 *)(r10 -8) = 0x11223344
    r2 = map[events]
    r3 = ${flags} ll
    r4 = r10
    r4 += -${bytes}
    r5 = ${bytes}
    call bpf_perf_event_output
    exit`

  test('a sample as perf lays it out', () => {
    const { events, ring } = openRing(1)
    expect(run(output(8), { events })).toBe(0)
    expect(ring.head).toBe(24)
    const record = r.kernel.mem.bytes(ring.at + PAGE_SIZE, 24)
    const view = new DataView(record.buffer)
    // header: type 9, misc 1, size 24; raw size 12: the data and 4 bytes of padding.
    expect([view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)]).toEqual([9, 1, 24])
    expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([12, 0x11223344])
  })

  test('what does not fit is counted, and said before the next sample', () => {
    const { events, ring } = openRing(1)
    const fits = Math.floor((PAGE_SIZE - 1) / 24)
    for (let i = 0; i < fits; i++) expect(run(output(8), { events })).toBe(0)
    expect(run(output(8), { events })).toBe(-ERRNO.ENOSPC)
    expect(run(output(8), { events })).toBe(-ERRNO.ENOSPC)
    const { head } = ring
    ring.tail = head
    expect(run(output(8), { events })).toBe(0)
    expect(ring.head).toBe(head + 24 + 24)
    const view = new DataView(r.kernel.mem.bytes(ring.at + PAGE_SIZE + (head % PAGE_SIZE), 16).buffer)
    expect([view.getUint32(0, true), view.getUint16(6, true)]).toEqual([2, 24])
    expect(ring.lostTotal).toBe(2)
  })

  test('errors', () => {
    const { events } = openRing(0)
    expect(run(output(8), { events })).toBe(-ERRNO.ENOSPC)
    expect(run(output(8, '1'), { events })).toBe(-ERRNO.ENOENT)
    expect(run(output(8, '2'), { events })).toBe(-ERRNO.E2BIG)
    expect(run(output(8, '0x100000000'), { events })).toBe(-ERRNO.EINVAL)
    r.task.cpu = 1
    expect(run(output(8, '0'), { events })).toBe(-ERRNO.EOPNOTSUPP)
  })
})
