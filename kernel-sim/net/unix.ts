// AF_UNIX: streams, datagrams and sequenced packets, named by a path or an abstract name, or unnamed pairs. Files go along in messages.

import { ERRNO } from '../../base/errno.ts'
import type { File } from '../fs/file.ts'
import { POLL, type PollTable } from '../fs/file-ops.ts'
import type { Inode } from '../fs/inode.ts'
import { LOOKUP } from '../fs/namei.ts'
import { AT, MAY, O, S } from '../fs/uapi.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import { formatUnix, parseUnix, type UnixName } from './address.ts'
import type { Net } from './net.ts'
import { getSocketOption, intBytes, setSocketOption } from './options.ts'
import { type Message, type ProtoOps, Sock, type Socket } from './sock.ts'
import { AF, MSG, SHUT, SHUTDOWN, SO, SOCK, SOL, SS, STATE } from './uapi.ts'

const SIGPIPE = 13
/** Most datagrams that wait at one socket (net.unix.max_dgram_qlen). */
const MAX_DGRAM_QLEN = 10

/** struct unix_sock */
export class UnixSock extends Sock {
  name: UnixName = ''
  peer: UnixSock | undefined
  readonly pending: UnixSock[] = []
  node: Inode | undefined
  dead = false
  /** Process that it was connected or listened by, for SO_PEERCRED. */
  owner: readonly [pid: number, uid: number, gid: number] = [0, -1, -1]
  peerOwner: readonly [pid: number, uid: number, gid: number] = [0, -1, -1]

  setPeer(peer: UnixSock | undefined): void {
    this.peer = peer
    this.mem.writePtr(this.at + this.layout.unix_peer, peer?.at ?? 0)
  }
}

const sockOf = (socket: Socket): UnixSock => socket.sk as UnixSock

export function declareUnix(net: Net) {
  const { vfs } = net
  const { k } = vfs
  const bound = new Map<Inode, UnixSock>()
  const abstract = new Map<UnixName, UnixSock>()
  let nextAuto = 1

  const isStream = (sk: Sock): boolean => sk.type !== SOCK.dgram
  const me = (): readonly [number, number, number] => {
    const { cred } = k.layout
    const at = k.current.cred
    return [k.current.tgid, k.mem.dv.getUint32(at + cred.euid, true), k.mem.dv.getUint32(at + cred.egid, true)]
  }

  const newSock = (type: number): UnixSock => {
    const sk = new UnixSock(k.mem, k.alloc, net.layout, net.layout.bytes.unix, net.what(AF.unix, type, 0, 'UNIX'))
    sk.owner = me()
    return sk
  }

  /** struct unix_address: a count, a length, the sockaddr. */
  const setName = (sk: UnixSock, name: UnixName): void => {
    sk.name = name
    const bytes = formatUnix(name)
    const at = k.alloc.alloc(8 + bytes.length + 1)
    k.mem.dv.setInt32(at, 1, true)
    k.mem.dv.setInt32(at + 4, bytes.length, true)
    k.mem.u8.set(bytes, at + 8)
    k.mem.writePtr(sk.at + net.layout.unix_addr, at)
  }

  const bindPath = (sk: UnixSock, name: string): number => {
    const { namei, names } = vfs
    const filename = namei.kernelName(name)
    const found = namei.filenameCreate(AT.fdcwd, filename, 0)
    namei.putname(filename)
    if (typeof found === 'number') return found === -ERRNO.EEXIST ? -ERRNO.EADDRINUSE : found
    const dir = found.nd.path.dentry.inode!
    const mode = S.ifsock | (0o777 & ~k.current.fs!.umask)
    const failed = names.vfsMknod(vfs.idmap, dir, found.dentry, mode, 0)
    if (failed === 0) {
      sk.node = found.dentry.inode!
      bound.set(sk.node, sk)
      setName(sk, name)
    }
    found.dentry.put()
    found.nd.drop()
    return failed
  }
  const bind = vfs.declare(
    'int unix_bind(struct socket *sock, struct sockaddr *uaddr, int addr_len)',
    (socket: Socket, _uaddr: number, _length: number, address: Uint8Array): number => {
      const sk = sockOf(socket)
      // Two bytes alone ask for any abstract name.
      const name = address.length === 2 ? `\0${(nextAuto++).toString(16).padStart(5, '0')}` : parseUnix(address)
      if (typeof name === 'number') return name
      if (sk.name !== '' || name === '') return -ERRNO.EINVAL
      if (name.charCodeAt(0) !== 0) return bindPath(sk, name)
      if (abstract.has(name)) return -ERRNO.EADDRINUSE
      abstract.set(name, sk)
      setName(sk, name)
      return 0
    },
  )

  /** unix_find_other(): who listens under an address. */
  const find = (address: Uint8Array, type: number): UnixSock | number => {
    const name = parseUnix(address)
    if (typeof name === 'number') return name
    let other: UnixSock | undefined
    if (name.charCodeAt(0) === 0) other = abstract.get(name)
    else {
      const filename = vfs.namei.kernelName(name)
      const path = vfs.namei.lookupName(AT.fdcwd, filename, LOOKUP.follow)
      vfs.namei.putname(filename)
      if (typeof path === 'number') return path
      const inode = path.dentry.inode!
      const refused = vfs.permission.inodePermission(vfs.idmap, inode, MAY.write)
      if (refused === 0) other = (inode.mode & S.ifmt) === S.ifsock ? bound.get(inode) : undefined
      path.dentry.put()
      if (refused) return refused
    }
    if (!other || other.dead) return -ERRNO.ECONNREFUSED
    return other.type === type ? other : -ERRNO.EPROTOTYPE
  }

  const pair = (a: UnixSock, b: UnixSock): void => {
    a.setPeer(b)
    b.setPeer(a)
    a.storeState(STATE.established)
    b.storeState(STATE.established)
    a.peerOwner = b.owner
    b.peerOwner = a.owner
  }

  const join = (socket: Socket, other: UnixSock): number => {
    const sk = sockOf(socket)
    const server = newSock(sk.type)
    server.owner = other.owner
    server.name = other.name
    pair(sk, server)
    socket.state = SS.connected
    other.pending.push(server)
    other.set('ack_backlog', other.pending.length)
    other.wait.wake(1, POLL.in | POLL.rdnorm)
    return 0
  }
  function* joinLater(socket: Socket, other: UnixSock): Wait<number> {
    const room = () => other.pending.length <= other.get('max_ack_backlog') || other.dead
    const waited = vfs.wait([other.wait], room, { exclusive: true })
    const result = isWait(waited) ? yield* waited : waited
    if (result < 0) return result
    return other.dead ? -ERRNO.ECONNREFUSED : join(socket, other)
  }
  const streamConnect = vfs.leaf(
    'int unix_stream_connect(struct socket *sock, struct sockaddr *uaddr, int addr_len, int flags)',
    (socket: Socket, _uaddr: number, _length: number, flags: number, address: Uint8Array): MaybeWait<number> => {
      const sk = sockOf(socket)
      const other = find(address, sk.type)
      if (typeof other === 'number') return other
      if (other.state !== STATE.listen || other.shutdown & SHUTDOWN.rcv) return -ERRNO.ECONNREFUSED
      if (sk.state === STATE.listen) return -ERRNO.EINVAL
      if (sk.state === STATE.established) return -ERRNO.EISCONN
      if (other.pending.length <= other.get('max_ack_backlog')) return join(socket, other)
      return flags & O.nonblock ? -ERRNO.EAGAIN : joinLater(socket, other)
    },
  )
  const dgramConnect = vfs.leaf(
    'int unix_dgram_connect(struct socket *sock, struct sockaddr *addr, int alen, int flags)',
    (socket: Socket, _addr: number, _length: number, _flags: number, address: Uint8Array): number => {
      const other = find(address, SOCK.dgram)
      if (typeof other === 'number') return other
      sockOf(socket).setPeer(other)
      sockOf(socket).storeState(STATE.established)
      socket.state = SS.connected
      return 0
    },
  )

  const listen = vfs.declare(
    'int unix_listen(struct socket *sock, int backlog)',
    (socket: Socket, backlog: number): number => {
      const sk = sockOf(socket)
      if (!isStream(sk)) return -ERRNO.EOPNOTSUPP
      if (sk.name === '' || (sk.state !== STATE.close && sk.state !== STATE.listen)) return -ERRNO.EINVAL
      sk.set('max_ack_backlog', backlog)
      sk.storeState(STATE.listen)
      sk.owner = me()
      return 0
    },
  )

  const takePending = (sk: UnixSock, fresh: Socket): number => {
    const server = sk.pending.shift()!
    sk.set('ack_backlog', sk.pending.length)
    sk.wait.wake(1, POLL.out)
    fresh.setSock(server)
    fresh.state = SS.connected
    sk.accepted = server
    return 0
  }
  function* acceptLater(sk: UnixSock, fresh: Socket): Wait<number> {
    const waited = vfs.wait([sk.wait], () => sk.pending.length > 0, { exclusive: true })
    const result = isWait(waited) ? yield* waited : waited
    return result < 0 ? result : takePending(sk, fresh)
  }
  const accept = vfs.declare(
    `int unix_accept(struct socket *sock, struct socket *newsock, ${net.acceptParams})`,
    (socket: Socket, fresh: Socket, flags: number): MaybeWait<number> => {
      const sk = sockOf(socket)
      if (!isStream(sk)) return -ERRNO.EOPNOTSUPP
      if (sk.state !== STATE.listen) return -ERRNO.EINVAL
      if (sk.pending.length > 0) return takePending(sk, fresh)
      return flags & O.nonblock ? -ERRNO.EAGAIN : acceptLater(sk, fresh)
    },
  )

  const brokenPipe = (flags: number): number => {
    if (!(flags & MSG.nosignal)) vfs.host.signal(SIGPIPE)
    return -ERRNO.EPIPE
  }
  const cannotSend = (sk: UnixSock): boolean =>
    (sk.shutdown & SHUTDOWN.send) !== 0 || !sk.peer || sk.peer.dead || (sk.peer.shutdown & SHUTDOWN.rcv) !== 0

  const sendSome = (sk: UnixSock, message: Message, left: number): number => {
    const peer = sk.peer!
    const room = peer.type === SOCK.stream ? Math.min(left, Math.max(0, sk.get('sndbuf') - peer.queuedBytes)) : left
    if (left > 0 && room === 0) return 0
    const queued = peer.enqueue(message.iter, room, message.files.splice(0))
    if (queued >= 0) peer.wait.wake(1, POLL.in | POLL.rdnorm)
    return queued
  }
  function* sendLater(sk: UnixSock, message: Message, size: number, sent: number): Wait<number> {
    while (sent < size) {
      const ready = () => cannotSend(sk) || sk.peer!.queuedBytes < sk.get('sndbuf')
      const waited = vfs.wait([sk.wait], ready, {})
      const result = isWait(waited) ? yield* waited : waited
      if (result < 0) return sent > 0 ? sent : result
      if (cannotSend(sk)) return sent > 0 ? sent : brokenPipe(message.flags)
      const step = sendSome(sk, message, size - sent)
      if (step < 0) return sent > 0 ? sent : step
      sent += step
    }
    return sent
  }
  const streamSend = vfs.leaf(
    'int unix_stream_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)',
    (socket: Socket, message: Message, size: number): MaybeWait<number> => {
      const sk = sockOf(socket)
      if (message.flags & MSG.oob) return -ERRNO.EOPNOTSUPP
      if (message.name) return sk.state === STATE.established ? -ERRNO.EISCONN : -ERRNO.EOPNOTSUPP
      if (!sk.peer && !(sk.shutdown & SHUTDOWN.send)) return -ERRNO.ENOTCONN
      if (cannotSend(sk)) return brokenPipe(message.flags)
      let sent = 0
      while (sent < size) {
        const step = sendSome(sk, message, size - sent)
        if (step < 0) return sent > 0 ? sent : step
        if (step === 0) {
          if (message.flags & MSG.dontwait) return sent > 0 ? sent : -ERRNO.EAGAIN
          return sendLater(sk, message, size, sent)
        }
        sent += step
      }
      return sent
    },
  )

  const receive = (sk: UnixSock, message: Message, size: number, flags: number): number => {
    const moved = sk.dequeueStream(message.iter, size, (flags & MSG.peek) !== 0, message.files)
    if (moved > 0 && !(flags & MSG.peek)) sk.peer?.wait.wake(1, POLL.out | POLL.wrnorm)
    return moved
  }
  const ended = (sk: UnixSock): boolean =>
    (sk.shutdown & SHUTDOWN.rcv) !== 0 || !sk.peer || sk.peer.dead || (sk.peer.shutdown & SHUTDOWN.send) !== 0
  function* receiveLater(sk: UnixSock, message: Message, size: number, flags: number): Wait<number> {
    const waited = vfs.wait(
      [sk.wait],
      () => sk.chunks.length > 0 || sk.get('err') !== 0 || ended(sk),
      net.timeout(sk, SO.rcvtimeo),
    )
    const result = isWait(waited) ? yield* waited : waited
    if (result === -ERRNO.ETIME) return -ERRNO.EAGAIN
    if (result < 0) return result
    return sk.takeError() || receive(sk, message, size, flags)
  }
  const streamReceive = vfs.leaf(
    'int unix_stream_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)',
    (socket: Socket, message: Message, size: number, flags: number): MaybeWait<number> => {
      const sk = sockOf(socket)
      if (sk.state !== STATE.established) return -ERRNO.EINVAL
      if (sk.chunks.length > 0) return receive(sk, message, size, flags)
      const error = sk.takeError()
      if (error || ended(sk)) return error
      return flags & MSG.dontwait ? -ERRNO.EAGAIN : receiveLater(sk, message, size, flags)
    },
  )

  const deliver = (sk: UnixSock, other: UnixSock, message: Message, size: number): number => {
    const sender = sk.name === '' ? undefined : formatUnix(sk.name)
    const queued = other.enqueue(message.iter, size, message.files.splice(0), sender)
    if (queued >= 0) other.wait.wake(1, POLL.in | POLL.rdnorm)
    return queued
  }
  function* deliverLater(sk: UnixSock, other: UnixSock, message: Message, size: number): Wait<number> {
    const waited = vfs.wait([other.wait], () => other.chunks.length < MAX_DGRAM_QLEN || other.dead, {})
    const result = isWait(waited) ? yield* waited : waited
    if (result < 0) return result
    return other.dead ? -ERRNO.ECONNREFUSED : deliver(sk, other, message, size)
  }
  const dgramSend = vfs.leaf(
    'int unix_dgram_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)',
    (socket: Socket, message: Message, size: number): MaybeWait<number> => {
      const sk = sockOf(socket)
      const other = message.name ? find(message.name, sk.type) : sk.peer
      if (typeof other === 'number') return other
      if (!other) return -ERRNO.ENOTCONN
      if (other.dead) return -ERRNO.ECONNREFUSED
      if (sk.shutdown & SHUTDOWN.send || other.shutdown & SHUTDOWN.rcv) return brokenPipe(message.flags)
      if (size > sk.get('sndbuf') - 32) return -ERRNO.EMSGSIZE
      if (other.chunks.length < MAX_DGRAM_QLEN) return deliver(sk, other, message, size)
      return message.flags & MSG.dontwait ? -ERRNO.EAGAIN : deliverLater(sk, other, message, size)
    },
  )
  const takeMessage = (sk: UnixSock, message: Message, size: number, flags: number): number => {
    const got = sk.dequeueMessage(message.iter, size, (flags & MSG.peek) !== 0)
    if (!got) return 0
    message.name = got.chunk.sender
    message.files.push(...got.chunk.files.splice(0))
    sk.wait.wake(1, POLL.out)
    if (got.length > size) message.outFlags |= MSG.trunc
    return flags & MSG.trunc && got.moved >= 0 ? got.length : got.moved
  }
  function* takeLater(sk: UnixSock, message: Message, size: number, flags: number): Wait<number> {
    const waited = vfs.wait(
      [sk.wait],
      () => sk.chunks.length > 0 || (isStream(sk) && ended(sk)),
      net.timeout(sk, SO.rcvtimeo),
    )
    const result = isWait(waited) ? yield* waited : waited
    if (result === -ERRNO.ETIME) return -ERRNO.EAGAIN
    return result < 0 ? result : takeMessage(sk, message, size, flags)
  }
  const dgramReceive = vfs.leaf(
    'int unix_dgram_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)',
    (socket: Socket, message: Message, size: number, flags: number): MaybeWait<number> => {
      const sk = sockOf(socket)
      if (isStream(sk) && sk.state !== STATE.established) return -ERRNO.ENOTCONN
      if (sk.chunks.length > 0) return takeMessage(sk, message, size, flags)
      if (sk.shutdown & SHUTDOWN.rcv || (isStream(sk) && ended(sk))) return 0
      return flags & MSG.dontwait ? -ERRNO.EAGAIN : takeLater(sk, message, size, flags)
    },
  )

  const poll = vfs.declare(
    '__poll_t unix_poll(struct file *file, struct socket *sock, poll_table *wait)',
    (_file: File, socket: Socket, table: PollTable | undefined): number => {
      const sk = sockOf(socket)
      table?.add(sk.wait)
      let mask = 0
      if (sk.get('err') !== 0) mask |= POLL.err
      const rcv = sk.shutdown & SHUTDOWN.rcv || (sk.state === STATE.established && isStream(sk) && ended(sk))
      const send =
        sk.shutdown & SHUTDOWN.send || (sk.state === STATE.established && isStream(sk) && (!sk.peer || sk.peer.dead))
      if (rcv && send) mask |= POLL.hup
      if (rcv) mask |= POLL.rdhup | POLL.in | POLL.rdnorm
      if (sk.chunks.length > 0 || sk.pending.length > 0) mask |= POLL.in | POLL.rdnorm
      if (isStream(sk) && sk.state === STATE.close) mask |= POLL.hup
      const writable = !sk.peer || sk.peer.queuedBytes * 4 <= sk.get('sndbuf')
      if (sk.state !== STATE.listen && writable) mask |= POLL.out | POLL.wrnorm | POLL.wrband
      return mask
    },
  )

  const tellPeer = (sk: UnixSock): void => {
    sk.wait.wakeAll(POLL.in | POLL.out | POLL.hup | POLL.rdhup)
    sk.peer?.wait.wakeAll(POLL.in | POLL.out | POLL.hup | POLL.rdhup)
  }
  const shutdown = vfs.declare(
    'int unix_shutdown(struct socket *sock, int mode)',
    (socket: Socket, how: number): number => {
      const sk = sockOf(socket)
      if (how < SHUT.rd || how > SHUT.rdwr) return -ERRNO.EINVAL
      const mask = how + 1
      sk.shutdown |= mask
      if (sk.peer && isStream(sk))
        sk.peer.shutdown |= (mask & SHUTDOWN.rcv ? SHUTDOWN.send : 0) | (mask & SHUTDOWN.send ? SHUTDOWN.rcv : 0)
      tellPeer(sk)
      return 0
    },
  )

  const releaseSock = vfs.declare(
    'void unix_release_sock(struct sock *sk, int embrion)',
    (sk: UnixSock, _embrion: number): void => {
      sk.dead = true
      if (sk.node) bound.delete(sk.node)
      if (abstract.get(sk.name) === sk) abstract.delete(sk.name)
      sk.storeState(STATE.close)
      const { peer } = sk
      if (peer && isStream(sk) && peer.peer === sk) {
        peer.shutdown = SHUTDOWN.mask
        if (sk.chunks.length > 0) peer.set('err', ERRNO.ECONNRESET)
      }
      tellPeer(sk)
      for (const server of sk.pending.splice(0)) releaseSock(server, 1)
      const name = k.mem.readPtr(sk.at + net.layout.unix_addr)
      if (name !== 0) k.alloc.free(name)
      if (peer?.peer === sk) peer.setPeer(undefined)
      sk.free()
    },
  )
  const release = vfs.declare('int unix_release(struct socket *sock)', (socket: Socket): void => {
    if (socket.sk) releaseSock(sockOf(socket), 0)
    socket.sk = undefined
  })

  const getname = vfs.declare(
    'int unix_getname(struct socket *sock, struct sockaddr *uaddr, int peer)',
    (socket: Socket, _uaddr: number, peer: number): number => {
      const sk = sockOf(socket)
      if (peer && !sk.peer) return -ERRNO.ENOTCONN
      named = formatUnix(peer ? sk.peer!.name : sk.name)
      return named.length
    },
  )
  let named: Uint8Array = new Uint8Array()

  const socketpair = vfs.declare(
    'int unix_socketpair(struct socket *socka, struct socket *sockb)',
    (a: Socket, b: Socket): number => {
      pair(sockOf(a), sockOf(b))
      a.state = SS.connected
      b.state = SS.connected
      return 0
    },
  )

  const common = {
    family: AF.unix,
    bind: (socket: Socket, address: Uint8Array) => bind(socket, 0, address.length, address),
    listen,
    accept,
    shutdown,
    poll,
    release,
    socketpair,
    getname(socket: Socket, peer: boolean): Uint8Array | number {
      const length = getname(socket, 0, peer ? 1 : 0)
      return length < 0 ? length : named
    },
    setsockopt: (socket: Socket, level: number, name: number, value: Uint8Array) =>
      level === SOL.socket ? setSocketOption(socket.sk!, name, value) : -ERRNO.EOPNOTSUPP,
    getsockopt(socket: Socket, level: number, name: number): Uint8Array | number {
      if (level !== SOL.socket) return -ERRNO.EOPNOTSUPP
      if (name !== SO.peercred) return getSocketOption(socket, name)
      const [pid, uid, gid] = sockOf(socket).peerOwner
      return new Uint8Array([...intBytes(pid), ...intBytes(uid), ...intBytes(gid)])
    },
  }
  const streamFunctions = {
    release: 'unix_release',
    bind: 'unix_bind',
    socketpair: 'unix_socketpair',
    accept: 'unix_accept',
    getname: 'unix_getname',
    poll: 'unix_poll',
    listen: 'unix_listen',
    shutdown: 'unix_shutdown',
  }
  const stream: ProtoOps = {
    ...common,
    symbol: 'unix_stream_ops',
    functions: {
      ...streamFunctions,
      connect: 'unix_stream_connect',
      sendmsg: 'unix_stream_sendmsg',
      recvmsg: 'unix_stream_recvmsg',
    },
    connect: (socket, address, flags) => streamConnect(socket, 0, address.length, flags, address),
    sendmsg: streamSend,
    recvmsg: streamReceive,
  }
  const dgram: ProtoOps = {
    ...common,
    symbol: 'unix_dgram_ops',
    functions: {
      ...streamFunctions,
      connect: 'unix_dgram_connect',
      sendmsg: 'unix_dgram_sendmsg',
      recvmsg: 'unix_dgram_recvmsg',
    },
    connect: (socket, address, flags) => dgramConnect(socket, 0, address.length, flags, address),
    sendmsg: dgramSend,
    recvmsg: dgramReceive,
  }
  const seqpacket: ProtoOps = {
    ...dgram,
    symbol: 'unix_seqpacket_ops',
    connect: stream.connect,
    sendmsg: dgramSend,
  }

  /** unix_create(): the struct sock for a new socket; negative errno. */
  const create = vfs.declare(
    'int unix_create(struct net *net, struct socket *sock, int protocol, int kern)',
    (_net: number, socket: Socket, _protocol: number, _kern: number): number => {
      socket.setSock(newSock(socket.type))
      return 0
    },
  )
  /** The operations of a socket type; negative errno. */
  const opsFor = (type: number, protocol: number): ProtoOps | number => {
    if (protocol !== 0 && protocol !== AF.unix) return -ERRNO.EPROTONOSUPPORT
    if (type === SOCK.stream) return stream
    if (type === SOCK.dgram || type === SOCK.raw) return dgram
    return type === SOCK.seqpacket ? seqpacket : -ERRNO.ESOCKTNOSUPPORT
  }
  return { create, opsFor }
}
