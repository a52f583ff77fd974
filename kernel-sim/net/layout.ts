// Where the active kernel keeps the members of its socket structs that are written here. -1 is what that version lacks.

import type { Layouts } from '../../base/layouts.ts'

// biome-ignore format: a table reads better dense
const SOCK = {
  daddr: '__sk_common.skc_daddr', rcv_saddr: '__sk_common.skc_rcv_saddr', dport: '__sk_common.skc_dport', num: '__sk_common.skc_num',
  family: '__sk_common.skc_family', state: '__sk_common.skc_state', prot: '__sk_common.skc_prot', net: '__sk_common.skc_net',
  bound_dev_if: '__sk_common.skc_bound_dev_if', v6_daddr: '__sk_common.skc_v6_daddr', v6_rcv_saddr: '__sk_common.skc_v6_rcv_saddr',
  cookie: '__sk_common.skc_cookie', refcnt: '__sk_common.skc_refcnt', socket: 'sk_socket', type: 'sk_type', protocol: 'sk_protocol',
  rcvbuf: 'sk_rcvbuf', sndbuf: 'sk_sndbuf', err: 'sk_err', shutdown: 'sk_shutdown', ack_backlog: 'sk_ack_backlog',
  max_ack_backlog: 'sk_max_ack_backlog', uid: 'sk_uid', qlen: 'sk_receive_queue.qlen', priority: 'sk_priority', mark: 'sk_mark',
} as const

export type NetLayout = ReturnType<typeof netLayout>

export function netLayout(layouts: Layouts) {
  const reuse = layouts.field('sock', '__sk_common.skc_reuse')
  return {
    ...layouts.bind('sock', SOCK),
    ...layouts.bind('inet_sock', { inet_saddr: 'inet_saddr', inet_sport: 'inet_sport' }),
    ...layouts.bind('tcp_sock', {
      bytes_acked: 'bytes_acked',
      bytes_received: 'bytes_received',
      bytes_sent: 'bytes_sent',
      srtt_us: 'srtt_us',
      mss_cache: 'mss_cache',
      snd_cwnd: 'snd_cwnd',
    }),
    ...layouts.bind('unix_sock', { unix_addr: 'addr', unix_peer: 'peer' }),
    sock: layouts.bind('socket', {
      state: 'state',
      type: 'type',
      flags: 'flags',
      file: 'file',
      sk: 'sk',
      ops: 'ops',
    }),
    msghdr: layouts.bind('msghdr', { name: 'msg_name', namelen: 'msg_namelen', iter: 'msg_iter', flags: 'msg_flags' }),
    /** Byte and first bit of the bitfields skc_reuse (4 bits) and skc_reuseport behind it. */
    reuse: { at: (reuse?.offset ?? 0) + ((reuse?.bitOffset ?? 0) >> 3), bit: (reuse?.bitOffset ?? 0) & 7 },
    bytes: {
      socket: layouts.sizeOf('socket'),
      tcp: layouts.sizeOf('tcp_sock'),
      tcp6: layouts.sizeOf('tcp6_sock'),
      udp: layouts.sizeOf('udp_sock'),
      udp6: layouts.sizeOf('udp6_sock'),
      unix: layouts.sizeOf('unix_sock'),
      msghdr: layouts.sizeOf('msghdr'),
      proto: layouts.sizeOf('proto'),
    },
  } as const
}
