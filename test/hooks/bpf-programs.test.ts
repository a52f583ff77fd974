// What bpf(2) returns for programs and other objects. The numbers were read off Linux 6.18 through the system call.

import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../base/errno.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { encode } from '../../ebpf-vm/isa/insn.ts'
import { ATTACH_TYPE, MAP_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import type { AttrIn } from '../../hooks/uapi/bpf-attr.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { rig } from './rig.ts'

const { EBADF, EBADFD, EFAULT, EINVAL, E2BIG, ENOENT, ENOSPC, ENOTSUPP, ENXIO } = ERRNO

const r = rig('trust')
const { host, task } = r
const map = host.bpf(task, 'map_create', { map_type: MAP_TYPE.array, key_size: 4, value_size: 8, max_entries: 1 })
const socket = r.load('socket_filter', 'r0 = 0\nexit')

const insns = encode(assemble('r0 = 0\nexit').insns)
const valid = { prog_type: PROG_TYPE.socket_filter, insns, insn_cnt: 2, license: cstring('GPL') }

describe('BPF_PROG_LOAD', () => {
  const buffer = () => new Uint8Array(1000)
  const cases: [what: string, attr: AttrIn<'prog_load'>, errno: number][] = [
    ['a type that does not exist', { prog_type: 99 }, EINVAL],
    ['type 0', { prog_type: 0 }, EINVAL],
    ['instructions that are not there', { insns: new Uint8Array() }, EFAULT],
    ['no instructions', { insn_cnt: 0 }, E2BIG],
    ['too many instructions', { insn_cnt: 1_000_001 }, E2BIG],
    ['a flag that does not exist', { prog_flags: 1 << 20 }, EINVAL],
    ['a name with a dash', { prog_name: 'a-b' }, EINVAL],
    ['a name without room for its NUL', { prog_name: 'abcdefghijklmnop' }, EINVAL],
    ['a log size without a buffer', { log_level: 1, log_size: 100 }, EINVAL],
    ['a log buffer without a size', { log_level: 1, log_buf: buffer() }, EINVAL],
    ['a log buffer at level 0', { log_buf: buffer(), log_size: 1000 }, EINVAL],
    ['an unknown log level', { log_level: 16, log_buf: buffer(), log_size: 1000 }, EINVAL],
    ['a log that does not fit', { log_level: 1, log_buf: new Uint8Array(5), log_size: 5 }, ENOSPC],
    ['sk_lookup without its attach type', { prog_type: PROG_TYPE.sk_lookup }, EINVAL],
    ['cgroup_sock_addr without its attach type', { prog_type: PROG_TYPE.cgroup_sock_addr }, EINVAL],
    ['a kprobe with a BTF target', { prog_type: PROG_TYPE.kprobe, attach_btf_id: 5 }, EINVAL],
    ['a syscall program with an attach type', { prog_type: PROG_TYPE.syscall, expected_attach_type: 1 }, EINVAL],
    [
      'function records without BTF',
      { prog_btf_fd: 999, func_info: new Uint8Array(8), func_info_cnt: 1, func_info_rec_size: 8 },
      EBADF,
    ],
    [
      'a map for BTF',
      { prog_btf_fd: map, func_info: new Uint8Array(8), func_info_cnt: 1, func_info_rec_size: 8 },
      EINVAL,
    ],
  ]
  test.each(cases)('%s', (_what, attr, errno) => {
    expect(host.bpf(task, 'prog_load', { ...valid, ...attr })).toBe(-errno)
  })

  test('the log keeps its end, or its beginning when it is fixed', () => {
    const tail = new Uint8Array(5)
    host.bpf(task, 'prog_load', { ...valid, log_level: 1, log_buf: tail, log_size: 5 })
    expect(String.fromCharCode(...tail)).toBe('ted\n\0')
    const head = new Uint8Array(5)
    const attr: AttrIn<'prog_load'> = { ...valid, log_level: 1 | 8, log_buf: head, log_size: 5 }
    host.bpf(task, 'prog_load', attr)
    expect(String.fromCharCode(...head)).toBe('trus\0')
    expect(attr.log_true_size).toBe('trusted\n'.length + 1)
  })
})

describe('BPF_PROG_TEST_RUN', () => {
  const packet = (size: number) => ({ data_in: new Uint8Array(size).fill(0xff), data_size_in: size })
  const runs: [type: keyof typeof PROG_TYPE, what: string, attr: AttrIn<'prog_test_run'>, result: number][] = [
    ['kprobe', 'has none', {}, -ENOTSUPP],
    ['tracepoint', 'has none', {}, -ENOTSUPP],
    ['socket_filter', 'no packet', {}, -EINVAL],
    ['socket_filter', '13 bytes', packet(13), -EINVAL],
    ['socket_filter', '14 bytes', packet(14), 0],
    ['socket_filter', '5000 bytes', packet(5000), -EINVAL],
    ['socket_filter', 'little room', { ...packet(64), data_out: new Uint8Array(10), data_size_out: 10 }, -ENOSPC],
    ['socket_filter', 'a CPU', { ...packet(64), cpu: 1 }, -EINVAL],
    ['socket_filter', 'a context without size', { ...packet(64), ctx_in: new Uint8Array(8) }, -EINVAL],
    ['sched_cls', '14 bytes', packet(14), 0],
    ['xdp', 'no packet', {}, -EINVAL],
    ['xdp', '13 bytes', packet(13), -EINVAL],
    ['xdp', '64 bytes', { ...packet(64), data_out: new Uint8Array(100), data_size_out: 100 }, 0],
    ['xdp', 'flags', { ...packet(64), flags: 1 }, -EINVAL],
    ['raw_tracepoint', 'nothing', {}, 0],
    ['raw_tracepoint', 'one argument', { ctx_in: new Uint8Array(8), ctx_size_in: 8 }, 0],
    ['raw_tracepoint', '13 arguments', { ctx_in: new Uint8Array(104), ctx_size_in: 104 }, -EINVAL],
    ['raw_tracepoint', 'a packet', packet(14), -EINVAL],
    ['raw_tracepoint', 'repeat', { repeat: 1 }, -EINVAL],
    ['raw_tracepoint', 'a CPU without the flag', { cpu: 1 }, -EINVAL],
    ['raw_tracepoint', 'a CPU', { flags: 1, cpu: 1 }, 0],
    ['raw_tracepoint', 'no such CPU', { flags: 1, cpu: 99 }, -ENXIO],
    ['syscall', 'a context', { ctx_in: new Uint8Array(16), ctx_size_in: 16 }, 0],
    ['syscall', 'too much context', { ctx_in: new Uint8Array(65536), ctx_size_in: 65536 }, -EINVAL],
    ['syscall', 'repeat', { repeat: 1 }, -EINVAL],
  ]
  test.each(runs)('%s: %s', (type, _what, attr, result) => {
    const prog_fd = r.load(type, 'r0 = 7\nexit')
    const given = { prog_fd, ...attr }
    expect(host.bpf(task, 'prog_test_run', given)).toBe(result)
    if (result === 0) expect(given).toMatchObject({ retval: 7 })
    if (attr.data_in && (result === 0 || result === -ENOSPC)) expect(given.data_size_out).toBe(attr.data_size_in)
  })
})

test('objects of the wrong kind, ids and descriptors that are not there', () => {
  expect(host.bpf(task, 'obj_get_info_by_fd', { bpf_fd: 999 })).toBe(-EBADFD)
  expect(host.bpf(task, 'prog_test_run', { prog_fd: 999 })).toBe(-EBADF)
  expect(host.bpf(task, 'prog_test_run', { prog_fd: map })).toBe(-EINVAL)
  expect(host.bpf(task, 'prog_get_next_id', { start_id: 0xffffffff })).toBe(-EINVAL)
  expect(host.bpf(task, 'prog_get_fd_by_id', { id: 0 })).toBe(-ENOENT)
  expect(host.bpf(task, 'map_get_fd_by_id', { id: 1, open_flags: 0x18 })).toBe(-EINVAL)
  expect(host.bpf(task, 'enable_stats', { type: 5 })).toBe(-EINVAL)
  expect(host.bpf(task, 'link_update', { link_fd: 999 })).toBe(-EBADF)
  expect(host.bpf(task, 'link_detach', { link_fd: 999 })).toBe(-EBADF)
  expect(host.bpf(task, 'link_detach', { link_fd: socket })).toBe(-EINVAL)
  expect(host.bpf(task, 'link_create', { prog_fd: 999 })).toBe(-EBADF)
  expect(host.bpf(task, 'link_create', { prog_fd: map })).toBe(-EINVAL)
  expect(host.bpf(task, 'link_create', { prog_fd: socket, attach_type: ATTACH_TYPE.perf_event })).toBe(-EINVAL)
  expect(host.bpf(task, 'prog_bind_map', { prog_fd: 999, map_fd: map })).toBe(-EBADF)
  expect(host.bpf(task, 'prog_bind_map', { prog_fd: socket, map_fd: map, flags: 1 })).toBe(-EINVAL)
  expect(host.bpf(task, 'prog_bind_map', { prog_fd: socket, map_fd: map })).toBe(0)
  const raw = r.load('raw_tracepoint', 'r0 = 0\nexit')
  expect(host.bpf(task, 'raw_tracepoint_open', { prog_fd: raw })).toBe(-EFAULT)
  expect(host.bpf(task, 'raw_tracepoint_open', { prog_fd: 999 })).toBe(-EBADF)
  expect(host.bpf(task, 'raw_tracepoint_open', { prog_fd: socket })).toBe(-EINVAL)
  expect(host.bpf(task, 'raw_tracepoint_open', { prog_fd: raw, name: cstring('no_such_tp') })).toBe(-ENOENT)
  expect(host.bpf(task, 'btf_load', {})).toBe(-EINVAL)
  expect(host.bpf(task, 'btf_load', { btf: new Uint8Array(32).fill(0x78), btf_size: 32 })).toBe(-EINVAL)
  expect(host.bpf(task, 'btf_load', { btf: new Uint8Array(32), btf_size: 1 << 25 })).toBe(-E2BIG)
})

test('what the kernel says of a program and a map', () => {
  const counts = host.bpf(task, 'map_create', {
    map_type: MAP_TYPE.hash,
    key_size: 4,
    value_size: 16,
    max_entries: 10,
    map_name: 'counts',
  })
  const prog = r.load('xdp', 'r1 = map[counts]\nr0 = 2\nexit', { counts }, { prog_name: 'drop' })
  const ids = new Uint8Array(8)
  const info = host.info(task, prog, 'prog', { map_ids: ids, nr_map_ids: 2 })
  const mapInfo = host.info(task, counts, 'map')
  if (typeof info === 'number' || typeof mapInfo === 'number') throw new Error('no info')
  expect(info).toMatchObject({ type: PROG_TYPE.xdp, name: 'drop', nr_map_ids: 1, gpl_compatible: 1, run_cnt: 0n })
  expect(mapInfo).toMatchObject({ type: MAP_TYPE.hash, name: 'counts', key_size: 4, value_size: 16, max_entries: 10 })
  expect(new Uint32Array(ids.buffer)[0]).toBe(mapInfo.id)
  expect(host.bpf(task, 'prog_get_fd_by_id', { id: info.id })).toBeGreaterThan(0)
})

test('programs and maps live as long as something refers to them', () => {
  const q = rig('trust')
  const counts = q.host.bpf(q.task, 'map_create', {
    map_type: MAP_TYPE.array,
    key_size: 4,
    value_size: 8,
    max_entries: 1,
  })
  const used = q.kernel.alloc.usedBytes
  const prog = q.load('xdp', 'r1 = map[counts]\nr0 = 2\nexit', { counts })
  q.host.close(q.task, counts)
  const next = { start_id: 0, next_id: 0 }
  expect(q.host.bpf(q.task, 'map_get_next_id', next)).toBe(0)
  q.host.close(q.task, prog)
  expect(q.host.bpf(q.task, 'map_get_next_id', next)).toBe(-ENOENT)
  expect(q.host.bpf(q.task, 'prog_get_next_id', { start_id: 0 })).toBe(-ENOENT)
  expect(q.kernel.alloc.usedBytes).toBeLessThan(used)
})
