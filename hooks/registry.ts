// Every way a program can be attached through BPF_LINK_CREATE or BPF_RAW_TRACEPOINT_OPEN, one record each. What attaches through
// perf events instead (ioctl) goes by the event's source, which `perf_event` here shares.

import { ERRNO } from '../base/errno.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../ebpf-vm/uapi.ts'
import { attachKprobeMulti } from './attach/kprobe-multi.ts'
import { attachPerfEvent } from './attach/perf-event.ts'
import { attachRawTracepoint } from './attach/raw-tracepoint.ts'
import { attachTracing } from './attach/tracing.ts'
import type { BpfHost } from './host.ts'
import type { LinkTarget } from './objects/link.ts'
import type { BpfProg } from './objects/prog.ts'
import type { Attr } from './uapi/bpf-attr.ts'

export interface AttachType {
  /** As in SEC(): `fentry`, `tp_btf`, `kprobe.multi` … */
  readonly name: string
  readonly progTypes: readonly number[]
  /** enum bpf_attach_type of BPF_LINK_CREATE */
  readonly attachType: number
  /** The program must have been loaded for this attach type. */
  readonly expected?: true
  /** What differs from Linux. */
  readonly partial?: string
  link(host: BpfHost, prog: BpfProg, attr: Attr<'link_create'>): LinkTarget | number
}

const tracing = (name: string, attachType: number): AttachType => ({
  name,
  progTypes: [PROG_TYPE.tracing],
  attachType,
  expected: true,
  link: (host, prog, attr) => attachTracing(host, prog, attr.tracing.cookie),
})

export const ATTACH_TYPES: readonly AttachType[] = [
  {
    name: 'tp_btf',
    progTypes: [PROG_TYPE.tracing],
    attachType: ATTACH_TYPE.trace_raw_tp,
    expected: true,
    link: (host, prog, attr) => attachTpBtf(host, prog, attr.tracing.cookie),
  },
  tracing('fentry', ATTACH_TYPE.trace_fentry),
  tracing('fexit', ATTACH_TYPE.trace_fexit),
  tracing('fmod_ret', ATTACH_TYPE.modify_return),
  {
    name: 'perf_event',
    progTypes: [PROG_TYPE.perf_event, PROG_TYPE.tracepoint, PROG_TYPE.kprobe],
    attachType: ATTACH_TYPE.perf_event,
    partial: 'tracepoints and kprobes at function entries; no uprobes, no sampling (perf_event programs)',
    link: attachPerfEvent,
  },
  {
    name: 'kprobe.multi',
    progTypes: [PROG_TYPE.kprobe],
    attachType: ATTACH_TYPE.trace_kprobe_multi,
    expected: true,
    partial: 'no sessions; a task of the simulation gives addresses, not names',
    link: (host, prog, attr) => attachKprobeMulti(host, prog, attr.kprobe_multi),
  },
]

/** The target of BPF_LINK_CREATE, attached; or -EINVAL for what does not go together. */
export function attach(host: BpfHost, prog: BpfProg, attr: Attr<'link_create'>): LinkTarget | number {
  const type = ATTACH_TYPES.find(
    (one) => one.attachType === attr.attach_type && (one.progTypes as readonly number[]).includes(prog.type),
  )
  if (!type || (type.expected && prog.expectedAttachType !== type.attachType)) return -ERRNO.EINVAL
  if (attr.flags !== 0) return -ERRNO.EINVAL
  // A program loaded for many functions attaches in no other way.
  const isMulti = prog.type === PROG_TYPE.kprobe && prog.expectedAttachType === ATTACH_TYPE.trace_kprobe_multi
  if (isMulti && attr.attach_type !== ATTACH_TYPE.trace_kprobe_multi) return -ERRNO.EINVAL
  return type.link(host, prog, attr)
}

/** tp_btf: the tracepoint is the one that the program was loaded for, `btf_trace_NAME` in vmlinux BTF. */
function attachTpBtf(host: BpfHost, prog: BpfProg, cookie: bigint): LinkTarget | number {
  const type = prog.attachBtf?.btf.type(prog.verified.attachBtfId)
  if (type?.kind !== 'typedef' || !type.name.startsWith('btf_trace_')) return -ERRNO.EINVAL
  return attachRawTracepoint(host, prog, type.name.slice('btf_trace_'.length), cookie)
}

/** What BPF_RAW_TRACEPOINT_OPEN attaches: raw tracepoints by name, tracing programs (without one) to what they were loaded for. */
export function attachOpened(
  host: BpfHost,
  prog: BpfProg,
  name: string | undefined,
  cookie: bigint,
): LinkTarget | number {
  switch (prog.type) {
    case PROG_TYPE.tracing:
      if (name !== undefined) return -ERRNO.EINVAL
      return prog.expectedAttachType === ATTACH_TYPE.trace_raw_tp
        ? attachTpBtf(host, prog, cookie)
        : attachTracing(host, prog, cookie)
    case PROG_TYPE.raw_tracepoint:
    case PROG_TYPE.raw_tracepoint_writable:
      return name === undefined ? -ERRNO.EFAULT : attachRawTracepoint(host, prog, name, cookie)
    default:
      return -ERRNO.EINVAL
  }
}
