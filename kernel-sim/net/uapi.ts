// Numbers of the socket interface (uapi socket.h, in.h, tcp.h, net.h).

export const AF = { unspec: 0, unix: 1, inet: 2, inet6: 10, netlink: 16 } as const
export const SOCK = {
  stream: 1,
  dgram: 2,
  raw: 3,
  seqpacket: 5,
  typeMask: 0xf,
  nonblock: 0o4000,
  cloexec: 0o2000000,
} as const
export const IPPROTO = { ip: 0, tcp: 6, udp: 17, ipv6: 41 } as const
export const SOL = { socket: 1, ip: 0, tcp: 6, udp: 17, ipv6: 41 } as const
// biome-ignore format: a table reads better dense
export const SO = {
  debug: 1, reuseaddr: 2, type: 3, error: 4, dontroute: 5, broadcast: 6, sndbuf: 7, rcvbuf: 8, keepalive: 9, oobinline: 10, priority: 12,
  linger: 13, reuseport: 15, passcred: 16, peercred: 17, rcvlowat: 18, sndlowat: 19, rcvtimeo: 20, sndtimeo: 21, acceptconn: 30,
  mark: 36, protocol: 38, domain: 39, rcvbufforce: 33, sndbufforce: 32, timestamp: 29, bindtodevice: 25, incomingCpu: 49, cookie: 57,
} as const
export const TCP = {
  nodelay: 1,
  maxseg: 2,
  cork: 3,
  keepidle: 4,
  keepintvl: 5,
  keepcnt: 6,
  deferAccept: 9,
  info: 11,
  quickack: 12,
  congestion: 13,
  fastopen: 23,
} as const
// biome-ignore format: a table reads better dense
export const MSG = {
  oob: 1, peek: 2, dontroute: 4, ctrunc: 8, trunc: 0x20, dontwait: 0x40, eor: 0x80, waitall: 0x100, errqueue: 0x2000, nosignal: 0x4000,
  more: 0x8000, cmsgCloexec: 0x40000000,
} as const
export const SHUT = { rd: 0, wr: 1, rdwr: 2 } as const
/** sk_shutdown */
export const SHUTDOWN = { rcv: 1, send: 2, mask: 3 } as const
/** socket.state */
export const SS = { free: 0, unconnected: 1, connecting: 2, connected: 3, disconnecting: 4 } as const
/** sk_state of TCP, used for other protocols too. */
// biome-ignore format: a table reads better dense
export const STATE = {
  established: 1, synSent: 2, synRecv: 3, finWait1: 4, finWait2: 5, timeWait: 6, close: 7, closeWait: 8, lastAck: 9, listen: 10,
  closing: 11,
} as const
export const SOMAXCONN = 4096
export const SCM_RIGHTS = 1
