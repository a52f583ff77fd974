// AF_INET and AF_INET6 over loopback: TCP and UDP between sockets of this machine. A connection is made, and bytes arrive, within the
// call that causes them: there are no segments, no windows of congestion, no loss; receive and send buffers do fill up.
// Addresses that are not this machine's are unreachable.

import { ERRNO } from '../../base/errno.ts'
import type { File } from '../fs/file.ts'
import { POLL, type PollTable } from '../fs/file-ops.ts'
import { capable } from '../fs/permission.ts'
import { CAP, O } from '../fs/uapi.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import {
  ANY4,
  ANY6,
  familyOf,
  formatInet,
  type InetAddress,
  isAny,
  isLocal,
  LOOPBACK4,
  LOOPBACK6,
  parseInet,
} from './address.ts'
import type { Net } from './net.ts'
import { getSocketOption, intBytes, keepOption, keptOption, setSocketOption } from './options.ts'
import { type Message, type ProtoOps, Sock, type Socket } from './sock.ts'
import { AF, IPPROTO, MSG, SHUT, SHUTDOWN, SO, SOCK, SOL, SS, STATE, TCP } from './uapi.ts'

const SIGPIPE = 13
const FIRST_EPHEMERAL = 32768
const LAST_EPHEMERAL = 60999
const FIRST_UNPRIVILEGED = 1024
/** net.ipv4.tcp_rmem[1] and the send buffer that loopback's segment size makes of tcp_wmem. */
const TCP_RCVBUF = 131072
const TCP_SNDBUF = 2626560
const LOOPBACK_MSS = 65483
const INITIAL_CWND = 10
/** Smoothed round trip on loopback, in eighths of a microsecond. */
const LOOPBACK_SRTT = 30 * 8
const MAX_DATAGRAM = 65507

/** struct tcp_sock or udp_sock */
export class InetSock extends Sock {
  local: InetAddress
  remote: InetAddress | undefined
  peer: InetSock | undefined
  readonly pending: InetSock[] = []
  /** Closed by its process, alive only until the other end has closed too. */
  orphan = false
  gone = false

  constructor(net: Net, family: number, type: number, protocol: number, bytes: number, name: string) {
    super(net.vfs.k.mem, net.vfs.k.alloc, net.layout, bytes, net.what(family, type, protocol, name))
    this.local = { family, ip: family === AF.inet ? ANY4 : ANY6, port: 0 }
  }

  /** The handshake has begun and is not over. */
  get isConnecting(): boolean {
    return this.state === STATE.synSent
  }

  setLocal(address: InetAddress): void {
    this.local = address
    const { mem, layout, at } = this
    mem.dv.setUint16(at + layout.num, address.port, true)
    mem.dv.setUint16(at + layout.inet_sport, address.port, false)
    if (address.family === AF.inet) {
      mem.u8.set(address.ip, at + layout.rcv_saddr)
      mem.u8.set(address.ip, at + layout.inet_saddr)
    } else mem.u8.set(address.ip, at + layout.v6_rcv_saddr)
  }

  setRemote(address: InetAddress | undefined): void {
    this.remote = address
    const { mem, layout, at } = this
    mem.dv.setUint16(at + layout.dport, address?.port ?? 0, false)
    if (this.family === AF.inet) mem.u8.set(address?.ip ?? ANY4, at + layout.daddr)
    else mem.u8.set(address?.ip ?? ANY6, at + layout.v6_daddr)
  }

  count(field: 'bytes_acked' | 'bytes_received' | 'bytes_sent', bytes: number): void {
    if (this.layout[field] < 0) return
    const at = this.at + this.layout[field]
    this.mem.writeInt64(at, this.mem.readInt64(at) + bytes)
  }
}

const sockOf = (socket: Socket): InetSock => socket.sk as InetSock

export function declareInet(net: Net) {
  const { vfs, layout } = net
  const { k } = vfs
  const rng = k.rng('ports')
  /** Sockets by protocol and local port. */
  const ports = new Map<string, InetSock[]>()
  /** The next ephemeral ports to hand out; a replay knows them from its recording. */
  const nextPorts: number[] = []

  const setState = vfs.declare(
    'void tcp_set_state(struct sock *sk, int state)',
    (sk: InetSock, state: number): void => {
      const { trace } = k
      if (trace.inetSockSetState.armed) trace.inetSockSetState.emit(sk, sk.state, state)
      sk.storeState(state)
    },
  )
  /** The same for states that do not come from packets. */
  const storeState = vfs.declare(
    'void inet_sk_set_state(struct sock *sk, int state)',
    (sk: InetSock, state: number): void => {
      const { trace } = k
      if (trace.inetSockSetState.armed) trace.inetSockSetState.emit(sk, sk.state, state)
      sk.storeState(state)
    },
  )

  const newSock = (family: number, type: number): InetSock => {
    const isTcp = type === SOCK.stream
    const { bytes } = layout
    const is4 = family === AF.inet
    const size = isTcp
      ? is4
        ? bytes.tcp
        : Math.max(bytes.tcp6, bytes.tcp)
      : is4
        ? bytes.udp
        : Math.max(bytes.udp6, bytes.udp)
    const name = (isTcp ? 'TCP' : 'UDP') + (is4 ? '' : 'v6')
    const sk = new InetSock(net, family, type, isTcp ? IPPROTO.tcp : IPPROTO.udp, size, name)
    if (!isTcp) return sk
    sk.set('rcvbuf', TCP_RCVBUF)
    sk.set('sndbuf', 16384)
    k.mem.dv.setInt32(sk.at + layout.snd_cwnd, INITIAL_CWND, true)
    return sk
  }

  // Ports

  const key = (sk: InetSock, port: number): string => `${sk.protocol}:${port}`
  const onPort = (sk: InetSock, port: number): readonly InetSock[] => ports.get(key(sk, port)) ?? []
  const enter = (sk: InetSock): void => {
    const at = key(sk, sk.local.port)
    const list = ports.get(at)
    if (list) list.push(sk)
    else ports.set(at, [sk])
  }
  const leave = (sk: InetSock): void => {
    if (sk.local.port === 0) return
    const list = ports.get(key(sk, sk.local.port))
    const index = list?.indexOf(sk) ?? -1
    if (index >= 0) list!.splice(index, 1)
    if (list?.length === 0) ports.delete(key(sk, sk.local.port))
  }
  const overlaps = (a: Uint8Array, b: Uint8Array): boolean =>
    isAny(a) || isAny(b) || (a.length === b.length && a.every((byte, i) => byte === b[i]))
  /** Whether the socket may have the port: 0, or -EADDRINUSE. */
  const portFree = (sk: InetSock, ip: Uint8Array, port: number): number => {
    for (const other of onPort(sk, port)) {
      if (other === sk || !overlaps(other.local.ip, ip)) continue
      if (sk.reuse && other.reuse && other.state !== STATE.listen) continue
      if (sk.reuseport && other.reuseport) continue
      return -ERRNO.EADDRINUSE
    }
    return 0
  }
  /** A free port: odd ones for bind, even ones for connect, as Linux prefers. */
  const ephemeral = (sk: InetSock, ip: Uint8Array, odd: boolean): number => {
    const known = nextPorts.shift()
    if (known !== undefined && portFree(sk, ip, known) === 0) return known
    const span = (LAST_EPHEMERAL - FIRST_EPHEMERAL + 1) / 2
    const start = rng.between(0, span - 1)
    for (let i = 0; i < span; i++) {
      const port = FIRST_EPHEMERAL + ((start + i) % span) * 2 + (odd ? 1 : 0)
      if (onPort(sk, port).length === 0) return port
    }
    return -1
  }

  const bindTo = vfs.declare(
    'int __inet_bind(struct sock *sk, struct sockaddr *uaddr, int addr_len, u32 flags)',
    (sk: InetSock, _uaddr: number, _length: number, _flags: number, address: InetAddress): number => {
      if (!isLocal(address.ip)) return -ERRNO.EADDRNOTAVAIL
      if (address.port > 0 && address.port < FIRST_UNPRIVILEGED && !capable(k, CAP.netBindService)) return -ERRNO.EACCES
      if (sk.state !== STATE.close || sk.local.port !== 0) return -ERRNO.EINVAL
      const port = address.port === 0 ? ephemeral(sk, address.ip, true) : address.port
      if (port < 0 || portFree(sk, address.ip, port) < 0) return -ERRNO.EADDRINUSE
      sk.setLocal({ ...address, port })
      enter(sk)
      return 0
    },
  )
  const bindSk = vfs.declare(
    'int inet_bind_sk(struct sock *sk, struct sockaddr *uaddr, int addr_len)',
    (sk: InetSock, uaddr: number, length: number, address: InetAddress): number =>
      bindTo(sk, uaddr, length, 0, address),
  )
  /** sockaddr on the kernel stack, for probes that follow uaddr. */
  const inetBind = vfs.declare(
    'int inet_bind(struct socket *sock, struct sockaddr *uaddr, int addr_len)',
    (socket: Socket, uaddr: number, length: number, address: Uint8Array): number => {
      // AF_UNSPEC with the any address passes for AF_INET.
      const parsed =
        familyOf(address) === AF.unspec && address.length >= 16 && isAny(address.subarray(4, 8))
          ? unspec(address)
          : parseInet(address, AF.inet)
      return typeof parsed === 'number' ? parsed : bindSk(sockOf(socket), uaddr, length, parsed)
    },
  )
  const unspec = (address: Uint8Array): InetAddress | number => {
    const bytes = address.slice()
    bytes[0] = AF.inet
    return parseInet(bytes, AF.inet)
  }
  const inet6Bind = vfs.declare(
    'int inet6_bind(struct socket *sock, struct sockaddr *uaddr, int addr_len)',
    (socket: Socket, uaddr: number, length: number, address: Uint8Array): number => {
      const parsed = parseInet(address, AF.inet6)
      return typeof parsed === 'number' ? parsed : bindTo(sockOf(socket), uaddr, length, 0, parsed)
    },
  )
  const autobind = vfs.declare('int inet_autobind(struct sock *sk)', (sk: InetSock): number => {
    if (sk.local.port !== 0) return 0
    const port = ephemeral(sk, sk.local.ip, true)
    if (port < 0) return -ERRNO.EAGAIN
    sk.setLocal({ ...sk.local, port })
    enter(sk)
    return 0
  })

  // TCP: listening and connecting

  const listenStart = vfs.declare('int inet_csk_listen_start(struct sock *sk)', (sk: InetSock): number => {
    storeState(sk, STATE.listen)
    if (sk.local.port === 0) return autobind(sk)
    if (portFree(sk, sk.local.ip, sk.local.port) < 0) {
      storeState(sk, STATE.close)
      return -ERRNO.EADDRINUSE
    }
    return 0
  })
  const listenSk = vfs.declare(
    'int __inet_listen_sk(struct sock *sk, int backlog)',
    (sk: InetSock, backlog: number): number => {
      if (sk.state !== STATE.close && sk.state !== STATE.listen) return -ERRNO.EINVAL
      sk.set('max_ack_backlog', backlog)
      return sk.state === STATE.listen ? 0 : listenStart(sk)
    },
  )
  const listen = vfs.declare(
    'int inet_listen(struct socket *sock, int backlog)',
    (socket: Socket, backlog: number): number => {
      if (socket.state !== SS.unconnected || socket.type !== SOCK.stream) return -ERRNO.EINVAL
      return listenSk(sockOf(socket), backlog)
    },
  )

  const listenerFor = (sk: InetSock, to: InetAddress): InetSock | undefined =>
    onPort(sk, to.port).find(
      (other) => other.state === STATE.listen && overlaps(other.local.ip, to.ip) && reaches(other, to),
    )
  /** A v6 socket on :: takes v4 connections too, which this model does not cross. */
  const reaches = (other: InetSock, to: InetAddress): boolean => other.family === to.family

  /** The handshake, as the SYN's way over loopback and back completes it. */
  const establish = (sk: InetSock, listener: InetSock): void => {
    const server = newSock(sk.family, SOCK.stream)
    server.setLocal(sk.remote!)
    server.setRemote(sk.local)
    storeState(server, STATE.synRecv)
    server.peer = sk
    sk.peer = server
    enter(server)
    for (const one of [sk, server]) {
      one.set('sndbuf', TCP_SNDBUF)
      k.mem.dv.setInt32(one.at + layout.mss_cache, LOOPBACK_MSS, true)
      k.mem.dv.setInt32(one.at + layout.srtt_us, LOOPBACK_SRTT, true)
    }
    setState(sk, STATE.established)
    setState(server, STATE.established)

    listener.pending.push(server)
    listener.set('ack_backlog', listener.pending.length)
    sk.wait.wakeAll(POLL.out | POLL.wrnorm)
    listener.wait.wake(1, POLL.in | POLL.rdnorm)
  }
  const tcpConnect = vfs.declare('int tcp_connect(struct sock *sk)', (_sk: InetSock): number => 0)
  const connectBody = (sk: InetSock, to: InetAddress): number => {
    if (!isLocal(to.ip)) return -ERRNO.ENETUNREACH
    const is4 = to.family === AF.inet
    const ip = isAny(to.ip) ? (is4 ? LOOPBACK4 : LOOPBACK6) : to.ip
    const source = isAny(sk.local.ip) ? (is4 ? LOOPBACK4 : LOOPBACK6) : sk.local.ip
    sk.setRemote({ ...to, ip })
    setState(sk, STATE.synSent)
    if (sk.local.port === 0) {
      const port = ephemeral(sk, source, false)
      if (port < 0) {
        setState(sk, STATE.close)
        return -ERRNO.EADDRNOTAVAIL
      }
      sk.setLocal({ ...sk.local, ip: source, port })
      enter(sk)
    } else sk.setLocal({ ...sk.local, ip: source })
    return tcpConnect(sk)
  }
  const connect4 = vfs.declare(
    'int tcp_v4_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len)',
    (sk: InetSock, _uaddr: number, _length: number, to: InetAddress): number => connectBody(sk, to),
  )
  const connect6 = vfs.declare(
    'int tcp_v6_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len)',
    (sk: InetSock, _uaddr: number, _length: number, to: InetAddress): number => connectBody(sk, to),
  )
  /** What waits in the backlog of a socket that is connecting is processed when the call lets go of it (release_sock). */
  const settle = (sk: InetSock): void => {
    const listener = listenerFor(sk, sk.remote!)
    if (listener) {
      if (listener.pending.length <= listener.get('max_ack_backlog')) establish(sk, listener)
      return
    }
    sk.set('err', ERRNO.ECONNREFUSED)
    setState(sk, STATE.close)
    sk.wait.wakeAll(POLL.in | POLL.out | POLL.err | POLL.hup)
  }
  const afterHandshake = (socket: Socket, sk: InetSock): number => {
    const error = sk.takeError()
    if (error) {
      socket.state = SS.unconnected
      sk.setRemote(undefined)
      return error
    }
    socket.state = SS.connected
    return 0
  }
  function* handshakeLater(socket: Socket, sk: InetSock): Wait<number> {
    // The listener's queue is full: Linux sends its SYN again; here it is tried again when there is room.
    const listener = listenerFor(sk, sk.remote!)!
    const waited = vfs.wait(
      [listener.wait, sk.wait],
      () => listener.gone || listener.pending.length <= listener.get('max_ack_backlog'),
      {},
    )
    const result = isWait(waited) ? yield* waited : waited
    if (result < 0) return result
    settle(sk)
    return afterHandshake(socket, sk)
  }
  const streamConnectBody = vfs.leaf(
    'int __inet_stream_connect(struct socket *sock, struct sockaddr *uaddr, int addr_len, int flags, int is_sendmsg)',
    (
      socket: Socket,
      uaddr: number,
      length: number,
      flags: number,
      _isSendmsg: number,
      address: Uint8Array,
    ): MaybeWait<number> => {
      const sk = sockOf(socket)
      if (socket.state === SS.connected) return -ERRNO.EISCONN
      if (socket.state === SS.connecting) {
        if (sk.state === STATE.synSent) return -ERRNO.EALREADY
        return afterHandshake(socket, sk)
      }
      if (sk.state !== STATE.close) return -ERRNO.EISCONN
      const to = parseInet(address, sk.family)
      if (typeof to === 'number') return to
      const failed = sk.family === AF.inet ? connect4(sk, uaddr, length, to) : connect6(sk, uaddr, length, to)
      if (failed) return failed
      socket.state = SS.connecting
      if (flags & O.nonblock) {
        settle(sk)
        return -ERRNO.EINPROGRESS
      }
      settle(sk)
      return sk.isConnecting ? handshakeLater(socket, sk) : afterHandshake(socket, sk)
    },
  )
  const streamConnect = vfs.declare(
    'int inet_stream_connect(struct socket *sock, struct sockaddr *uaddr, int addr_len, int flags)',
    (socket: Socket, uaddr: number, length: number, flags: number, address: Uint8Array): MaybeWait<number> =>
      streamConnectBody(socket, uaddr, length, flags, 0, address),
  )

  const takePending = (sk: InetSock): number => {
    const server = sk.pending.shift()!
    sk.set('ack_backlog', sk.pending.length)
    sk.accepted = server
    return server.at
  }
  function* acceptLater(sk: InetSock): Wait<number> {
    const waited = vfs.wait([sk.wait], () => sk.pending.length > 0 || sk.state !== STATE.listen, { exclusive: true })
    const result = isWait(waited) ? yield* waited : waited
    if (result < 0) return result
    return sk.pending.length > 0 ? takePending(sk) : -ERRNO.EINVAL
  }
  const cskAccept = vfs.declare(
    vfs.isLegacy
      ? 'struct sock *inet_csk_accept(struct sock *sk, int flags, int *err, bool kern)'
      : 'struct sock *inet_csk_accept(struct sock *sk, struct proto_accept_arg *arg)',
    (sk: InetSock, arg: number, flags: number): MaybeWait<number> => {
      void arg
      if (sk.state !== STATE.listen) return -ERRNO.EINVAL
      if (sk.pending.length > 0) return takePending(sk)
      return flags & O.nonblock ? -ERRNO.EAGAIN : acceptLater(sk)
    },
  )
  const graft = (socket: Socket, fresh: Socket, result: number): number => {
    if (result < 0) return result
    fresh.setSock(sockOf(socket).accepted!)
    fresh.state = SS.connected
    return 0
  }
  function* graftLater(socket: Socket, fresh: Socket, wait: Wait<number>): Wait<number> {
    return graft(socket, fresh, yield* wait)
  }
  const accept = vfs.declare(
    `int inet_accept(struct socket *sock, struct socket *newsock, ${net.acceptParams})`,
    (socket: Socket, fresh: Socket, arg: number, flags: number): MaybeWait<number> => {
      if (socket.type !== SOCK.stream) return -ERRNO.EOPNOTSUPP
      const result = cskAccept(sockOf(socket), vfs.isLegacy ? flags : arg, flags)
      return isWait(result) ? graftLater(socket, fresh, result) : graft(socket, fresh, result)
    },
  )

  // TCP: bytes

  const brokenPipe = (flags: number): number => {
    if (!(flags & MSG.nosignal)) vfs.host.signal(SIGPIPE)
    return -ERRNO.EPIPE
  }
  /** Why nothing can be sent: negative errno, 0 when it can. */
  const sendError = (sk: InetSock, flags: number): number => {
    const error = sk.takeError()
    if (error) return error
    if (sk.shutdown & SHUTDOWN.send) return brokenPipe(flags)
    if (sk.state === STATE.established || sk.state === STATE.closeWait) return 0
    return sk.state === STATE.synSent ? -ERRNO.EAGAIN : brokenPipe(flags)
  }
  const room = (sk: InetSock): number =>
    sk.peer ? Math.max(0, sk.peer.get('rcvbuf') + sk.get('sndbuf') - sk.peer.queuedBytes) : Number.MAX_SAFE_INTEGER
  const sendSome = (sk: InetSock, message: Message, left: number): number => {
    const { peer } = sk
    if (!peer || peer.orphan || peer.gone) {
      // Nobody reads any more: the answer is a reset, which the next call sees.
      const bytes = Math.min(left, message.iter.count)
      message.iter.copyFrom(new Uint8Array(bytes), 0, bytes)
      reset(sk, sk.state === STATE.closeWait ? ERRNO.EPIPE : ERRNO.ECONNRESET)
      return bytes
    }
    const part = Math.min(left, room(sk))
    if (left > 0 && part === 0) return 0
    const queued = peer.enqueue(message.iter, part, [])
    if (queued > 0) {
      sk.count('bytes_sent', queued)
      sk.count('bytes_acked', queued)
      peer.count('bytes_received', queued)
      peer.wait.wake(1, POLL.in | POLL.rdnorm)
    }
    return queued
  }
  function* sendLater(sk: InetSock, message: Message, size: number, sent: number): Wait<number> {
    while (sent < size) {
      const ready = () =>
        sk.get('err') !== 0 || (sk.shutdown & SHUTDOWN.send) !== 0 || (sk.state !== STATE.synSent && room(sk) > 0)
      const waited = vfs.wait([sk.wait], ready, net.timeout(sk, SO.sndtimeo))
      const result = isWait(waited) ? yield* waited : waited
      if (result < 0) return sent > 0 ? sent : result === -ERRNO.ETIME ? -ERRNO.EAGAIN : result
      const error = sendError(sk, message.flags)
      if (error) return sent > 0 ? sent : error
      const step = sendSome(sk, message, size - sent)
      if (step < 0) return sent > 0 ? sent : step
      sent += step
    }
    return sent
  }
  const sendLocked = vfs.leaf(
    'int tcp_sendmsg_locked(struct sock *sk, struct msghdr *msg, size_t size)',
    (sk: InetSock, message: Message, size: number): MaybeWait<number> => {
      const mayWait = !(message.flags & MSG.dontwait)
      if (sk.state === STATE.synSent && mayWait) return sendLater(sk, message, size, 0)
      const error = sendError(sk, message.flags)
      if (error) return error
      let sent = 0
      while (sent < size) {
        const step = sendSome(sk, message, size - sent)
        if (step < 0) return sent > 0 ? sent : step
        if (step === 0) {
          if (mayWait) return sendLater(sk, message, size, sent)
          return sent > 0 ? sent : -ERRNO.EAGAIN
        }
        sent += step
      }
      return sent
    },
  )
  const tcpSendmsg = vfs.declare(
    'int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size)',
    (sk: InetSock, message: Message, size: number): MaybeWait<number> => sendLocked(sk, message, size),
  )

  const cleanup = vfs.declare(
    'void tcp_cleanup_rbuf(struct sock *sk, int copied)',
    (sk: InetSock, copied: number): void => {
      if (copied > 0) sk.peer?.wait.wake(1, POLL.out | POLL.wrnorm)
    },
  )
  const receive = (sk: InetSock, message: Message, size: number, flags: number): number => {
    const moved = sk.dequeueStream(message.iter, size, (flags & MSG.peek) !== 0, [])
    cleanup(sk, flags & MSG.peek ? 0 : moved)
    return moved
  }
  const atEnd = (sk: InetSock): boolean =>
    (sk.shutdown & SHUTDOWN.rcv) !== 0 ||
    (sk.state !== STATE.established &&
      sk.state !== STATE.finWait1 &&
      sk.state !== STATE.finWait2 &&
      sk.state !== STATE.synSent)
  function* receiveLater(sk: InetSock, message: Message, size: number, flags: number, moved: number): Wait<number> {
    for (;;) {
      const waited = vfs.wait(
        [sk.wait],
        () => sk.chunks.length > 0 || sk.get('err') !== 0 || atEnd(sk),
        net.timeout(sk, SO.rcvtimeo),
      )
      const result = isWait(waited) ? yield* waited : waited
      if (result < 0) return moved > 0 ? moved : result === -ERRNO.ETIME ? -ERRNO.EAGAIN : result
      if (sk.chunks.length === 0) return moved > 0 ? moved : sk.takeError()
      const step = receive(sk, message, size - moved, flags)
      if (step < 0) return moved > 0 ? moved : step
      moved += step
      if (moved === size || !(flags & MSG.waitall)) return moved
    }
  }
  const receiveLocked = vfs.leaf(
    'int tcp_recvmsg_locked(struct sock *sk, struct msghdr *msg, size_t len, int flags, struct scm_timestamping_internal *tss, int *cmsg_flags)',
    (sk: InetSock, message: Message, size: number, flags: number): MaybeWait<number> => {
      if (sk.state === STATE.listen) return -ERRNO.ENOTCONN
      let moved = 0
      if (sk.chunks.length > 0) {
        moved = receive(sk, message, size, flags)
        if (moved < 0 || moved === size || !(flags & MSG.waitall)) return moved
      }
      if (moved === 0) {
        const error = sk.takeError()
        if (error) return error
        if (sk.state === STATE.close && !sk.remote) return -ERRNO.ENOTCONN
      }
      if (atEnd(sk)) return moved
      if (flags & MSG.dontwait) return moved > 0 ? moved : -ERRNO.EAGAIN
      return receiveLater(sk, message, size, flags, moved)
    },
  )
  const tcpRecvmsg = vfs.declare(
    'int tcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags, int *addr_len)',
    (sk: InetSock, message: Message, size: number, flags: number, _addrLen: number): MaybeWait<number> =>
      size === 0 ? 0 : receiveLocked(sk, message, size, flags),
  )

  // TCP: the end of a connection

  /** A reset came: the connection is over. */
  const reset = (sk: InetSock, error: number): void => {
    sk.set('err', error)
    sk.shutdown = SHUTDOWN.mask
    done(sk)
    sk.wait.wakeAll(POLL.in | POLL.out | POLL.err | POLL.hup)
  }
  const done = (sk: InetSock): void => {
    if (sk.state !== STATE.close) setState(sk, STATE.close)
    leave(sk)
    if (sk.orphan) destroy(sk)
  }
  const destroy = (sk: InetSock): void => {
    if (sk.gone) return
    sk.gone = true
    if (sk.peer?.peer === sk) sk.peer.peer = undefined
    sk.free()
  }
  /** A FIN goes out and is acknowledged. */
  const sendFin = (sk: InetSock): void => {
    const passive = sk.state === STATE.closeWait
    setState(sk, passive ? STATE.lastAck : STATE.finWait1)
    const { peer } = sk
    if (passive) {
      done(sk)
      if (peer && peer.state === STATE.finWait2) done(peer)
      return
    }
    setState(sk, STATE.finWait2)
    if (!peer || peer.gone) return
    if (peer.state === STATE.established) {
      peer.shutdown |= SHUTDOWN.rcv
      setState(peer, STATE.closeWait)
      peer.wait.wakeAll(POLL.in | POLL.rdnorm | POLL.rdhup)
    }
  }
  const tcpShutdown = vfs.declare('void tcp_shutdown(struct sock *sk, int how)', (sk: InetSock, how: number): void => {
    if (how & SHUTDOWN.send && (sk.state === STATE.established || sk.state === STATE.closeWait)) sendFin(sk)
  })
  const shutdown = vfs.declare(
    'int inet_shutdown(struct socket *sock, int how)',
    (socket: Socket, how: number): number => {
      if (how < SHUT.rd || how > SHUT.rdwr) return -ERRNO.EINVAL
      const sk = sockOf(socket)
      if (sk.state === STATE.close) return -ERRNO.ENOTCONN
      const mask = how + 1
      if (sk.state === STATE.listen) {
        if (mask & SHUTDOWN.rcv) stopListening(sk)
        return 0
      }
      sk.shutdown |= mask
      tcpShutdown(sk, mask)
      sk.wait.wakeAll(POLL.in | POLL.out | POLL.hup)
      return 0
    },
  )
  const stopListening = (sk: InetSock): void => {
    for (const server of sk.pending.splice(0)) {
      server.orphan = true
      const { peer } = server
      done(server)
      if (peer && !peer.gone) reset(peer, ERRNO.ECONNRESET)
    }
    setState(sk, STATE.close)
    leave(sk)
    sk.wait.wakeAll(POLL.in | POLL.hup)
  }

  const closeLocked = vfs.declare(
    'void __tcp_close(struct sock *sk, long timeout)',
    (sk: InetSock, _timeout: number): void => {
      sk.shutdown = SHUTDOWN.mask
      sk.orphan = true
      const { peer } = sk
      if (sk.state === STATE.listen) {
        stopListening(sk)
        destroy(sk)
        return
      }
      const isOpen = sk.state === STATE.established || sk.state === STATE.closeWait
      if (isOpen && sk.chunks.length > 0) {
        // Unread data: the other end gets a reset.
        done(sk)
        if (peer && !peer.gone) reset(peer, ERRNO.ECONNRESET)
      } else if (isOpen) sendFin(sk)
      else if (sk.state === STATE.synSent || sk.state === STATE.close) done(sk)
    },
  )
  const tcpClose = vfs.declare('void tcp_close(struct sock *sk, long timeout)', (sk: InetSock, timeout: number): void =>
    closeLocked(sk, timeout),
  )

  // UDP

  const udpFind = (sk: InetSock, to: InetAddress): InetSock | undefined => {
    const candidates = onPort(sk, to.port).filter(
      (other) => other.family === to.family && overlaps(other.local.ip, to.ip),
    )
    return (
      candidates.find((other) => other.remote && other.remote.port === sk.local.port) ??
      candidates.find((other) => !other.remote)
    )
  }
  const udpSendmsg = vfs.leaf(
    'int udp_sendmsg(struct sock *sk, struct msghdr *msg, size_t len)',
    (sk: InetSock, message: Message, size: number): number => {
      const error = sk.takeError()
      if (error) return error
      if (size > MAX_DATAGRAM) return -ERRNO.EMSGSIZE
      const to = message.name ? parseInet(message.name, sk.family) : sk.remote
      if (typeof to === 'number') return to
      if (!to) return -ERRNO.EDESTADDRREQ
      if (to.port === 0) return -ERRNO.EINVAL
      if (!isLocal(to.ip)) return -ERRNO.ENETUNREACH
      const bound = autobind(sk)
      if (bound) return bound
      const source = {
        ...sk.local,
        ip: isAny(sk.local.ip) ? (sk.family === AF.inet ? LOOPBACK4 : LOOPBACK6) : sk.local.ip,
      }
      const other = udpFind(sk, to)
      if (!other) {
        // The port's unreachability comes back as an error of a connected socket.
        if (sk.remote) sk.set('err', ERRNO.ECONNREFUSED)
        return size
      }
      if (other.queuedBytes + size > other.get('rcvbuf')) return size
      const queued = other.enqueue(message.iter, size, [], formatInet(source))
      if (queued >= 0) other.wait.wake(1, POLL.in | POLL.rdnorm)
      return queued
    },
  )
  const takeDatagram = (sk: InetSock, message: Message, size: number, flags: number): number => {
    const got = sk.dequeueMessage(message.iter, size, (flags & MSG.peek) !== 0)
    if (!got) return 0
    message.name = got.chunk.sender
    if (got.length > size) message.outFlags |= MSG.trunc
    return flags & MSG.trunc && got.moved >= 0 ? got.length : got.moved
  }
  function* takeLater(sk: InetSock, message: Message, size: number, flags: number): Wait<number> {
    const waited = vfs.wait(
      [sk.wait],
      () => sk.chunks.length > 0 || sk.get('err') !== 0 || (sk.shutdown & SHUTDOWN.rcv) !== 0,
      net.timeout(sk, SO.rcvtimeo),
    )
    const result = isWait(waited) ? yield* waited : waited
    if (result < 0) return result === -ERRNO.ETIME ? -ERRNO.EAGAIN : result
    return sk.takeError() || takeDatagram(sk, message, size, flags)
  }
  const udpRecvmsg = vfs.leaf(
    'int udp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags, int *addr_len)',
    (sk: InetSock, message: Message, size: number, flags: number, _addrLen: number): MaybeWait<number> => {
      if (sk.chunks.length > 0) return takeDatagram(sk, message, size, flags)
      const error = sk.takeError()
      if (error || sk.shutdown & SHUTDOWN.rcv) return error
      return flags & MSG.dontwait ? -ERRNO.EAGAIN : takeLater(sk, message, size, flags)
    },
  )
  const dgramConnect = vfs.leaf(
    'int inet_dgram_connect(struct socket *sock, struct sockaddr *uaddr, int addr_len, int flags)',
    (socket: Socket, _uaddr: number, _length: number, _flags: number, address: Uint8Array): number => {
      const sk = sockOf(socket)
      if (familyOf(address) === AF.unspec) {
        sk.setRemote(undefined)
        sk.storeState(STATE.close)
        return 0
      }
      const to = parseInet(address, sk.family)
      if (typeof to === 'number') return to
      if (!isLocal(to.ip)) return -ERRNO.ENETUNREACH
      const failed = autobind(sk)
      if (failed) return failed
      if (isAny(sk.local.ip)) sk.setLocal({ ...sk.local, ip: sk.family === AF.inet ? LOOPBACK4 : LOOPBACK6 })
      sk.setRemote(to)
      sk.storeState(STATE.established)
      socket.state = SS.connected
      return 0
    },
  )

  // What both share

  const sendmsgBody = (socket: Socket, message: Message, size: number): MaybeWait<number> => {
    const sk = sockOf(socket)
    return sk.type === SOCK.stream ? tcpSendmsg(sk, message, size) : udpSendmsg(sk, message, size)
  }
  const recvmsgBody = (socket: Socket, message: Message, size: number, flags: number): MaybeWait<number> => {
    const sk = sockOf(socket)
    return sk.type === SOCK.stream ? tcpRecvmsg(sk, message, size, flags, 0) : udpRecvmsg(sk, message, size, flags, 0)
  }
  const sendmsg4 = vfs.declare('int inet_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)', sendmsgBody)
  const sendmsg6 = vfs.declare('int inet6_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)', sendmsgBody)
  const recvmsg4 = vfs.declare(
    'int inet_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)',
    recvmsgBody,
  )
  const recvmsg6 = vfs.declare(
    'int inet6_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)',
    recvmsgBody,
  )

  const tcpPoll = vfs.declare(
    '__poll_t tcp_poll(struct file *file, struct socket *sock, poll_table *wait)',
    (_file: File, socket: Socket, table: PollTable | undefined): number => {
      const sk = sockOf(socket)
      table?.add(sk.wait)
      if (sk.state === STATE.listen) return sk.pending.length > 0 ? POLL.in | POLL.rdnorm : 0
      let mask = 0
      if (sk.shutdown === SHUTDOWN.mask || sk.state === STATE.close) mask |= POLL.hup
      if (sk.shutdown & SHUTDOWN.rcv) mask |= POLL.in | POLL.rdnorm | POLL.rdhup
      if (sk.state !== STATE.synSent) {
        if (sk.chunks.length > 0) mask |= POLL.in | POLL.rdnorm
        if (sk.shutdown & SHUTDOWN.send || sk.state === STATE.close || room(sk) >= sk.get('sndbuf') / 3)
          mask |= POLL.out | POLL.wrnorm
      }
      return sk.get('err') !== 0 ? mask | POLL.err : mask
    },
  )
  const udpPoll = vfs.declare(
    '__poll_t udp_poll(struct file *file, struct socket *sock, poll_table *wait)',
    (_file: File, socket: Socket, table: PollTable | undefined): number => {
      const sk = sockOf(socket)
      table?.add(sk.wait)
      let mask = POLL.out | POLL.wrnorm | POLL.wrband
      if (sk.chunks.length > 0) mask |= POLL.in | POLL.rdnorm
      if (sk.shutdown & SHUTDOWN.rcv) mask |= POLL.in | POLL.rdnorm | POLL.rdhup
      return sk.get('err') !== 0 ? mask | POLL.err : mask
    },
  )

  const getname = vfs.declare(
    'int inet_getname(struct socket *sock, struct sockaddr *uaddr, int peer)',
    (socket: Socket, _uaddr: number, peer: number): number => {
      const sk = sockOf(socket)
      if (peer && (!sk.remote || sk.state === STATE.close || sk.state === STATE.synSent)) return -ERRNO.ENOTCONN
      named = formatInet(peer ? sk.remote! : sk.local)
      return named.length
    },
  )
  let named: Uint8Array = new Uint8Array()

  const release = vfs.declare('int inet_release(struct socket *sock)', (socket: Socket): void => {
    const sk = sockOf(socket)
    if (!sk) return
    socket.sk = undefined
    if (sk.type === SOCK.stream) tcpClose(sk, 0)
    else {
      leave(sk)
      destroy(sk)
    }
  })

  const levels: readonly number[] = [SOL.ip, SOL.ipv6, SOL.tcp, SOL.udp]
  const setsockopt = (socket: Socket, level: number, name: number, value: Uint8Array): number => {
    if (level === SOL.socket) return setSocketOption(socket.sk!, name, value)
    return levels.includes(level) ? keepOption(socket.sk!, level, name, value) : -ERRNO.ENOPROTOOPT
  }
  const getsockopt = (socket: Socket, level: number, name: number): Uint8Array | number => {
    if (level === SOL.socket) return getSocketOption(socket, name)
    if (!levels.includes(level)) return -ERRNO.EOPNOTSUPP
    const kept = keptOption(socket.sk!, level, name)
    if (kept) return kept
    if (level === SOL.tcp && name === TCP.maxseg) return intBytes(sockOf(socket).peer ? LOOPBACK_MSS : 536)
    if (level === SOL.tcp && name === TCP.info) {
      const info = new Uint8Array(104)
      info[0] = sockOf(socket).state
      return info
    }
    return intBytes(0)
  }

  const common = {
    listen,
    accept: (socket: Socket, fresh: Socket, flags: number) => accept(socket, fresh, vfs.isLegacy ? flags : 0, flags),
    shutdown,
    release,
    setsockopt,
    getsockopt,
    getname(socket: Socket, peer: boolean): Uint8Array | number {
      const length = getname(socket, 0, peer ? 1 : 0)
      return length < 0 ? length : named
    },
  }
  const functions = {
    release: 'inet_release',
    bind: 'inet_bind',
    getname: 'inet_getname',
    shutdown: 'inet_shutdown',
    sendmsg: 'inet_sendmsg',
    recvmsg: 'inet_recvmsg',
  }
  const stream4: ProtoOps = {
    ...common,
    symbol: 'inet_stream_ops',
    functions: {
      ...functions,
      connect: 'inet_stream_connect',
      accept: 'inet_accept',
      listen: 'inet_listen',
      poll: 'tcp_poll',
    },
    family: AF.inet,
    bind: (socket, address) => inetBind(socket, net.stackAddress(address), address.length, address),
    connect: (socket, address, flags) =>
      streamConnect(socket, net.stackAddress(address), address.length, flags, address),
    sendmsg: sendmsg4,
    recvmsg: recvmsg4,
    poll: tcpPoll,
  }
  const dgram4: ProtoOps = {
    ...stream4,
    symbol: 'inet_dgram_ops',
    functions: { ...functions, connect: 'inet_dgram_connect', poll: 'udp_poll' },
    connect: (socket, address, flags) =>
      dgramConnect(socket, net.stackAddress(address), address.length, flags, address),
    listen: () => -ERRNO.EOPNOTSUPP,
    poll: udpPoll,
  }
  const over6 = (ops: ProtoOps, symbol: string): ProtoOps => ({
    ...ops,
    symbol,
    functions: { ...ops.functions, bind: 'inet6_bind', sendmsg: 'inet6_sendmsg', recvmsg: 'inet6_recvmsg' },
    family: AF.inet6,
    bind: (socket, address) => inet6Bind(socket, net.stackAddress(address), address.length, address),
    sendmsg: sendmsg6,
    recvmsg: recvmsg6,
  })
  const byFamily: Readonly<Record<number, { stream: ProtoOps; dgram: ProtoOps }>> = {
    [AF.inet]: { stream: stream4, dgram: dgram4 },
    [AF.inet6]: { stream: over6(stream4, 'inet6_stream_ops'), dgram: over6(dgram4, 'inet6_dgram_ops') },
  }

  const createBody = (_net: number, socket: Socket, _protocol: number, _kern: number): number => {
    socket.setSock(newSock(socket.ops.family, socket.type))
    return 0
  }
  const create4 = vfs.declare(
    'int inet_create(struct net *net, struct socket *sock, int protocol, int kern)',
    createBody,
  )
  const create6 = vfs.declare(
    'int inet6_create(struct net *net, struct socket *sock, int protocol, int kern)',
    createBody,
  )

  /** The operations of a socket type; negative errno. */
  const opsFor = (family: number, type: number, protocol: number): ProtoOps | number => {
    const table = byFamily[family]!
    if (type === SOCK.stream) return protocol === 0 || protocol === IPPROTO.tcp ? table.stream : -ERRNO.EPROTONOSUPPORT
    if (type === SOCK.dgram) return protocol === 0 || protocol === IPPROTO.udp ? table.dgram : -ERRNO.EPROTONOSUPPORT
    if (type === SOCK.raw) return capable(k, NET_RAW) ? -ERRNO.EPROTONOSUPPORT : -ERRNO.EPERM
    return -ERRNO.ESOCKTNOSUPPORT
  }

  return { create4, create6, opsFor, nextPorts }
}

const NET_RAW = 13
