// The tracepoints of include/trace/events/sock.h that the sockets modelled here announce.

import { event } from '../tracepoint.ts'

const AF_INET6 = 10

export const sockEvents = {
  inetSockSetState: event({
    system: 'sock',
    name: 'inet_sock_set_state',
    proto: 'const struct sock *sk, const int oldstate, const int newstate',
    fields: [
      'skaddr',
      'oldstate',
      'newstate',
      'sport',
      'dport',
      'family',
      'protocol',
      'saddr',
      'daddr',
      'saddr_v6',
      'daddr_v6',
    ],
    fill(w, f, sk: number, oldState: number, newState: number) {
      const { mem, k } = w
      const sock = k.net.layout
      w.ptr(f.skaddr, sk)
      w.s32(f.oldstate, oldState)
      w.s32(f.newstate, newState)
      // Ports in host order; the kernel keeps the remote one as it goes over the wire.
      const dport = mem.dv.getUint16(sk + sock.dport, false)
      const family = mem.dv.getUint16(sk + sock.family, true)
      w.s16(f.sport, mem.dv.getUint16(sk + sock.inet_sport, false))
      w.s16(f.dport, dport)
      w.s16(f.family, family)
      w.s16(f.protocol, mem.dv.getUint16(sk + sock.protocol, true))
      const source = mem.bytes(sk + sock.inet_saddr, 4)
      const destination = mem.bytes(sk + sock.daddr, 4)
      w.bytes(f.saddr, source)
      w.bytes(f.daddr, destination)
      // IPv4 addresses are shown mapped (::ffff:a.b.c.d).
      w.bytes(f.saddr_v6, family === AF_INET6 ? mem.bytes(sk + sock.v6_rcv_saddr, 16) : mapped(source))
      w.bytes(f.daddr_v6, family === AF_INET6 ? mem.bytes(sk + sock.v6_daddr, 16) : mapped(destination))
    },
  }),
} as const

function mapped(v4: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.fill(0xff, 10, 12)
  bytes.set(v4, 12)
  return bytes
}
