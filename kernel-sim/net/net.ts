// The socket layer of one kernel: from system calls on descriptors to the operations of a family, and files that are sockets.

import { ERRNO } from '../../base/errno.ts'
import { FIONREAD } from '../fs/close.ts'
import type { File } from '../fs/file.ts'
import type { FileOps, PollTable } from '../fs/file-ops.ts'
import type { Inode, InodeOps } from '../fs/inode.ts'
import { type IoCall, IovIter, type Segment } from '../fs/io-call.ts'
import type { Mount } from '../fs/mount.ts'
import { O, S } from '../fs/uapi.ts'
import type { Vfs } from '../fs/vfs.ts'
import { after, isWait, type MaybeWait, type Wait } from '../wait.ts'
import { declareInet } from './inet.ts'
import { type NetLayout, netLayout } from './layout.ts'
import { type Message, type ProtoOps, type Sock, Socket } from './sock.ts'
import { AF, MSG, SCM_RIGHTS, SOCK, SOL, SOMAXCONN } from './uapi.ts'
import { declareUnix } from './unix.ts'

const SOCKADDR_MAX = 128
const CONTROL_MAX = 20480
const SCM_MAX_FD = 253
const SOCKET_INODE_OPS: InodeOps = { symbol: 'sockfs_inode_ops', functions: {} }

export class Net {
  readonly vfs: Vfs
  readonly layout: NetLayout
  readonly mount: Mount
  /** Parameters of accept operations behind the two sockets. */
  readonly acceptParams: string
  readonly calls: ReturnType<typeof declareCalls>
  readonly unix: ReturnType<typeof declareUnix>
  readonly inet: ReturnType<typeof declareInet>
  readonly #protos = new Map<string, number>()
  #cookies = 0

  constructor(vfs: Vfs) {
    this.vfs = vfs
    this.layout = netLayout(vfs.k.layouts)
    this.acceptParams = vfs.isLegacy ? 'int flags, bool kern' : 'struct proto_accept_arg *arg'
    this.mount = vfs.newInternalMount({ name: 'sockfs', magic: 0x534f434b, nameOf: (inode) => `socket:[${inode.ino}]` })
    this.unix = declareUnix(this)
    this.inet = declareInet(this)
    this.calls = declareCalls(this)
  }

  /** What a new struct sock starts with. `name` is its protocol's, as /proc/net/protocols has it. */
  what(family: number, type: number, protocol: number, name: string) {
    const { k } = this.vfs
    const { nsproxy } = k.current
    const net = nsproxy === 0 ? 0 : k.mem.readPtr(nsproxy + k.layout.nsproxy.netNs)
    const uid = k.mem.dv.getUint32(k.current.cred + k.layout.cred.fsuid, true)
    return { family, type, protocol, prot: this.#proto(name), net, uid, cookie: ++this.#cookies }
  }

  /** SO_RCVTIMEO or SO_SNDTIMEO as options of a sleep. */
  timeout(sk: Sock, option: number): { timeoutNs?: number } {
    const value = sk.options.get(`${SOL.socket}:${option}`)
    if (!value) return {}
    const view = new DataView(value.buffer, value.byteOffset)
    const ns = view.getUint32(0, true) * 1e9 + view.getUint32(8, true) * 1000
    return ns > 0 ? { timeoutNs: ns } : {}
  }

  /** A copy of an address on the kernel stack, as system calls hand it on. */
  stackAddress(address: Uint8Array): number {
    const { k } = this.vfs
    k.current.sp -= SOCKADDR_MAX
    k.mem.u8.set(address, k.current.sp)
    return k.current.sp
  }

  /** struct proto of a protocol: its name, and no functions that anyone could call. */
  #proto(name: string): number {
    let at = this.#protos.get(name)
    if (at !== undefined) return at
    const { k } = this.vfs
    at = k.alloc.alloc(Math.max(8, this.layout.bytes.proto))
    const field = k.layouts.field('proto', 'name')
    if (field) k.mem.writeCstring(at + field.offset, name, 32)
    this.#protos.set(name, at)
    return at
  }
}

function declareCalls(net: Net) {
  const { vfs, layout } = net
  const { k, context } = vfs
  const { mem } = context
  const msghdrBytes = (Math.max(layout.bytes.msghdr, 96) + 15) & ~15

  // Sockets and their files

  const socketOf = (fd: number): Socket | number => {
    const file = vfs.usable(fd)
    if (!file) return -ERRNO.EBADF
    return file.priv instanceof Socket ? file.priv : -ERRNO.ENOTSOCK
  }

  const release = vfs.declare(
    'void __sock_release(struct socket *sock, struct inode *inode)',
    (socket: Socket, _inode: Inode): void => {
      socket.ops.release(socket)
      k.alloc.free(socket.at)
    },
  )
  const ops: FileOps = {
    symbol: 'socket_file_ops',
    functions: {
      read_iter: 'sock_read_iter',
      write_iter: 'sock_write_iter',
      poll: 'sock_poll',
      unlocked_ioctl: 'sock_ioctl',
      release: 'sock_close',
    },
    readIter: vfs.declare(
      'ssize_t sock_read_iter(struct kiocb *iocb, struct iov_iter *to)',
      (io: IoCall, iter: IovIter): MaybeWait<number> => {
        if (iter.count === 0) return 0
        const flags = io.nonblock ? MSG.dontwait : 0
        return receive(io.file.priv as Socket, newMessage(iter, flags), iter.count, flags)
      },
    ),
    writeIter: vfs.declare(
      'ssize_t sock_write_iter(struct kiocb *iocb, struct iov_iter *from)',
      (io: IoCall, iter: IovIter): MaybeWait<number> =>
        send(io.file.priv as Socket, newMessage(iter, io.nonblock ? MSG.dontwait : 0)),
    ),
    poll: vfs.declare(
      '__poll_t sock_poll(struct file *file, poll_table *wait)',
      (file: File, table: PollTable | undefined): number => {
        const socket = file.priv as Socket
        return socket.ops.poll(file, socket, table)
      },
    ),
    ioctl: vfs.declare(
      'long sock_ioctl(struct file *file, unsigned cmd, unsigned long arg)',
      (file: File, command: number, argument: number): number => {
        if (command !== FIONREAD) return -ERRNO.ENOTTY
        return vfs.writeUserInt32(argument, (file.priv as Socket).sk!.queuedBytes) ? 0 : -ERRNO.EFAULT
      },
    ),
    release: vfs.declare('int sock_close(struct inode *inode, struct file *filp)', (inode: Inode, file: File): void =>
      release(file.priv as Socket, inode),
    ),
  }

  let allocated: Socket | undefined
  const sockAlloc = vfs.declare('struct socket *sock_alloc(void)', (type: number, proto: ProtoOps): number => {
    const socket = new Socket(
      mem,
      layout.sock,
      k.alloc.alloc(layout.bytes.socket),
      type,
      proto,
      net.mount.sb.opsTable(proto, 'proto_ops'),
    )
    socket.inode = net.mount.sb.newInode(S.ifsock | 0o777, SOCKET_INODE_OPS, ops)
    socket.inode.priv = socket
    allocated = socket
    return socket.at
  })

  const securityCreate = vfs.security('int security_socket_create(int family, int type, int protocol, int kern)')
  const securityPostCreate = vfs.security(
    'int security_socket_post_create(struct socket *sock, int family, int type, int protocol, int kern)',
  )
  const createBody = vfs.declare(
    'int __sock_create(struct net *net, int family, int type, int protocol, struct socket **res, int kern)',
    (_net: number, family: number, type: number, protocol: number, _res: number, kern: number): number => {
      if (family < 0 || family > 45) return -ERRNO.EAFNOSUPPORT
      if (type < 0 || type > 10) return -ERRNO.EINVAL
      const refused = securityCreate(family, type, protocol, kern)
      if (refused) return refused
      const proto =
        family === AF.unix
          ? net.unix.opsFor(type, protocol)
          : family === AF.inet || family === AF.inet6
            ? net.inet.opsFor(family, type, protocol)
            : -ERRNO.EAFNOSUPPORT
      if (typeof proto === 'number') return proto
      sockAlloc(type === SOCK.raw && family === AF.unix ? SOCK.dgram : type, proto)
      const socket = allocated!
      const create = family === AF.unix ? net.unix.create : family === AF.inet ? net.inet.create4 : net.inet.create6
      return create(0, socket, protocol, kern) || securityPostCreate(socket, family, type, protocol, kern)
    },
  )
  const sockCreate = vfs.declare(
    'int sock_create(int family, int type, int protocol, struct socket **res)',
    (family: number, type: number, protocol: number, _res: number): number =>
      createBody(0, family, type, protocol, 0, 0),
  )
  const newSocket = (family: number, type: number, protocol: number): Socket | number => {
    const failed = sockCreate(family, type, protocol, 0)
    return failed < 0 ? failed : allocated!
  }
  /** sock_alloc_file(): the file of a socket, not in a table yet. */
  const fileOf = (socket: Socket, flags: number): File => {
    const file = vfs.open.pseudoFile(net.mount, socket.inode!, '', O.rdwr | (flags & O.nonblock))
    file.setPrivate(socket, socket.at)
    socket.setFile(file)
    return file
  }

  const socketCall = vfs.declare(
    'int __sys_socket(int family, int type, int protocol)',
    (family: number, type: number, protocol: number): number => {
      const flags = type & ~SOCK.typeMask
      if (flags & ~(SOCK.cloexec | SOCK.nonblock)) return -ERRNO.EINVAL
      const socket = newSocket(family, type & SOCK.typeMask, protocol)
      return typeof socket === 'number' ? socket : vfs.open.installNew(fileOf(socket, flags), flags)
    },
  )

  const securityPair = vfs.security('int security_socket_socketpair(struct socket *socka, struct socket *sockb)')
  const socketpair = vfs.declare(
    'int __sys_socketpair(int family, int type, int protocol, int __user *usockvec)',
    (family: number, type: number, protocol: number, out: number): number => {
      const flags = type & ~SOCK.typeMask
      if (flags & ~(SOCK.cloexec | SOCK.nonblock)) return -ERRNO.EINVAL
      const a = newSocket(family, type & SOCK.typeMask, protocol)
      if (typeof a === 'number') return a
      const fileA = fileOf(a, flags)
      if (!a.ops.socketpair) {
        fileA.put()
        return -ERRNO.EOPNOTSUPP
      }
      const b = newSocket(family, type & SOCK.typeMask, protocol) as Socket
      const fileB = fileOf(b, flags)
      const failed = securityPair(a, b) || a.ops.socketpair(a, b)
      const first = failed || vfs.open.getUnusedFd(flags)
      const second = first < 0 ? first : vfs.open.getUnusedFd(flags)
      const fds = new Uint8Array(Int32Array.of(first, second).buffer)
      const error = second < 0 ? second : vfs.mm.write(out, fds, 0, 8) > 0 ? -ERRNO.EFAULT : 0
      if (error) {
        if (first >= 0) vfs.fds.release(first)
        if (second >= 0) vfs.fds.release(second)
        fileA.put()
        fileB.put()
        return error
      }
      vfs.open.fdInstall(first, fileA)
      vfs.open.fdInstall(second, fileB)
      return 0
    },
  )

  // Addresses

  /** move_addr_to_kernel() */
  const readAddress = (address: number, length: number): Uint8Array | number => {
    if (length < 0 || length > SOCKADDR_MAX) return -ERRNO.EINVAL
    const bytes = new Uint8Array(length)
    return length > 0 && vfs.mm.read(address, bytes, 0, length) > 0 ? -ERRNO.EFAULT : bytes
  }
  /** move_addr_to_user(): cut to the room there is, and the whole length told. */
  const writeAddress = (bytes: Uint8Array, address: number, lengthAt: number): number => {
    const room = vfs.readUserInt32(lengthAt)
    if (room === undefined) return -ERRNO.EFAULT
    if (room < 0) return -ERRNO.EINVAL
    const length = Math.min(room, bytes.length)
    if (length > 0 && vfs.mm.write(address, bytes, 0, length) > 0) return -ERRNO.EFAULT
    return vfs.writeUserInt32(lengthAt, bytes.length) ? 0 : -ERRNO.EFAULT
  }

  const securityBind = vfs.security(
    'int security_socket_bind(struct socket *sock, struct sockaddr *address, int addrlen)',
  )
  const bind = vfs.declare(
    'int __sys_bind(int fd, struct sockaddr __user *umyaddr, int addrlen)',
    (fd: number, address: number, length: number): number => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const bytes = readAddress(address, length)
      if (typeof bytes === 'number') return bytes
      return securityBind(socket, 0, length) || socket.ops.bind(socket, bytes)
    },
  )
  const securityListen = vfs.security('int security_socket_listen(struct socket *sock, int backlog)')
  const listen = vfs.declare('int __sys_listen(int fd, int backlog)', (fd: number, backlog: number): number => {
    const socket = socketOf(fd)
    if (typeof socket === 'number') return socket
    const limited = backlog >>> 0 > SOMAXCONN ? SOMAXCONN : backlog
    return securityListen(socket, limited) || socket.ops.listen(socket, limited)
  })

  const securityConnect = vfs.security(
    'int security_socket_connect(struct socket *sock, struct sockaddr *address, int addrlen)',
  )
  const connectFile = vfs.declare(
    'int __sys_connect_file(struct file *file, struct sockaddr_storage *address, int addrlen, int file_flags)',
    (file: File, _address: number, length: number, _flags: number, bytes: Uint8Array): MaybeWait<number> => {
      const socket = file.priv as Socket
      return securityConnect(socket, 0, length) || socket.ops.connect(socket, bytes, file.flags)
    },
  )
  const connect = vfs.declare(
    'int __sys_connect(int fd, struct sockaddr __user *uservaddr, int addrlen)',
    (fd: number, address: number, length: number): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const bytes = readAddress(address, length)
      return typeof bytes === 'number' ? bytes : connectFile(socket.file!, 0, length, 0, bytes)
    },
  )

  const securityAccept = vfs.security('int security_socket_accept(struct socket *sock, struct socket *newsock)')
  const accepted = (fresh: Socket, file: File, result: number, peerAt: number, lengthAt: number): number => {
    let failed = result
    if (failed === 0 && peerAt !== 0) {
      const name = fresh.ops.getname(fresh, true)
      failed = typeof name === 'number' ? -ERRNO.ECONNABORTED : writeAddress(name, peerAt, lengthAt)
    }
    if (failed === 0) return file.at
    file.put()
    return failed
  }
  function* acceptedLater(
    fresh: Socket,
    file: File,
    wait: Wait<number>,
    peerAt: number,
    lengthAt: number,
  ): Wait<number> {
    return accepted(fresh, file, yield* wait, peerAt, lengthAt)
  }
  const doAccept = vfs.declare(
    vfs.isLegacy
      ? 'struct file *do_accept(struct file *file, unsigned file_flags, struct sockaddr __user *upeer_sockaddr, int __user *upeer_addrlen, int flags)'
      : 'struct file *do_accept(struct file *file, struct proto_accept_arg *arg, struct sockaddr __user *upeer_sockaddr, int __user *upeer_addrlen, int flags)',
    (file: File, _arg: number, peerAt: number, lengthAt: number, flags: number): MaybeWait<number> => {
      const socket = file.priv as Socket
      sockAlloc(socket.type, socket.ops)
      const fresh = allocated!
      const freshFile = fileOf(fresh, flags)
      const refused = securityAccept(socket, fresh)
      const result = refused || socket.ops.accept(socket, fresh, file.flags)
      return isWait(result)
        ? acceptedLater(fresh, freshFile, result, peerAt, lengthAt)
        : accepted(fresh, freshFile, result, peerAt, lengthAt)
    },
  )
  const installAccepted = (fd: number, file: number): MaybeWait<number> => {
    if (file < 0) vfs.fds.release(fd)
    else vfs.open.fdInstall(fd, vfs.files.get(file)!)
    return vfs.settleFd(file < 0 ? file : fd)
  }
  const accept4 = vfs.declare(
    'int __sys_accept4(int fd, struct sockaddr __user *upeer_sockaddr, int __user *upeer_addrlen, int flags)',
    (fd: number, peerAt: number, lengthAt: number, flags: number): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      if (flags & ~(SOCK.cloexec | SOCK.nonblock)) return -ERRNO.EINVAL
      const freshFd = vfs.open.getUnusedFd(flags)
      if (freshFd < 0) return freshFd
      return after(doAccept(socket.file!, 0, peerAt, lengthAt, flags), (file) => installAccepted(freshFd, file))
    },
  )

  const securityName = vfs.security('int security_socket_getsockname(struct socket *sock)')
  const securityPeer = vfs.security('int security_socket_getpeername(struct socket *sock)')
  const nameCall = (fd: number, address: number, lengthAt: number, peer: boolean): number => {
    const socket = socketOf(fd)
    if (typeof socket === 'number') return socket
    const refused = (peer ? securityPeer : securityName)(socket)
    if (refused) return refused
    const name = socket.ops.getname(socket, peer)
    return typeof name === 'number' ? name : writeAddress(name, address, lengthAt)
  }
  const getsockname = vfs.declare(
    'int __sys_getsockname(int fd, struct sockaddr __user *usockaddr, int __user *usockaddr_len)',
    (fd: number, address: number, lengthAt: number): number => nameCall(fd, address, lengthAt, false),
  )
  const getpeername = vfs.declare(
    'int __sys_getpeername(int fd, struct sockaddr __user *usockaddr, int __user *usockaddr_len)',
    (fd: number, address: number, lengthAt: number): number => nameCall(fd, address, lengthAt, true),
  )

  // Messages

  /** A struct msghdr on the kernel stack. */
  const newMessage = (iter: IovIter, flags: number, name?: Uint8Array): Message => {
    k.current.sp -= msghdrBytes
    const at = k.current.sp
    const { msghdr } = layout
    mem.u8.fill(0, at, at + msghdrBytes)
    mem.u8.copyWithin(at + msghdr.iter, iter.at, iter.at + vfs.layout.iov_iter.size)
    mem.dv.setInt32(at + msghdr.flags, flags, true)
    return { at, iter, flags, name, files: [], outFlags: 0 }
  }
  const userIter = (segments: readonly Segment[]): IovIter => {
    k.current.sp -= (vfs.layout.iov_iter.size + 15) & ~15
    return new IovIter(context, k.current.sp, vfs.mm, segments)
  }

  const securitySend = vfs.security('int security_socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)')
  const sendBody = (socket: Socket, message: Message): MaybeWait<number> => {
    const size = message.iter.count
    return securitySend(socket, message, size) || socket.ops.sendmsg(socket, message, size)
  }
  /** sock_sendmsg() is a function of its own on this path until 6.5; later only modules call it. */
  const send = vfs.declare('int sock_sendmsg(struct socket *sock, struct msghdr *msg)', sendBody, vfs.isLegacy)
  const securityReceive = vfs.security(
    'int security_socket_recvmsg(struct socket *sock, struct msghdr *msg, int size, int flags)',
  )
  const receiveCall = vfs.declare(
    'int sock_recvmsg(struct socket *sock, struct msghdr *msg, int flags)',
    (socket: Socket, message: Message, flags: number): MaybeWait<number> => {
      const size = message.iter.count
      return securityReceive(socket, message, size, flags) || socket.ops.recvmsg(socket, message, size, flags)
    },
  )
  const receive = (socket: Socket, message: Message, _size: number, flags: number): MaybeWait<number> =>
    receiveCall(socket, message, flags)

  const nonblocking = (socket: Socket, flags: number): number =>
    socket.file!.flags & O.nonblock ? flags | MSG.dontwait : flags

  const sendto = vfs.declare(
    'int __sys_sendto(int fd, void __user *buff, size_t len, unsigned int flags, struct sockaddr __user *addr, int addr_len)',
    (
      fd: number,
      buffer: number,
      length: number,
      flags: number,
      address: number,
      addressLength: number,
    ): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const name = address === 0 ? undefined : readAddress(address, addressLength)
      if (typeof name === 'number') return name
      return send(socket, newMessage(userIter([{ base: buffer, length }]), nonblocking(socket, flags), name))
    },
  )
  const senderOut = (message: Message, result: number, address: number, lengthAt: number): number => {
    if (result < 0 || address === 0) return result
    const failed = writeAddress(message.name ?? new Uint8Array(), address, lengthAt)
    return failed < 0 ? failed : result
  }
  function* senderLater(message: Message, wait: Wait<number>, address: number, lengthAt: number): Wait<number> {
    return senderOut(message, yield* wait, address, lengthAt)
  }
  const recvfrom = vfs.declare(
    'int __sys_recvfrom(int fd, void __user *ubuf, size_t size, unsigned int flags, struct sockaddr __user *addr, int __user *addr_len)',
    (fd: number, buffer: number, size: number, flags: number, address: number, lengthAt: number): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const all = nonblocking(socket, flags)
      const message = newMessage(userIter([{ base: buffer, length: size }]), all)
      const result = receive(socket, message, size, all)
      return isWait(result)
        ? senderLater(message, result, address, lengthAt)
        : senderOut(message, result, address, lengthAt)
    },
  )

  /** struct user_msghdr */
  const readHeader = (address: number) => {
    const bytes = new Uint8Array(56)
    if (vfs.mm.read(address, bytes, 0, 56) > 0) return -ERRNO.EFAULT
    const view = new DataView(bytes.buffer)
    const word = (at: number): number => view.getUint32(at, true) + view.getInt32(at + 4, true) * 0x1_0000_0000
    const segments = vfs.io.importIovec(word(16), word(24))
    if (typeof segments === 'number') return segments === -ERRNO.EINVAL ? -ERRNO.EMSGSIZE : segments
    return { name: word(0), nameLength: view.getInt32(8, true), segments, control: word(32), controlLength: word(40) }
  }

  /** __scm_send(): files named in SCM_RIGHTS, held; negative errno. */
  const controlFiles = (address: number, length: number): File[] | number => {
    if (length > CONTROL_MAX) return -ERRNO.ENOBUFS
    const bytes = new Uint8Array(length)
    if (length > 0 && vfs.mm.read(address, bytes, 0, length) > 0) return -ERRNO.EFAULT
    const view = new DataView(bytes.buffer)
    const files: File[] = []
    for (let at = 0; at + 16 <= length; ) {
      const size = view.getUint32(at, true)
      if (size < 16 || at + size > length) return -ERRNO.EINVAL
      if (view.getInt32(at + 8, true) === SOL.socket && view.getInt32(at + 12, true) === SCM_RIGHTS) {
        const count = (size - 16) >> 2
        if (count > SCM_MAX_FD) return -ERRNO.EINVAL
        for (let i = 0; i < count; i++) {
          const file = vfs.usable(view.getInt32(at + 16 + i * 4, true))
          if (!file) return -ERRNO.EBADF
          files.push(file)
        }
      }
      at += (size + 7) & ~7
    }
    for (const file of files) file.hold()
    return files
  }
  const sendmsg = vfs.declare(
    'long __sys_sendmsg(int fd, struct user_msghdr __user *msg, unsigned int flags, bool forbid_cmsg_compat)',
    (fd: number, header: number, flags: number, _compat: number): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const user = readHeader(header)
      if (typeof user === 'number') return user
      const name =
        user.name === 0 || user.nameLength === 0
          ? undefined
          : readAddress(user.name, Math.min(user.nameLength, SOCKADDR_MAX))
      if (typeof name === 'number') return name
      const files = user.control === 0 ? [] : controlFiles(user.control, user.controlLength)
      if (typeof files === 'number') return files
      const message = newMessage(userIter(user.segments), nonblocking(socket, flags), name)
      message.files = files
      return send(socket, message)
    },
  )

  /** scm_detach_fds(): descriptors for the files that came along, and their control message; bytes of it. */
  const giveFiles = (message: Message, control: number, length: number, flags: number): number => {
    const room = Math.max(0, Math.floor((length - 16) / 4))
    const fds: number[] = []
    for (const file of message.files.splice(0)) {
      const fd = fds.length < room ? vfs.open.getUnusedFd(flags & MSG.cmsgCloexec ? O.cloexec : 0) : -1
      if (fd < 0) {
        message.outFlags |= MSG.ctrunc
        file.put()
        continue
      }
      vfs.open.fdInstall(fd, file)
      fds.push(fd)
    }
    if (fds.length === 0) return 0
    const size = 16 + fds.length * 4
    const bytes = new Uint8Array((size + 7) & ~7)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, size, true)
    view.setInt32(8, SOL.socket, true)
    view.setInt32(12, SCM_RIGHTS, true)
    fds.forEach((fd, i) => {
      view.setInt32(16 + i * 4, fd, true)
    })
    const stored = Math.min(bytes.length, length)
    vfs.mm.write(control, bytes, 0, stored)
    return stored
  }
  const finishReceive = (
    header: number,
    user: Exclude<ReturnType<typeof readHeader>, number>,
    message: Message,
    flags: number,
    result: number,
  ): number => {
    if (result < 0) return result
    const control =
      user.control === 0 && message.files.length === 0 ? 0 : giveFiles(message, user.control, user.controlLength, flags)
    if (user.name !== 0) {
      const name = message.name ?? new Uint8Array()
      const length = Math.min(user.nameLength, name.length)
      if (length > 0 && vfs.mm.write(user.name, name, 0, length) > 0) return -ERRNO.EFAULT
      vfs.writeUserInt32(header + 8, name.length)
    }
    vfs.writeUserInt64(header + 40, control)
    vfs.writeUserInt32(header + 48, message.outFlags)
    return result
  }
  function* finishLater(
    header: number,
    user: Exclude<ReturnType<typeof readHeader>, number>,
    message: Message,
    flags: number,
    wait: Wait<number>,
  ): Wait<number> {
    return finishReceive(header, user, message, flags, yield* wait)
  }
  const recvmsg = vfs.declare(
    'long __sys_recvmsg(int fd, struct user_msghdr __user *msg, unsigned int flags, bool forbid_cmsg_compat)',
    (fd: number, header: number, flags: number, _compat: number): MaybeWait<number> => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const user = readHeader(header)
      if (typeof user === 'number') return user
      const all = nonblocking(socket, flags)
      const message = newMessage(userIter(user.segments), all)
      const result = receive(socket, message, message.iter.count, all)
      return isWait(result)
        ? finishLater(header, user, message, flags, result)
        : finishReceive(header, user, message, flags, result)
    },
  )

  // Options and the end

  const securityShutdown = vfs.security('int security_socket_shutdown(struct socket *sock, int how)')
  const shutdown = vfs.declare('int __sys_shutdown(int fd, int how)', (fd: number, how: number): number => {
    const socket = socketOf(fd)
    if (typeof socket === 'number') return socket
    return securityShutdown(socket, how) || socket.ops.shutdown(socket, how)
  })
  const securitySet = vfs.security('int security_socket_setsockopt(struct socket *sock, int level, int optname)')
  const setsockopt = vfs.declare(
    'int __sys_setsockopt(int fd, int level, int optname, char __user *user_optval, int optlen)',
    (fd: number, level: number, name: number, address: number, length: number): number => {
      if (length < 0) return -ERRNO.EINVAL
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const refused = securitySet(socket, level, name)
      if (refused) return refused
      const value = new Uint8Array(Math.min(length, 4096))
      if (vfs.mm.read(address, value, 0, value.length) > 0) return -ERRNO.EFAULT
      return socket.ops.setsockopt(socket, level, name, value)
    },
  )
  const securityGet = vfs.security('int security_socket_getsockopt(struct socket *sock, int level, int optname)')
  const getsockopt = vfs.declare(
    'int __sys_getsockopt(int fd, int level, int optname, char __user *optval, int __user *optlen)',
    (fd: number, level: number, name: number, address: number, lengthAt: number): number => {
      const socket = socketOf(fd)
      if (typeof socket === 'number') return socket
      const refused = securityGet(socket, level, name)
      if (refused) return refused
      const room = vfs.readUserInt32(lengthAt)
      if (room === undefined) return -ERRNO.EFAULT
      if (room < 0) return -ERRNO.EINVAL
      const value = socket.ops.getsockopt(socket, level, name)
      if (typeof value === 'number') return value
      const length = Math.min(room, value.length)
      if (vfs.mm.write(address, value, 0, length) > 0) return -ERRNO.EFAULT
      return vfs.writeUserInt32(lengthAt, length) ? 0 : -ERRNO.EFAULT
    },
  )

  // biome-ignore format: one name a word
  return {
    socket: socketCall, socketpair, bind, listen, accept4, connect, getsockname, getpeername, sendto, recvfrom, sendmsg, recvmsg, shutdown,
    setsockopt, getsockopt,
  }
}
