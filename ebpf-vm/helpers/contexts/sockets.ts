// struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock: what pointers to sockets show of them.

import type { ContextField } from '../../../base/facts.ts'
import { long, member, word, words } from './fields.ts'

const sk = (path: string) => ({ convert: member('sock', path) })

/** Fields that all kinds of sockets have. */
const common: readonly ContextField[] = [
  word('bound_dev_if', 0, sk('__sk_common.skc_bound_dev_if')),
  word('family', 4, sk('__sk_common.skc_family')),
  word('src_ip4', 24, sk('__sk_common.skc_rcv_saddr')),
  ...words('src_ip6', 28, 4),
  word('src_port', 44, sk('__sk_common.skc_num')),
  {
    name: 'dst_port',
    offset: 48,
    size: 2,
    read: [2],
    narrow: true,
    value: 'scalar',
    ...sk('__sk_common.skc_dport'),
  },
  word('dst_ip4', 52, sk('__sk_common.skc_daddr')),
  ...words('dst_ip6', 56, 4),
  word('state', 72, sk('__sk_common.skc_state')),
]

export const BPF_SOCK: readonly ContextField[] = [
  ...common,
  word('type', 8, sk('sk_type')),
  word('protocol', 12, sk('sk_protocol')),
  word('mark', 16, sk('sk_mark')),
  word('priority', 20, sk('sk_priority')),
  word('rx_queue_mapping', 76, sk('__sk_common.skc_rx_queue_mapping')),
]

const tcp = (path: string) => ({ convert: member('tcp_sock', path) })

export const SOCKET_FIELDS: Readonly<
  Record<'bpf_sock' | 'sock_common' | 'bpf_tcp_sock' | 'bpf_xdp_sock', readonly ContextField[]>
> = {
  bpf_sock: BPF_SOCK,
  sock_common: [
    ...common.slice(1),
    word('bound_dev_if', 0, { read: false }),
    word('type', 8),
    word('protocol', 12),
    word('mark', 16),
    word('priority', 20),
  ],
  bpf_tcp_sock: [
    word('snd_cwnd', 0, tcp('snd_cwnd')),
    word('srtt_us', 4, tcp('srtt_us')),
    word('rtt_min', 8),
    word('snd_ssthresh', 12, tcp('snd_ssthresh')),
    word('rcv_nxt', 16, tcp('rcv_nxt')),
    word('snd_nxt', 20, tcp('snd_nxt')),
    word('snd_una', 24, tcp('snd_una')),
    word('mss_cache', 28, tcp('mss_cache')),
    word('ecn_flags', 32, tcp('ecn_flags')),
    word('rate_delivered', 36, tcp('rate_delivered')),
    word('rate_interval_us', 40, tcp('rate_interval_us')),
    word('packets_out', 44, tcp('packets_out')),
    word('retrans_out', 48, tcp('retrans_out')),
    word('total_retrans', 52, tcp('total_retrans')),
    word('segs_in', 56, tcp('segs_in')),
    word('data_segs_in', 60, tcp('data_segs_in')),
    word('segs_out', 64, tcp('segs_out')),
    word('data_segs_out', 68, tcp('data_segs_out')),
    word('lost_out', 72, tcp('lost_out')),
    word('sacked_out', 76, tcp('sacked_out')),
    long('bytes_received', 80, tcp('bytes_received')),
    long('bytes_acked', 88, tcp('bytes_acked')),
    word('dsack_dups', 96, tcp('dsack_dups')),
    word('delivered', 100, tcp('delivered')),
    word('delivered_ce', 104, tcp('delivered_ce')),
    word('icsk_retransmits', 108),
  ],
  bpf_xdp_sock: [word('queue_id', 0, { convert: member('xdp_sock', 'queue_id') })],
}
