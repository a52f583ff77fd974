// struct __sk_buff as each program type sees it.

import type { ContextField, ContextTable } from '../../../base/facts.ts'
import { chain, long, member, packetPtr, pointer, word, words } from './fields.ts'

export const SK_BUFF_SIZE = 192

const skb = (path: string, more = {}) => ({ convert: member('sk_buff', path, more) })
const sock = (path: string) => ({ convert: chain(['sk_buff', 'sk'], ['sock', path]) })

/** All fields, read-only. Each program type drops what it may not read and opens what it may write. */
const ALL: readonly ContextField[] = [
  word('len', 0, skb('len')),
  word('pkt_type', 4, skb('pkt_type')),
  word('mark', 8, skb('mark')),
  word('queue_mapping', 12, skb('queue_mapping')),
  word('protocol', 16, skb('protocol')),
  word('vlan_present', 20, skb('vlan_all', { special: 'nonzero' })),
  word('vlan_tci', 24, skb('vlan_tci')),
  word('vlan_proto', 28, skb('vlan_proto')),
  word('priority', 32, skb('priority')),
  word('ingress_ifindex', 36, skb('skb_iif')),
  word('ifindex', 40, { convert: chain(['sk_buff', 'dev'], ['net_device', 'ifindex']) }),
  word('tc_index', 44, skb('tc_index')),
  ...Array.from(
    { length: 5 },
    (_, i): ContextField => ({
      name: `cb[${i}]`,
      offset: 48 + 4 * i,
      size: 4,
      read: [1, 2, 4],
      value: 'scalar',
      convert: member('sk_buff', 'cb', { offset: 8 + 4 * i, size: 4 }),
    }),
  ),
  word('hash', 68, skb('hash')),
  word('tc_classid', 72, { convert: member('sk_buff', 'cb', { offset: 2, size: 2 }) }),
  packetPtr('data', 76, 'packet', member('sk_buff', 'data')),
  packetPtr('data_end', 80, 'packet_end', member('sk_buff', 'cb', { offset: 40, size: 8 })),
  word('napi_id', 84, skb('napi_id')),
  word('family', 88, sock('__sk_common.skc_family')),
  word('remote_ip4', 92, sock('__sk_common.skc_daddr')),
  word('local_ip4', 96, sock('__sk_common.skc_rcv_saddr')),
  ...words('remote_ip6', 100, 4),
  ...words('local_ip6', 116, 4),
  word('remote_port', 132, sock('__sk_common.skc_dport')),
  word('local_port', 136, sock('__sk_common.skc_num')),
  packetPtr('data_meta', 140, 'packet_meta', member('sk_buff', 'cb', { offset: 32, size: 8 })),
  pointer('flow_keys', 144, 'flow_keys'),
  { ...long('tstamp', 152, skb('tstamp')), narrow: true },
  word('wire_len', 160, { convert: member('sk_buff', 'cb', { offset: 8, size: 4 }) }),
  word('gso_segs', 164, { convert: member('sk_buff', 'head', { special: 'shinfo' }) }),
  pointer('sk', 168, 'sock_common_or_null', { convert: member('sk_buff', 'sk') }),
  word('gso_size', 176, { convert: member('sk_buff', 'head', { special: 'shinfo' }) }),
  word('tstamp_type', 180, { size: 1, read: [1], narrow: false, ...skb('tstamp_type') } as Partial<ContextField>),
  { ...long('hwtstamp', 184), narrow: false },
]

/** Cut parts of a 32-byte control block may be accessed as 64-bit words too. */
const CB: ContextField = { name: 'cb', offset: 48, size: 20, read: [8], value: 'scalar', write: [8] }

interface View {
  /** Fields that must not be read. */
  readonly hidden: readonly string[]
  readonly writable?: Readonly<Record<string, readonly number[]>>
}

export function skbContext({ hidden, writable = {} }: View): ContextTable {
  const isHidden = (name: string): boolean => hidden.includes(name) || hidden.includes(name.replace(/\[.*/, ''))
  const fields: ContextField[] = []
  for (const field of ALL) {
    if (isHidden(field.name)) continue
    const write = writable[field.name.replace(/\[.*/, '')]
    fields.push(write ? { ...field, write } : field)
  }
  if (!isHidden('cb')) fields.push(writable['cb'] ? CB : { ...CB, write: [] })
  return { kind: 'fields', name: '__sk_buff', real: 'sk_buff', size: SK_BUFF_SIZE, fields }
}

const SOCK_FIELDS = [
  'family',
  'remote_ip4',
  'local_ip4',
  'remote_ip6',
  'local_ip6',
  'remote_port',
  'local_port',
] as const
const CB_SIZES = [1, 2, 4] as const

export const SKB_SOCKET_FILTER = skbContext({
  hidden: [
    'tc_classid',
    'data',
    'data_end',
    'data_meta',
    'flow_keys',
    'tstamp',
    'wire_len',
    'hwtstamp',
    'tstamp_type',
    ...SOCK_FIELDS,
  ],
  writable: { cb: CB_SIZES },
})
export const SKB_TC = skbContext({
  hidden: ['flow_keys', ...SOCK_FIELDS],
  writable: {
    mark: [4],
    tc_index: [4],
    priority: [4],
    tc_classid: [4],
    cb: CB_SIZES,
    tstamp: [8],
    queue_mapping: [4],
  },
})
export const SKB_CGROUP = skbContext({
  hidden: ['tc_classid', 'data_meta', 'flow_keys', 'wire_len'],
  writable: { mark: [4], priority: [4], cb: CB_SIZES, tstamp: [8] },
})
export const SKB_LWT = skbContext({
  hidden: ['tc_classid', 'data_meta', 'flow_keys', 'tstamp', 'wire_len', 'hwtstamp', 'tstamp_type', ...SOCK_FIELDS],
  writable: { mark: [4], priority: [4], cb: CB_SIZES },
})
export const SKB_SK_SKB = skbContext({
  hidden: ['tc_classid', 'data_meta', 'flow_keys', 'mark', 'tstamp', 'wire_len', 'hwtstamp', 'tstamp_type'],
  writable: { tc_index: [4], priority: [4] },
})
export const SKB_FLOW_DISSECTOR: ContextTable = {
  kind: 'fields',
  name: '__sk_buff',
  real: 'bpf_flow_dissector',
  size: SK_BUFF_SIZE,
  fields: [
    packetPtr('data', 76, 'packet', member('bpf_flow_dissector', 'data')),
    packetPtr('data_end', 80, 'packet_end', member('bpf_flow_dissector', 'data_end')),
    pointer('flow_keys', 144, 'flow_keys', { convert: member('bpf_flow_dissector', 'flow_keys') }),
  ],
}
