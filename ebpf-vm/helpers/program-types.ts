// Every program type: its context, the helpers and kfuncs it may call, what it may return. Exhaustive over PROG_TYPE.

import type { ContextTable, HelperGroup, KfuncHook, ProgramTypeFacts } from '../../base/facts.ts'
import { ATTACH_TYPE, PROG_TYPE, type ProgTypeName } from '../uapi.ts'
import {
  CGROUP_DEVICE,
  CGROUP_SOCK,
  PERF_EVENT_DATA,
  SK_LOOKUP,
  SK_MSG,
  SK_REUSEPORT,
  SOCK_ADDR,
  SOCK_OPS,
  SOCKOPT,
  SYSCTL,
  XDP_MD,
} from './contexts/others.ts'
import { SKB_CGROUP, SKB_FLOW_DISSECTOR, SKB_LWT, SKB_SK_SKB, SKB_SOCKET_FILTER, SKB_TC } from './contexts/skb.ts'

type Row = Omit<ProgramTypeFacts, 'type' | 'name'>

const row = (context: ContextTable, kfuncs: KfuncHook, helpers: HelperGroup[], more: Partial<Row> = {}): Row => ({
  context,
  kfuncs,
  helpers,
  ...more,
})

const BOOLEAN = { default: { min: 0, max: 1 } } as const
const ZERO_OR_ONE = BOOLEAN
const one = { min: 1, max: 1 } as const
const AT = ATTACH_TYPE

const RAW_ARGS: ContextTable = { kind: 'raw_args', size: 96, writable: false }
const PT_REGS: ContextTable = { kind: 'bytes', name: 'pt_regs', size: 168 }
const TRACE_RECORD: ContextTable = { kind: 'bytes', name: 'trace_record', size: 8192 }
const BTF_ARGS: ContextTable = { kind: 'btf_args' }

const ROWS: Record<ProgTypeName, Row> = {
  unspec: row({ kind: 'none' }, 'common', []),
  socket_filter: row(SKB_SOCKET_FILTER, 'socket_filter', ['socket_filter', 'skb_common'], { skbLoads: true }),
  kprobe: row(PT_REGS, 'kprobe', ['kprobe', 'tracing'], { sleepable: true }),
  sched_cls: row(SKB_TC, 'tc', ['tc', 'skb_common', 'net_current'], { packet: 'write', skbLoads: true }),
  sched_act: row(SKB_TC, 'sched_act', ['tc', 'skb_common', 'net_current'], { packet: 'write', skbLoads: true }),
  tracepoint: row(TRACE_RECORD, 'tracing', ['tracepoint', 'tracing']),
  xdp: row(XDP_MD, 'xdp', ['xdp'], { packet: 'write' }),
  perf_event: row(PERF_EVENT_DATA, 'tracing', ['perf_event', 'tracing']),
  cgroup_skb: row(SKB_CGROUP, 'cgroup', ['cgroup_skb', 'skb_common', 'cgroup_common'], {
    packet: 'read',
    skbLoads: true,
    returns: { ...BOOLEAN, [AT.cgroup_inet_egress]: { min: 0, max: 3 } },
  }),
  cgroup_sock: row(CGROUP_SOCK, 'cgroup', ['cgroup_sock', 'cgroup_common'], { returns: BOOLEAN }),
  lwt_in: row(SKB_LWT, 'lwt', ['lwt_in', 'lwt', 'skb_common'], { packet: 'read' }),
  lwt_out: row(SKB_LWT, 'lwt', ['lwt', 'skb_common'], { packet: 'read' }),
  lwt_xmit: row(SKB_LWT, 'lwt', ['lwt_xmit', 'lwt', 'skb_common'], { packet: 'write' }),
  sock_ops: row(SOCK_OPS, 'common', ['sock_ops'], { returns: BOOLEAN }),
  sk_skb: row(SKB_SK_SKB, 'sk_skb', ['sk_skb', 'skb_common'], { packet: 'write' }),
  cgroup_device: row(CGROUP_DEVICE, 'cgroup', ['cgroup_device', 'cgroup_common'], { returns: BOOLEAN }),
  sk_msg: row(SK_MSG, 'common', ['sk_msg', 'net_current'], { packet: 'write' }),
  raw_tracepoint: row(RAW_ARGS, 'tracing', ['raw_tp', 'tracing']),
  cgroup_sock_addr: row(SOCK_ADDR, 'cgroup', ['cgroup_sock_addr', 'cgroup_common'], {
    returns: {
      ...BOOLEAN,
      [AT.cgroup_udp4_recvmsg]: one,
      [AT.cgroup_udp6_recvmsg]: one,
      [AT.cgroup_unix_recvmsg]: one,
      [AT.cgroup_inet4_getpeername]: one,
      [AT.cgroup_inet6_getpeername]: one,
      [AT.cgroup_unix_getpeername]: one,
      [AT.cgroup_inet4_getsockname]: one,
      [AT.cgroup_inet6_getsockname]: one,
      [AT.cgroup_unix_getsockname]: one,
      [AT.cgroup_inet4_bind]: { min: 0, max: 3 },
      [AT.cgroup_inet6_bind]: { min: 0, max: 3 },
    },
  }),
  lwt_seg6local: row(SKB_LWT, 'lwt', ['lwt_seg6local', 'lwt', 'skb_common'], { packet: 'read' }),
  lirc_mode2: row({ kind: 'bytes', name: 'lirc_mode2', size: 4 }, 'common', ['lirc']),
  sk_reuseport: row(SK_REUSEPORT, 'socket_filter', ['sk_reuseport']),
  flow_dissector: row(SKB_FLOW_DISSECTOR, 'common', ['flow_dissector'], { packet: 'read' }),
  cgroup_sysctl: row(SYSCTL, 'cgroup', ['cgroup_sysctl', 'cgroup_common'], { returns: ZERO_OR_ONE }),
  raw_tracepoint_writable: row({ kind: 'raw_args', size: 96, writable: true }, 'tracing', ['raw_tp', 'tracing']),
  cgroup_sockopt: row(SOCKOPT, 'cgroup', ['cgroup_sockopt', 'cgroup_common'], {
    packet: 'write',
    returns: BOOLEAN,
  }),
  tracing: row(BTF_ARGS, 'tracing', ['tracing_prog', 'raw_tp', 'iter', 'tracing'], { sleepable: true }),
  struct_ops: row(BTF_ARGS, 'struct_ops', ['struct_ops'], { sleepable: true }),
  ext: row({ kind: 'none' }, 'common', []),
  lsm: row(BTF_ARGS, 'tracing', ['lsm', 'tracing_prog', 'raw_tp', 'tracing'], { sleepable: true }),
  sk_lookup: row(SK_LOOKUP, 'common', ['sk_lookup'], { returns: BOOLEAN }),
  syscall: row({ kind: 'bytes', name: 'syscall', size: 65536 }, 'syscall', ['syscall', 'tracing'], { sleepable: true }),
  netfilter: row(BTF_ARGS, 'netfilter', [], { packet: 'read', returns: BOOLEAN }),
}

/** Program types by number. */
export const PROGRAM_TYPES: ReadonlyMap<number, ProgramTypeFacts> = new Map(
  (Object.keys(ROWS) as ProgTypeName[])
    .filter((name) => name !== 'unspec')
    .map((name) => [PROG_TYPE[name], { type: PROG_TYPE[name], name, ...ROWS[name] }]),
)
