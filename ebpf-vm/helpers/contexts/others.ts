// Contexts of XDP, sockets, cgroups, perf events: user API structs that the verifier turns into loads of the kernel's own.

import type { ContextField, ContextTable } from '../../../base/facts.ts'
import { ATTACH_TYPE } from '../../uapi.ts'
import { chain, long, member, packetPtr, pointer, wholeWord, word, words, writable4 } from './fields.ts'
import { BPF_SOCK } from './sockets.ts'

const fields = (name: string, real: string, size: number, list: readonly ContextField[]): ContextTable => ({
  kind: 'fields',
  name,
  real,
  size,
  fields: list,
})

export const XDP_MD = fields('xdp_md', 'xdp_buff', 24, [
  packetPtr('data', 0, 'packet', member('xdp_buff', 'data')),
  packetPtr('data_end', 4, 'packet_end', member('xdp_buff', 'data_end')),
  packetPtr('data_meta', 8, 'packet_meta', member('xdp_buff', 'data_meta')),
  wholeWord('ingress_ifindex', 12, {
    convert: chain(['xdp_buff', 'rxq'], ['xdp_rxq_info', 'dev'], ['net_device', 'ifindex']),
  }),
  wholeWord('rx_queue_index', 16, { convert: chain(['xdp_buff', 'rxq'], ['xdp_rxq_info', 'queue_index']) }),
  wholeWord('egress_ifindex', 20, {
    attachTypes: [ATTACH_TYPE.xdp_devmap],
    convert: chain(['xdp_buff', 'txq'], ['xdp_txq_info', 'dev'], ['net_device', 'ifindex']),
  }),
])

/** bpf_perf_event_data: registers of the sample, its period and address. */
export const PERF_EVENT_DATA = fields('bpf_perf_event_data', 'bpf_perf_event_data_kern', 184, [
  ...Array.from(
    { length: 21 },
    (_, i): ContextField => ({
      name: `regs+${8 * i}`,
      offset: 8 * i,
      size: 8,
      read: [8],
      value: 'scalar',
      convert: { steps: [{ struct: 'bpf_perf_event_data_kern', path: 'regs' }], special: 'pt_regs', offset: 8 * i },
    }),
  ),
  {
    ...long('sample_period', 168),
    read: [1, 2, 4, 8],
    convert: chain(['bpf_perf_event_data_kern', 'data'], ['perf_sample_data', 'period']),
  },
  {
    ...long('addr', 176),
    read: [1, 2, 4, 8],
    convert: chain(['bpf_perf_event_data_kern', 'data'], ['perf_sample_data', 'addr']),
  },
])

const SOCK_CREATE = [ATTACH_TYPE.cgroup_inet_sock_create, ATTACH_TYPE.cgroup_inet_sock_release]
const POST_BIND4 = [ATTACH_TYPE.cgroup_inet4_post_bind]
const POST_BIND6 = [ATTACH_TYPE.cgroup_inet6_post_bind]

/** struct bpf_sock as the context of cgroup socket programs. */
export const CGROUP_SOCK = fields(
  'bpf_sock',
  'sock',
  80,
  BPF_SOCK.map((field): ContextField => {
    const { name } = field
    if (name === 'bound_dev_if' || name === 'mark' || name === 'priority')
      return { ...field, attachTypes: SOCK_CREATE, write: [4] }
    if (name === 'src_ip4') return { ...field, attachTypes: POST_BIND4 }
    if (name.startsWith('src_ip6')) return { ...field, attachTypes: POST_BIND6 }
    if (name === 'src_port') return { ...field, attachTypes: [...POST_BIND4, ...POST_BIND6] }
    return field
  }),
)

const kern = (path: string) => ({ convert: member('bpf_sk_lookup_kern', path) })
export const SK_LOOKUP = fields('bpf_sk_lookup', 'bpf_sk_lookup_kern', 72, [
  pointer('sk', 0, 'socket_or_null', { convert: member('bpf_sk_lookup_kern', 'selected_sk') }),
  word('family', 8, kern('family')),
  word('protocol', 12, kern('protocol')),
  word('remote_ip4', 16, kern('v4.saddr')),
  ...words('remote_ip6', 20, 4),
  { name: 'remote_port', offset: 36, size: 2, read: [2], narrow: true, value: 'scalar', ...kern('sport') },
  { name: 'remote_port', offset: 36, size: 4, read: [1, 2, 4], value: 'scalar', ...kern('sport') },
  word('local_ip4', 40, kern('v4.daddr')),
  ...words('local_ip6', 44, 4),
  word('local_port', 60, kern('dport')),
  word('ingress_ifindex', 64, kern('ingress_ifindex')),
])

const V4 = [
  ATTACH_TYPE.cgroup_inet4_bind,
  ATTACH_TYPE.cgroup_inet4_connect,
  ATTACH_TYPE.cgroup_inet4_getpeername,
  ATTACH_TYPE.cgroup_inet4_getsockname,
  ATTACH_TYPE.cgroup_udp4_sendmsg,
  ATTACH_TYPE.cgroup_udp4_recvmsg,
]
const V6 = [
  ATTACH_TYPE.cgroup_inet6_bind,
  ATTACH_TYPE.cgroup_inet6_connect,
  ATTACH_TYPE.cgroup_inet6_getpeername,
  ATTACH_TYPE.cgroup_inet6_getsockname,
  ATTACH_TYPE.cgroup_udp6_sendmsg,
  ATTACH_TYPE.cgroup_udp6_recvmsg,
]
export const SOCK_ADDR = fields('bpf_sock_addr', 'bpf_sock_addr_kern', 72, [
  word('user_family', 0),
  word('user_ip4', 4, { attachTypes: V4, write: [4] }),
  ...words('user_ip6', 8, 4, { attachTypes: V6, write: [4] }),
  { name: 'user_ip6', offset: 8, size: 16, read: [8], value: 'scalar', attachTypes: V6, write: [8] },
  word('user_port', 24, { write: [4] }),
  word('family', 28),
  word('type', 32),
  word('protocol', 36),
  word('msg_src_ip4', 40, { attachTypes: [ATTACH_TYPE.cgroup_udp4_sendmsg], write: [4] }),
  ...words('msg_src_ip6', 44, 4, { attachTypes: [ATTACH_TYPE.cgroup_udp6_sendmsg], write: [4] }),
  {
    name: 'msg_src_ip6',
    offset: 44,
    size: 16,
    read: [8],
    value: 'scalar',
    attachTypes: [ATTACH_TYPE.cgroup_udp6_sendmsg],
    write: [8],
  },
  pointer('sk', 64, 'socket', { convert: member('bpf_sock_addr_kern', 'sk') }),
])

const msg = (path: string) => ({ convert: member('sk_msg', path) })
export const SK_MSG = fields('sk_msg_md', 'sk_msg', 80, [
  pointer('data', 0, 'packet', { convert: member('sk_msg', 'data') }),
  pointer('data_end', 8, 'packet_end', { convert: member('sk_msg', 'data_end') }),
  wholeWord('family', 16),
  wholeWord('remote_ip4', 20),
  wholeWord('local_ip4', 24),
  ...words('remote_ip6', 28, 4, { narrow: false }),
  ...words('local_ip6', 44, 4, { narrow: false }),
  wholeWord('remote_port', 60),
  wholeWord('local_port', 64),
  wholeWord('size', 68, msg('sg.size')),
  pointer('sk', 72, 'socket', { convert: member('sk_msg', 'sk') }),
])

export const SOCK_OPS = fields('bpf_sock_ops', 'bpf_sock_ops_kern', 224, [
  word('op', 0, { convert: member('bpf_sock_ops_kern', 'op'), narrow: false }),
  ...words('reply', 4, 4, { write: [4], narrow: false, convert: member('bpf_sock_ops_kern', 'args') }),
  ...Array.from(
    { length: 36 },
    (_, i): ContextField => ({ ...wholeWord(`word${i}`, 20 + 4 * i), ...(i === 31 || i === 12 ? writable4 : {}) }),
  ),
  pointer('bytes_received', 168, 'scalar'),
  pointer('bytes_acked', 176, 'scalar'),
  pointer('sk', 184, 'socket_or_null'),
  pointer('skb_data', 192, 'packet'),
  pointer('skb_data_end', 200, 'packet_end'),
  wholeWord('skb_len', 208),
  wholeWord('skb_tcp_flags', 212),
  pointer('skb_hwtstamp', 216, 'scalar'),
])

export const CGROUP_DEVICE = fields('bpf_cgroup_dev_ctx', 'bpf_cgroup_dev_ctx', 12, [
  { ...word('access_type', 0), read: [1, 2, 4], convert: member('bpf_cgroup_dev_ctx', 'access_type') },
  word('major', 4, { convert: member('bpf_cgroup_dev_ctx', 'major'), narrow: false }),
  word('minor', 8, { convert: member('bpf_cgroup_dev_ctx', 'minor'), narrow: false }),
])

export const SYSCTL = fields('bpf_sysctl', 'bpf_sysctl_kern', 8, [
  word('write', 0, { convert: member('bpf_sysctl_kern', 'write') }),
  { ...word('file_pos', 4, { convert: chain(['bpf_sysctl_kern', 'ppos']) }), write: [1, 2, 4], read: [1, 2, 4] },
])

const SETSOCKOPT = [ATTACH_TYPE.cgroup_setsockopt]
const GETSOCKOPT = [ATTACH_TYPE.cgroup_getsockopt]
const opt = (path: string) => ({ convert: member('bpf_sockopt_kern', path) })
export const SOCKOPT = fields('bpf_sockopt', 'bpf_sockopt_kern', 40, [
  pointer('sk', 0, 'socket', opt('sk')),
  pointer('optval', 8, 'packet', opt('optval')),
  pointer('optval_end', 16, 'packet_end', opt('optval_end')),
  wholeWord('level', 24, { ...opt('level'), attachTypes: [...SETSOCKOPT, ...GETSOCKOPT] }),
  wholeWord('optname', 28, opt('optname')),
  wholeWord('optlen', 32, { ...opt('optlen'), write: [4] }),
  wholeWord('retval', 36, { ...opt('retval'), attachTypes: GETSOCKOPT, write: [4] }),
])

export const SK_REUSEPORT = fields('sk_reuseport_md', 'sk_reuseport_kern', 56, [
  pointer('data', 0, 'packet', { convert: member('sk_reuseport_kern', 'skb') }),
  pointer('data_end', 8, 'packet_end', { convert: member('sk_reuseport_kern', 'data_end') }),
  word('len', 16),
  word('eth_protocol', 20),
  word('ip_protocol', 24),
  word('bind_inany', 28),
  word('hash', 32, { convert: member('sk_reuseport_kern', 'hash'), narrow: false }),
  pointer('sk', 40, 'socket', { convert: member('sk_reuseport_kern', 'sk') }),
  pointer('migrating_sk', 48, 'sock_common_or_null', { convert: member('sk_reuseport_kern', 'migrating_sk') }),
])
