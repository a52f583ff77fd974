// Test runs over a packet: struct sk_buff and struct xdp_buff in kernel memory as the network stack would pass them on, built from
// the caller's bytes, which start with an Ethernet header. Partly there: a context that is passed in (mark, priority, metadata …)
// must be all zeros, and none is given back.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import type { BpfHost } from '../host.ts'
import type { BpfProg } from '../objects/prog.ts'
import { copyFromUser, copyToUser } from '../uapi/codec.ts'
import { type RunAttr, repeatRun } from './repeat-run.ts'

const ETH_HLEN = 14
/** NET_SKB_PAD + NET_IP_ALIGN */
const SKB_HEADROOM = 64
const XDP_HEADROOM = 256

/** Types that see the Ethernet header. */
const L2_TYPES: ReadonlySet<number> = new Set([PROG_TYPE.sched_cls, PROG_TYPE.sched_act])

/** The packet into kernel memory, `headroom` bytes into a page; its offset or a negative errno. */
function packetIn(host: BpfHost, attr: RunAttr, headroom: number, tailroom: number): number {
  if (attr.data_size_in < ETH_HLEN || attr.data_size_in > PAGE_SIZE - headroom - tailroom) return -ERRNO.EINVAL
  const bytes = copyFromUser(attr.data_in, 0, attr.data_size_in)
  if (!bytes) return -ERRNO.EFAULT
  const page = host.kernel.alloc.allocPages(1)
  host.kernel.mem.u8.set(bytes, page + headroom)
  return page + headroom
}

/** bpf_test_finish(): the packet as it is now, cut to the caller's room (-ENOSPC), and its whole size. */
function packetOut(host: BpfHost, attr: RunAttr, data: number, size: number): number {
  const room = attr.data_size_out
  attr.data_size_out = size
  if (!attr.data_out) return 0
  const fits = room === 0 || room >= size
  const copied = host.kernel.mem.bytes(data, fits ? size : room)
  if (!copyToUser(attr.data_out, 0, copied)) return -ERRNO.EFAULT
  return fits ? 0 : -ERRNO.ENOSPC
}

/** A context passed in may preset nothing here: anything but zeros is refused. */
const isZero = (attr: RunAttr): boolean =>
  attr.ctx_size_in === 0 || copyFromUser(attr.ctx_in, 0, attr.ctx_size_in)?.every((byte) => byte === 0) === true

export function testRunSkb(host: BpfHost, prog: BpfProg, attr: RunAttr): number {
  if (attr.flags || attr.cpu || attr.batch_size) return -ERRNO.EINVAL
  if (!isZero(attr)) return -ERRNO.EINVAL
  const { kernel } = host
  const { mem, alloc, layouts } = kernel
  const tailroom = layouts.sizeOf('skb_shared_info')
  const packet = packetIn(host, attr, SKB_HEADROOM, tailroom)
  if (packet < 0) return packet
  const head = packet - SKB_HEADROOM
  const o = layouts.bind('sk_buff', SKB_FIELDS)
  const skb = alloc.alloc(layouts.sizeOf('sk_buff'))
  const isL2 = L2_TYPES.has(prog.type)
  const pulled = isL2 ? 0 : ETH_HLEN
  mem.writePtr(skb + o.head, head)
  mem.writePtr(skb + o.data, packet + pulled)
  mem.dv.setUint32(skb + o.len, attr.data_size_in - pulled, true)
  mem.dv.setUint32(skb + o.tail, SKB_HEADROOM + attr.data_size_in, true)
  mem.dv.setUint32(skb + o.end, PAGE_SIZE - tailroom, true)
  mem.dv.setUint16(skb + o.mac, SKB_HEADROOM, true)
  mem.dv.setUint16(skb + o.network, SKB_HEADROOM + ETH_HLEN, true)
  mem.u8.copyWithin(skb + o.protocol, packet + 12, packet + 14)
  // bpf_compute_data_pointers(): packet end and metadata stand in the control block.
  const cb = layouts.bind('bpf_skb_data_end', { meta: 'data_meta', end: 'data_end' })
  mem.writePtr(skb + o.cb + cb.meta, packet + pulled)
  mem.writePtr(skb + o.cb + cb.end, packet + attr.data_size_in)

  attr.retval = repeatRun(host, prog, skb, attr) >>> 0
  const data = mem.readPtr(skb + o.data) - pulled
  const result = packetOut(host, attr, data, mem.dv.getUint32(skb + o.len, true) + pulled)
  alloc.free(skb)
  alloc.freePages(head)
  return result
}

const SKB_FIELDS = {
  head: 'head',
  data: 'data',
  len: 'len',
  tail: 'tail',
  end: 'end',
  mac: 'mac_header',
  network: 'network_header',
  protocol: 'protocol',
  cb: 'cb',
}

export function testRunXdp(host: BpfHost, prog: BpfProg, attr: RunAttr): number {
  if (attr.flags || attr.cpu || attr.batch_size) return -ERRNO.EINVAL
  if (!isZero(attr)) return -ERRNO.EINVAL
  const { kernel } = host
  const { mem, alloc, layouts } = kernel
  const packet = packetIn(host, attr, XDP_HEADROOM, layouts.sizeOf('skb_shared_info'))
  if (packet < 0) return packet
  const head = packet - XDP_HEADROOM
  const o = layouts.bind('xdp_buff', XDP_FIELDS)
  const rxqFields = layouts.bind('xdp_rxq_info', { dev: 'dev', queue: 'queue_index' })
  const xdp = alloc.alloc(layouts.sizeOf('xdp_buff'))
  const rxq = alloc.alloc(layouts.sizeOf('xdp_rxq_info'))
  const device = alloc.alloc(layouts.sizeOf('net_device'))
  const ifindex = layouts.field('net_device', 'ifindex')?.offset ?? -1
  if (ifindex >= 0) mem.dv.setInt32(device + ifindex, 1, true)
  mem.writePtr(rxq + rxqFields.dev, device)
  mem.writePtr(xdp + o.start, head)
  mem.writePtr(xdp + o.data, packet)
  mem.writePtr(xdp + o.meta, packet)
  mem.writePtr(xdp + o.end, packet + attr.data_size_in)
  mem.writePtr(xdp + o.rxq, rxq)
  if (o.frame >= 0) mem.dv.setUint32(xdp + o.frame, PAGE_SIZE, true)

  attr.retval = repeatRun(host, prog, xdp, attr) >>> 0
  const data = mem.readPtr(xdp + o.data)
  const result = packetOut(host, attr, data, mem.readPtr(xdp + o.end) - data)
  for (const at of [xdp, rxq, device]) alloc.free(at)
  alloc.freePages(head)
  return result
}

const XDP_FIELDS = {
  start: 'data_hard_start',
  data: 'data',
  meta: 'data_meta',
  end: 'data_end',
  rxq: 'rxq',
  frame: 'frame_sz',
}
