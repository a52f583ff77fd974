import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { POLL } from '../../../kernel-sim/fs/file-ops.ts'
import { O } from '../../../kernel-sim/fs/uapi.ts'
import { AF, MSG, SO, SOCK, SOL, STATE } from '../../../kernel-sim/net/uapi.ts'
import { pollSyscalls } from '../../../kernel-sim/syscalls/poll.ts'
import { socketSyscalls } from '../../../kernel-sim/syscalls/sockets.ts'
import { Machine, type Process } from '../fs/machine.ts'

const { EADDRINUSE, EAGAIN, ECONNREFUSED, EINPROGRESS, EISCONN, ENETUNREACH, ENOENT, ENOTCONN, ENOTSOCK, EPIPE } = ERRNO

const newMachine = (kernel?: string) =>
  new Machine({ families: [socketSyscalls, pollSyscalls], ...(kernel ? { kernel } : {}) })

function inet(port: number, ip = [127, 0, 0, 1]): Uint8Array {
  return Uint8Array.of(AF.inet, 0, port >> 8, port & 255, ...ip, 0, 0, 0, 0, 0, 0, 0, 0)
}
function unix(path: string): Uint8Array {
  return Uint8Array.of(AF.unix, 0, ...[...path].map((c) => c.charCodeAt(0)), 0)
}
function server(p: Process, port = 8080): number {
  const fd = p.sys('socket', AF.inet, SOCK.stream, 0)
  expect(p.sys('bind', fd, inet(port), 16)).toBe(0)
  expect(p.sys('listen', fd, 128)).toBe(0)
  return fd
}
function pollOne(p: Process, fd: number, events: number): number {
  const entry = new Uint8Array(8)
  const view = new DataView(entry.buffer)
  view.setInt32(0, fd, true)
  view.setInt16(4, events, true)
  const at = p.put(entry)
  p.sys('poll', at, 1, 0)
  return p.view(8, at).getUint16(6, true)
}

describe.each(['6.12', '6.1'])('TCP over loopback on %s', (kernel) => {
  test('connects, talks and closes, and the structs say so', () => {
    const machine = newMachine(kernel)
    const { k } = machine
    const states: number[][] = []
    k.trace.inetSockSetState.attachRaw((at) => {
      states.push([k.mem.i32[(at + 8) >> 2]!, k.mem.i32[(at + 16) >> 2]!])
    })
    const p = machine.process()
    const q = machine.process()
    const listener = server(p)
    const client = q.sys('socket', AF.inet, SOCK.stream, 0)
    expect(q.sys('connect', client, inet(8080), 16)).toBe(0)
    const conn = p.sys('accept4', listener, 0, 0, SOCK.nonblock)
    expect(conn).toBe(1)

    // As a probe on tcp_* would read it: socket->sk->__sk_common.
    const file = q.task.files!.get(client)!
    const { net } = k
    const socket = k.mem.readPtr(file.at + k.vfs.layout.file.private_data)
    const sk = k.mem.readPtr(socket + net.layout.sock.sk)
    expect(k.mem.dv.getUint16(sk + net.layout.family, true)).toBe(AF.inet)
    expect(k.mem.dv.getUint16(sk + net.layout.dport, false)).toBe(8080)
    expect([...k.mem.bytes(sk + net.layout.daddr, 4)]).toEqual([127, 0, 0, 1])
    const port = k.mem.dv.getUint16(sk + net.layout.num, true)
    expect(port % 2).toBe(0)
    expect(k.mem.u8[sk + net.layout.state]).toBe(STATE.established)

    q.task.mm!.write(q.out, Uint8Array.of(16, 0, 0, 0), 0, 4)
    expect(q.sys('getpeername', client, q.out + 16, q.out)).toBe(0)
    expect([...q.bytes(8, q.out + 16)]).toEqual([...inet(8080).subarray(0, 8)])

    expect(p.sys('recvfrom', conn, p.out, 10, 0)).toBe(-EAGAIN)
    expect(q.sys('sendto', client, 'GET /', 5, MSG.nosignal)).toBe(5)
    expect(pollOne(p, conn, POLL.in)).toBe(POLL.in)
    expect(p.sys('recvfrom', conn, p.out, 3, MSG.peek)).toBe(3)
    expect(p.sys('read', conn, p.out, 100)).toBe(5)
    expect(p.text(5)).toBe('GET /')
    expect(p.sys('write', conn, '200', 3)).toBe(3)
    expect(p.sys('close', conn)).toBe(0)
    expect(q.sys('read', client, q.out, 100)).toBe(3)
    expect(q.sys('read', client, q.out, 100)).toBe(0)
    expect(pollOne(q, client, POLL.in | POLL.rdhup)).toBe(POLL.in | POLL.rdhup)
    expect(q.sys('close', client)).toBe(0)
    expect(states).toEqual([
      [STATE.close, STATE.listen],
      [STATE.close, STATE.synSent],
      [STATE.close, STATE.synRecv],
      [STATE.synSent, STATE.established],
      [STATE.synRecv, STATE.established],
      [STATE.established, STATE.finWait1],
      [STATE.finWait1, STATE.finWait2],
      [STATE.established, STATE.closeWait],
      [STATE.closeWait, STATE.lastAck],
      [STATE.lastAck, STATE.close],
      [STATE.finWait2, STATE.close],
    ])
  })
})

describe('TCP', () => {
  test('a non-blocking connect is in progress, then writable without error', () => {
    const p = newMachine().process()
    server(p)
    const client = p.sys('socket', AF.inet, SOCK.stream | SOCK.nonblock, 0)
    expect(p.sys('connect', client, inet(8080), 16)).toBe(-EINPROGRESS)
    expect(pollOne(p, client, POLL.out)).toBe(POLL.out)
    p.task.mm!.write(p.out, Uint8Array.of(4, 0, 0, 0), 0, 4)
    expect(p.sys('getsockopt', client, SOL.socket, SO.error, p.out + 8, p.out)).toBe(0)
    expect(p.view(4, p.out + 8).getInt32(0, true)).toBe(0)
    expect(p.sys('connect', client, inet(8080), 16)).toBe(0)
    expect(p.sys('connect', client, inet(8080), 16)).toBe(-EISCONN)
  })

  test('refuses as Linux does', () => {
    const p = newMachine().process()
    const fd = p.sys('socket', AF.inet, SOCK.stream, 0)
    expect(p.sys('connect', fd, inet(1), 16)).toBe(-ECONNREFUSED)
    expect(p.sys('connect', fd, inet(80, [10, 0, 0, 1]), 16)).toBe(-ENETUNREACH)
    server(p)
    const second = p.sys('socket', AF.inet, SOCK.stream, 0)
    expect(p.sys('bind', second, inet(8080), 16)).toBe(-EADDRINUSE)
    expect(p.sys('getpeername', second, p.out, p.out)).toBe(-ENOTCONN)
    const file = p.open('/etc/passwd')
    expect(p.sys('listen', file, 1)).toBe(-ENOTSOCK)
  })

  test('accept sleeps until somebody connects, writers until there is room', () => {
    const machine = newMachine()
    const p = machine.process()
    const q = machine.process()
    const listener = server(p)
    const waiting = p.begin('accept4', listener, 0, 0, 0)
    if (typeof waiting === 'number') throw new Error('accept did not sleep')
    expect(p.resume(waiting)).toBeUndefined()
    const client = q.sys('socket', AF.inet, SOCK.stream, 0)
    q.sys('connect', client, inet(8080), 16)
    const conn = p.resume(waiting)!
    expect(conn).toBe(1)
    const page = new Uint8Array(65536)
    q.task.mm!.write(q.out, page, 0, page.length)
    let writing: ReturnType<Process['begin']> = 0
    let sent = 0
    while (typeof writing === 'number') {
      sent += writing
      writing = q.begin('write', client, q.out, 65536)
    }
    expect(sent).toBeGreaterThan(131072)
    for (let read = 0; read < sent; ) read += p.sys('read', conn, p.out, 65536)
    expect(q.resume(writing)).toBe(65536)
  })
})

describe('AF_UNIX', () => {
  test('a name in the tree, a stream through it', () => {
    const machine = newMachine()
    const p = machine.process()
    const fd = p.sys('socket', AF.unix, SOCK.stream, 0)
    const client = p.sys('socket', AF.unix, SOCK.stream | SOCK.cloexec | SOCK.nonblock, 0)
    expect(p.sys('connect', client, unix('/run/nobody'), 110)).toBe(-ENOENT)
    expect(p.sys('bind', fd, unix('/run/s'), 9)).toBe(0)
    expect(p.sys('connect', client, unix('/run/s'), 9)).toBe(-ECONNREFUSED)
    expect(p.sys('listen', fd, 5)).toBe(0)
    expect(p.sys('connect', client, unix('/run/s'), 9)).toBe(0)
    const conn = p.sys('accept4', fd, 0, 0, 0)
    expect(p.sys('write', client, 'hi', 2)).toBe(2)
    expect(p.sys('read', conn, p.out, 10)).toBe(2)
    expect(p.sys('bind', p.sys('socket', AF.unix, SOCK.stream, 0), unix('/run/s'), 9)).toBe(-EADDRINUSE)
  })

  test('a pair: end of file, EPIPE with SIGPIPE', () => {
    const machine = newMachine()
    const p = machine.process()
    expect(p.sys('socketpair', AF.unix, SOCK.stream, 0, p.out)).toBe(0)
    const [a, b] = [p.view(8).getInt32(0, true), p.view(8).getInt32(4, true)]
    p.sys('write', a, 'x', 1)
    p.sys('close', a)
    expect(p.sys('read', b, p.out, 10)).toBe(1)
    expect(p.sys('read', b, p.out, 10)).toBe(0)
    expect(p.sys('write', b, 'x', 1)).toBe(-EPIPE)
    expect(machine.signals).toEqual([13])
    expect(p.sys('sendto', b, 'x', 1, MSG.nosignal)).toBe(-EPIPE)
    expect(machine.signals).toEqual([13])
  })

  test('passes files', () => {
    const p = newMachine().process()
    p.sys('socketpair', AF.unix, SOCK.stream, 0, p.out)
    const file = p.open('/etc/hostname')
    const header = (control: Uint8Array): Uint8Array => {
      const data = p.put('y')
      const iov = new BigUint64Array([BigInt(data), 1n])
      const iovAt = p.put(new Uint8Array(iov.buffer))
      const controlAt = p.put(control)
      return new Uint8Array(
        new BigUint64Array([0n, 0n, BigInt(iovAt), 1n, BigInt(controlAt), BigInt(control.length), 0n]).buffer,
      )
    }
    const rights = new Uint8Array(24)
    new DataView(rights.buffer).setUint32(0, 20, true)
    rights[8] = 1
    rights[12] = 1
    rights[16] = file
    const at = p.out + 4096
    p.sys('getcwd', p.out + 8192, 10)
    p.task.mm!.write(at, header(rights), 0, 56)
    expect(p.sendRaw('sendmsg', 0, at)).toBe(1)
    p.sys('close', file)
    p.task.mm!.write(at, header(new Uint8Array(24)), 0, 56)
    expect(p.sendRaw('recvmsg', 1, at)).toBe(1)
    expect(p.sys('pread64', 2, p.out, 6, 0)).toBe(6)
    expect(p.text(6)).toBe('bpfsim')
  })
})

describe('epoll', () => {
  test('level and edge triggered, and gone with the file', () => {
    const machine = newMachine()
    const p = machine.process()
    p.sys('socketpair', AF.unix, SOCK.stream, 0, p.out)
    const ep = p.sys('epoll_create1', O.cloexec)
    const event = (events: number, data: number): Uint8Array => {
      const bytes = new Uint8Array(12)
      const view = new DataView(bytes.buffer)
      view.setInt32(0, events, true)
      view.setInt32(4, data, true)
      return bytes
    }
    const wait = (): number[] => {
      const count = p.sys('epoll_wait', ep, p.out, 10, 0)
      return Array.from({ length: count }, (_, i) => p.view(12 * count).getInt32(i * 12 + 4, true))
    }
    expect(p.sys('epoll_ctl', ep, 1, 0, event(POLL.in, 7))).toBe(0)
    expect(p.sys('epoll_ctl', ep, 1, 0, event(POLL.in, 7))).toBe(-ERRNO.EEXIST)
    expect(p.sys('epoll_ctl', ep, 1, p.open('/etc/passwd'), event(POLL.in, 8))).toBe(-ERRNO.EPERM)
    expect(wait()).toEqual([])
    const sleeping = p.begin('epoll_wait', ep, p.out, 10, -1)
    if (typeof sleeping === 'number') throw new Error('epoll_wait did not sleep')
    p.sys('write', 1, 'abc', 3)
    expect(p.resume(sleeping)).toBe(1)
    expect(wait()).toEqual([7])
    p.sys('epoll_ctl', ep, 3, 0, event(POLL.in | POLL.et, 9))
    expect(wait()).toEqual([9])
    expect(wait()).toEqual([])
    p.sys('write', 1, 'abc', 3)
    expect(wait()).toEqual([9])
    p.sys('close', 0)
    expect(wait()).toEqual([])
  })
})
