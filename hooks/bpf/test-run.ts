// BPF_PROG_TEST_RUN, with each program type's own rules (net/bpf/test_run.c): what may be passed in, what comes back, and the
// errno for anything else. `duration` is the mean virtual time of one run. Types without a test run are -ENOTSUPP, as kprobe and
// tracepoint programs are on Linux. Not there: fentry's (it calls functions that exist for tests only), sk_lookup, flow dissector,
// live XDP frames (BPF_F_TEST_XDP_LIVE_FRAMES).

import { ERRNO } from '../../base/errno.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { runContext } from '../attach/tracepoint.ts'
import { fileOf } from '../files.ts'
import type { BpfHost } from '../host.ts'
import type { BpfProg } from '../objects/prog.ts'
import { copyFromUser, copyToUser } from '../uapi/codec.ts'
import type { RunAttr } from './repeat-run.ts'
import { testRunSkb, testRunXdp } from './test-run-packet.ts'

type TestRun = (host: BpfHost, prog: BpfProg, attr: RunAttr) => number

const BY_TYPE: ReadonlyMap<number, TestRun> = new Map([
  [PROG_TYPE.socket_filter, testRunSkb],
  [PROG_TYPE.sched_cls, testRunSkb],
  [PROG_TYPE.sched_act, testRunSkb],
  [PROG_TYPE.cgroup_skb, testRunSkb],
  [PROG_TYPE.lwt_in, testRunSkb],
  [PROG_TYPE.lwt_out, testRunSkb],
  [PROG_TYPE.lwt_xmit, testRunSkb],
  [PROG_TYPE.xdp, testRunXdp],
  [PROG_TYPE.raw_tracepoint, testRunRawTracepoint],
  [PROG_TYPE.raw_tracepoint_writable, testRunRawTracepoint],
  [PROG_TYPE.syscall, testRunSyscall],
])

export function progTestRun(host: BpfHost, attr: RunAttr): number {
  if (!attr.ctx_size_in !== !attr.ctx_in || !attr.ctx_size_out !== !attr.ctx_out) return -ERRNO.EINVAL
  const file = fileOf(host.descriptors, attr.prog_fd, 'prog')
  if (typeof file === 'number') return file
  const testRun = BY_TYPE.get(file.object.type)
  return testRun ? testRun(host, file.object, attr) : -ERRNO.ENOTSUPP
}

/** BPF_F_TEST_RUN_ON_CPU */
const ON_CPU = 1
const MAX_ARGUMENTS = 12

/** Arguments come in as the context, nothing else; the program may run on a given CPU. */
function testRunRawTracepoint(host: BpfHost, prog: BpfProg, attr: RunAttr): number {
  if (attr.data_in || attr.data_out || attr.ctx_out || attr.duration || attr.repeat || attr.batch_size)
    return -ERRNO.EINVAL
  if (attr.ctx_size_in < prog.verified.maxCtxOffset || attr.ctx_size_in > MAX_ARGUMENTS * 8) return -ERRNO.EINVAL
  if ((attr.flags & ON_CPU) === 0 && attr.cpu !== 0) return -ERRNO.EINVAL
  const given = attr.ctx_size_in > 0 ? copyFromUser(attr.ctx_in, 0, attr.ctx_size_in) : new Uint8Array()
  if (!given) return -ERRNO.EFAULT
  const { kernel } = host
  const cpu = attr.flags & ON_CPU ? kernel.cpus[attr.cpu] : kernel.cpu
  if (!cpu) return -ERRNO.ENXIO
  const ctx = kernel.alloc.alloc(MAX_ARGUMENTS * 8)
  kernel.mem.u8.set(given, ctx)
  const here = kernel.cpu
  kernel.cpu = cpu
  attr.retval = host.runner.run(runContext(prog, 0n), ctx) >>> 0
  kernel.cpu = here
  kernel.alloc.free(ctx)
  return 0
}

/** The context is a buffer of the caller's that the program may write; it is copied back. */
function testRunSyscall(host: BpfHost, prog: BpfProg, attr: RunAttr): number {
  const { data_in, data_out, ctx_out, ctx_size_in: size } = attr
  if (data_in || data_out || ctx_out || attr.duration || attr.repeat || attr.flags || attr.batch_size)
    return -ERRNO.EINVAL
  if (size < prog.verified.maxCtxOffset || size > 0xffff) return -ERRNO.EINVAL
  const given = size > 0 ? copyFromUser(attr.ctx_in, 0, size) : new Uint8Array()
  if (!given) return -ERRNO.EFAULT
  const { kernel } = host
  const ctx = kernel.alloc.alloc(Math.max(size, 8))
  kernel.mem.u8.set(given, ctx)
  attr.retval = host.runner.run(runContext(prog, 0n), ctx) >>> 0
  const back = kernel.mem.bytes(ctx, size)
  kernel.alloc.free(ctx)
  return size === 0 || copyToUser(attr.ctx_in, 0, back) ? 0 : -ERRNO.EFAULT
}
