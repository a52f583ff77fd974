// What the name in SEC("...") means: libbpf's table of section definitions (libbpf 1.5, its README "Program Types"). Every reader of
// section names - object reader, loader, `bpfsim list` - asks this one table.
//
// A pattern that ends in '+' matches itself and itself followed by '/' and extras; any other pattern matches exactly. The first
// definition that matches wins, so a longer name stands before its prefix. A leading '?' in an object means: not loaded by default.
// The table is whole; which methods attach in this version is said in loader/attach.ts, which types load by the verifier's facts.

import { ATTACH_TYPE, type AttachTypeName, PROG_TYPE, type ProgTypeName } from '../../ebpf-vm/uapi.ts'

/** How a program attaches by itself when the loader is asked to attach everything; see attach.ts. */
export type AttachMethod =
  | 'kprobe'
  | 'ksyscall'
  | 'tracepoint'
  | 'raw_tracepoint'
  | 'trace'
  | 'kprobe_multi'
  | 'kprobe_session'
  | 'uprobe'
  | 'uprobe_multi'
  | 'usdt'
  | 'lsm'
  | 'iter'

export interface SectionDefinition {
  readonly pattern: string
  readonly progType: ProgTypeName
  /** expected_attach_type; undefined is 0. */
  readonly attachType: AttachTypeName | undefined
  /** Undefined: libbpf has no way to attach it by name alone. */
  readonly attach: AttachMethod | undefined
  /** The target is a BTF id, found when loading by what stands behind the '/'. */
  readonly attachBtf: boolean
  /** BPF_F_SLEEPABLE */
  readonly sleepable: boolean
  /** BPF_F_XDP_HAS_FRAGS */
  readonly xdpFrags: boolean
}

interface Options {
  readonly attach?: AttachMethod
  readonly btf?: true
  readonly sleepable?: true
  readonly frags?: true
}

type Row = readonly [pattern: string, type: ProgTypeName, attachType?: AttachTypeName | undefined, options?: Options]

// biome-ignore format: one definition a line
const ROWS: readonly Row[] = [
  ['socket', 'socket_filter'],
  ['sk_reuseport/migrate', 'sk_reuseport', 'sk_reuseport_select_or_migrate'],
  ['sk_reuseport', 'sk_reuseport', 'sk_reuseport_select'],
  ['kprobe+', 'kprobe', undefined, { attach: 'kprobe' }],
  ['uprobe+', 'kprobe', undefined, { attach: 'uprobe' }],
  ['uprobe.s+', 'kprobe', undefined, { attach: 'uprobe', sleepable: true }],
  ['kretprobe+', 'kprobe', undefined, { attach: 'kprobe' }],
  ['uretprobe+', 'kprobe', undefined, { attach: 'uprobe' }],
  ['uretprobe.s+', 'kprobe', undefined, { attach: 'uprobe', sleepable: true }],
  ['kprobe.multi+', 'kprobe', 'trace_kprobe_multi', { attach: 'kprobe_multi' }],
  ['kretprobe.multi+', 'kprobe', 'trace_kprobe_multi', { attach: 'kprobe_multi' }],
  ['kprobe.session+', 'kprobe', 'trace_kprobe_session', { attach: 'kprobe_session' }],
  ['uprobe.multi+', 'kprobe', 'trace_uprobe_multi', { attach: 'uprobe_multi' }],
  ['uretprobe.multi+', 'kprobe', 'trace_uprobe_multi', { attach: 'uprobe_multi' }],
  ['uprobe.multi.s+', 'kprobe', 'trace_uprobe_multi', { attach: 'uprobe_multi', sleepable: true }],
  ['uretprobe.multi.s+', 'kprobe', 'trace_uprobe_multi', { attach: 'uprobe_multi', sleepable: true }],
  ['ksyscall+', 'kprobe', undefined, { attach: 'ksyscall' }],
  ['kretsyscall+', 'kprobe', undefined, { attach: 'ksyscall' }],
  ['usdt+', 'kprobe', undefined, { attach: 'usdt' }],
  ['usdt.s+', 'kprobe', undefined, { attach: 'usdt', sleepable: true }],
  ['tc/ingress', 'sched_cls', 'tcx_ingress'],
  ['tc/egress', 'sched_cls', 'tcx_egress'],
  ['tcx/ingress', 'sched_cls', 'tcx_ingress'],
  ['tcx/egress', 'sched_cls', 'tcx_egress'],
  ['tc', 'sched_cls'],
  ['classifier', 'sched_cls'],
  ['action', 'sched_act'],
  ['netkit/primary', 'sched_cls', 'netkit_primary'],
  ['netkit/peer', 'sched_cls', 'netkit_peer'],
  ['tracepoint+', 'tracepoint', undefined, { attach: 'tracepoint' }],
  ['tp+', 'tracepoint', undefined, { attach: 'tracepoint' }],
  ['raw_tracepoint+', 'raw_tracepoint', undefined, { attach: 'raw_tracepoint' }],
  ['raw_tp+', 'raw_tracepoint', undefined, { attach: 'raw_tracepoint' }],
  ['raw_tracepoint.w+', 'raw_tracepoint_writable', undefined, { attach: 'raw_tracepoint' }],
  ['raw_tp.w+', 'raw_tracepoint_writable', undefined, { attach: 'raw_tracepoint' }],
  ['tp_btf+', 'tracing', 'trace_raw_tp', { attach: 'trace', btf: true }],
  ['fentry+', 'tracing', 'trace_fentry', { attach: 'trace', btf: true }],
  ['fmod_ret+', 'tracing', 'modify_return', { attach: 'trace', btf: true }],
  ['fexit+', 'tracing', 'trace_fexit', { attach: 'trace', btf: true }],
  ['fentry.s+', 'tracing', 'trace_fentry', { attach: 'trace', btf: true, sleepable: true }],
  ['fmod_ret.s+', 'tracing', 'modify_return', { attach: 'trace', btf: true, sleepable: true }],
  ['fexit.s+', 'tracing', 'trace_fexit', { attach: 'trace', btf: true, sleepable: true }],
  ['freplace+', 'ext', undefined, { attach: 'trace', btf: true }],
  ['lsm+', 'lsm', 'lsm_mac', { attach: 'lsm', btf: true }],
  ['lsm.s+', 'lsm', 'lsm_mac', { attach: 'lsm', btf: true, sleepable: true }],
  ['lsm_cgroup+', 'lsm', 'lsm_cgroup', { btf: true }],
  ['iter+', 'tracing', 'trace_iter', { attach: 'iter', btf: true }],
  ['iter.s+', 'tracing', 'trace_iter', { attach: 'iter', btf: true, sleepable: true }],
  ['syscall', 'syscall', undefined, { sleepable: true }],
  ['xdp.frags/devmap', 'xdp', 'xdp_devmap', { frags: true }],
  ['xdp/devmap', 'xdp', 'xdp_devmap'],
  ['xdp.frags/cpumap', 'xdp', 'xdp_cpumap', { frags: true }],
  ['xdp/cpumap', 'xdp', 'xdp_cpumap'],
  ['xdp.frags', 'xdp', 'xdp', { frags: true }],
  ['xdp', 'xdp', 'xdp'],
  ['perf_event', 'perf_event'],
  ['lwt_in', 'lwt_in'],
  ['lwt_out', 'lwt_out'],
  ['lwt_xmit', 'lwt_xmit'],
  ['lwt_seg6local', 'lwt_seg6local'],
  ['sockops', 'sock_ops', 'cgroup_sock_ops'],
  ['sk_skb/stream_parser', 'sk_skb', 'sk_skb_stream_parser'],
  ['sk_skb/stream_verdict', 'sk_skb', 'sk_skb_stream_verdict'],
  ['sk_skb/verdict', 'sk_skb', 'sk_skb_verdict'],
  ['sk_skb', 'sk_skb'],
  ['sk_msg', 'sk_msg', 'sk_msg_verdict'],
  ['lirc_mode2', 'lirc_mode2', 'lirc_mode2'],
  ['flow_dissector', 'flow_dissector', 'flow_dissector'],
  ['cgroup_skb/ingress', 'cgroup_skb', 'cgroup_inet_ingress'],
  ['cgroup_skb/egress', 'cgroup_skb', 'cgroup_inet_egress'],
  ['cgroup/skb', 'cgroup_skb'],
  ['cgroup/sock_create', 'cgroup_sock', 'cgroup_inet_sock_create'],
  ['cgroup/sock_release', 'cgroup_sock', 'cgroup_inet_sock_release'],
  ['cgroup/sock', 'cgroup_sock', 'cgroup_inet_sock_create'],
  ['cgroup/post_bind4', 'cgroup_sock', 'cgroup_inet4_post_bind'],
  ['cgroup/post_bind6', 'cgroup_sock', 'cgroup_inet6_post_bind'],
  ['cgroup/bind4', 'cgroup_sock_addr', 'cgroup_inet4_bind'],
  ['cgroup/bind6', 'cgroup_sock_addr', 'cgroup_inet6_bind'],
  ['cgroup/connect4', 'cgroup_sock_addr', 'cgroup_inet4_connect'],
  ['cgroup/connect6', 'cgroup_sock_addr', 'cgroup_inet6_connect'],
  ['cgroup/connect_unix', 'cgroup_sock_addr', 'cgroup_unix_connect'],
  ['cgroup/sendmsg4', 'cgroup_sock_addr', 'cgroup_udp4_sendmsg'],
  ['cgroup/sendmsg6', 'cgroup_sock_addr', 'cgroup_udp6_sendmsg'],
  ['cgroup/sendmsg_unix', 'cgroup_sock_addr', 'cgroup_unix_sendmsg'],
  ['cgroup/recvmsg4', 'cgroup_sock_addr', 'cgroup_udp4_recvmsg'],
  ['cgroup/recvmsg6', 'cgroup_sock_addr', 'cgroup_udp6_recvmsg'],
  ['cgroup/recvmsg_unix', 'cgroup_sock_addr', 'cgroup_unix_recvmsg'],
  ['cgroup/getpeername4', 'cgroup_sock_addr', 'cgroup_inet4_getpeername'],
  ['cgroup/getpeername6', 'cgroup_sock_addr', 'cgroup_inet6_getpeername'],
  ['cgroup/getpeername_unix', 'cgroup_sock_addr', 'cgroup_unix_getpeername'],
  ['cgroup/getsockname4', 'cgroup_sock_addr', 'cgroup_inet4_getsockname'],
  ['cgroup/getsockname6', 'cgroup_sock_addr', 'cgroup_inet6_getsockname'],
  ['cgroup/getsockname_unix', 'cgroup_sock_addr', 'cgroup_unix_getsockname'],
  ['cgroup/sysctl', 'cgroup_sysctl', 'cgroup_sysctl'],
  ['cgroup/getsockopt', 'cgroup_sockopt', 'cgroup_getsockopt'],
  ['cgroup/setsockopt', 'cgroup_sockopt', 'cgroup_setsockopt'],
  ['cgroup/dev', 'cgroup_device', 'cgroup_device'],
  ['struct_ops+', 'struct_ops'],
  ['struct_ops.s+', 'struct_ops', undefined, { sleepable: true }],
  ['sk_lookup', 'sk_lookup', 'sk_lookup'],
  ['netfilter', 'netfilter', 'netfilter'],
]

export const SECTION_DEFINITIONS: readonly SectionDefinition[] = ROWS.map(([pattern, progType, attachType, o]) => ({
  pattern,
  progType,
  attachType,
  attach: o?.attach,
  attachBtf: o?.btf ?? false,
  sleepable: o?.sleepable ?? false,
  xdpFrags: o?.frags ?? false,
}))

/** The definition for a section name without its leading '?'; undefined where libbpf knows none. */
export function sectionDefinition(section: string): SectionDefinition | undefined {
  return SECTION_DEFINITIONS.find(({ pattern }) => {
    if (!pattern.endsWith('+')) return section === pattern
    const stem = pattern.slice(0, -1)
    return section === stem || section.startsWith(`${stem}/`)
  })
}

/** What stands behind the first '/', or '' where the section names no target. */
export function sectionTarget(section: string): string {
  const slash = section.indexOf('/')
  return slash < 0 ? '' : section.slice(slash + 1)
}

export const progTypeNumber = (definition: SectionDefinition | undefined): number =>
  definition ? PROG_TYPE[definition.progType] : PROG_TYPE.unspec

export const attachTypeNumber = (definition: SectionDefinition | undefined): number =>
  definition?.attachType ? ATTACH_TYPE[definition.attachType] : 0
