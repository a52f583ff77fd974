// The system calls of the task API (api.ts): each lays its arguments into user memory and says which call to make.

import { UserError } from '../../base/errors.ts'
import { Buffer, type CallArgument, type Program, type ReadResult, type Step, type Sys } from './api.ts'
import type { UserArena } from './arena.ts'
import type { ProgramUser, Request } from './program.ts'
import type { UserStep } from './user-side.ts'

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const CLONE_VFORK = 0x4000
const CLONE_VM = 0x100
const CLONE_THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
const SIGCHLD = 17
const SIG_DFL = 0
const SIG_IGN = 1
const PR_SET_NAME = 15
const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS = 0x22
const AF_INET = 2
const STAT_BYTES = 144
const STATFS_BYTES = 120
const GETDENTS_BYTES = 32768
const PATH_BYTES = 4096
const ENOENT = 2

export function makeSys(user: ProgramUser): Sys {
  /** Make the call `name`; `finish` turns its result into what the program gets. */
  function call<T>(name: string, args: readonly CallArgument[], finish: (result: number) => T): Step<T> {
    const nr = user.context.syscallNumber(name)
    const buffers: { buffer: Buffer; at: number }[] = []
    const begin = (arena: UserArena): UserStep => {
      const words = args.map((arg) => {
        if (typeof arg === 'number') return arg
        if (arg === null) return 0
        if (typeof arg === 'string') return arena.place(latin1(arg), arg.length + 1)
        if (arg instanceof Uint8Array) return arena.place(arg)
        const at = arena.room(arg.size)
        buffers.push({ buffer: arg, at })
        return at
      })
      while (words.length < 6) words.push(0)
      return { kind: 'syscall', nr, args: words }
    }
    const read = (result: number): T => {
      for (const { buffer, at } of buffers) buffer.data = user.arena.read(at, buffer.size)
      return finish(result)
    }
    return user.made({ name, begin }, read)
  }
  const plain = (name: string, ...args: CallArgument[]): Step<number> => call(name, args, (result) => result)

  /** A call that fills a buffer with as many bytes as it returns. */
  function reading(name: string, size: number, args: (into: Buffer) => CallArgument[]): Step<ReadResult> {
    const into = new Buffer(size)
    return call(name, args(into), (count) => ({ count, data: into.data.subarray(0, Math.max(0, count)) }))
  }

  function making(name: string, body: Program, ...args: number[]): Step<number> {
    const step = plain(name, ...args)
    return {
      [Symbol.iterator]: () => {
        user.childBody = body
        return step[Symbol.iterator]()
      },
    }
  }

  return {
    call: plain,
    // As a current C library makes them.
    open: (path, flags, mode = 0) => plain('openat', AT_FDCWD, path, flags, mode),
    openat: (dirfd, path, flags, mode = 0) => plain('openat', dirfd, path, flags, mode),
    close: (fd) => plain('close', fd),
    read: (fd, size) => reading('read', size, (into) => [fd, into, size]),
    pread: (fd, size, offset) => reading('pread64', size, (into) => [fd, into, size, offset]),
    write: (fd, data) => plain('write', fd, bytesOf(data), data.length),
    pwrite: (fd, data, offset) => plain('pwrite64', fd, bytesOf(data), data.length, offset),
    lseek: (fd, offset, whence) => plain('lseek', fd, offset, whence),
    stat: (path) => plain('newfstatat', AT_FDCWD, path, new Buffer(STAT_BYTES), 0),
    fstat: (fd) => plain('newfstatat', fd, '', new Buffer(STAT_BYTES), AT_EMPTY_PATH),
    statfs: (path) => plain('statfs', path, new Buffer(STATFS_BYTES)),
    access: (path, mode) => plain('access', path, mode),
    readlink: (path) => reading('readlink', PATH_BYTES, (into) => [path, into, PATH_BYTES]),
    getdents: (fd) => plain('getdents64', fd, new Buffer(GETDENTS_BYTES), GETDENTS_BYTES),
    mkdir: (path, mode = 0o777) => plain('mkdir', path, mode),
    rmdir: (path) => plain('rmdir', path),
    unlink: (path) => plain('unlink', path),
    rename: (from, to) => plain('rename', from, to),
    chdir: (path) => plain('chdir', path),
    dup: (fd) => plain('dup', fd),
    dup2: (from, to) => plain('dup2', from, to),
    pipe: () => {
      const fds = new Buffer(8)
      return call('pipe2', [fds, 0], (result): readonly [number, number] =>
        result < 0 ? [result, result] : [fds.int32(0), fds.int32(4)],
      )
    },
    fsync: (fd) => plain('fsync', fd),
    ioctl: (fd, request) => plain('ioctl', fd, request, new Buffer(64)),

    brk: (address) => plain('brk', address),
    mmap: (bytes) => plain('mmap', 0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0),
    munmap: (address, bytes) => plain('munmap', address, bytes),

    fork: (body) => making('clone', body, SIGCHLD, 0, 0, 0, 0),
    vfork: (body) => making('clone', body, CLONE_VFORK | CLONE_VM | SIGCHLD, 0, 0, 0, 0),
    thread: (body) => making('clone', body, CLONE_THREAD_FLAGS, 0, 0, 0, 0),
    execve: (path, argv, body) => {
      const program = body ?? user.context.programs[path]
      if (!program) {
        // Nothing is known of what this program does; a file that is not there fails in the kernel, as it should.
        const step = exec(path, argv)
        return user.made({ name: 'execve', begin: step }, (result) => {
          if (result === -ENOENT) return result
          throw new UserError(
            `workload ${user.context.workload}: execve('${path}') needs a body, or programs['${path}']`,
          )
        })
      }
      const begin = exec(path, argv)
      return user.made(
        {
          name: 'execve',
          begin: (arena) => {
            user.nextBody = { body: program, argv }
            return begin(arena)
          },
        },
        (result) => result,
      )
    },
    exit: (status) => call('exit_group', [status], () => undefined as never),
    wait4: (pid, options = 0) => {
      const status = new Buffer(4)
      return call('wait4', [pid, status, options, null], (result) => ({ pid: result, status: status.int32() }))
    },
    kill: (pid, signal) => plain('kill', pid, signal),
    sigaction: (signal, action) => {
      const act = new Uint8Array(32)
      const view = new DataView(act.buffer)
      if (typeof action === 'function') {
        const { handler, flags } = user.handlerAddress(action)
        view.setBigUint64(0, BigInt(handler), true)
        view.setBigUint64(8, BigInt(flags), true)
      } else view.setBigUint64(0, BigInt(action === 'ignore' ? SIG_IGN : SIG_DFL), true)
      return plain('rt_sigaction', signal, act, null, 8)
    },
    getpid: () => plain('getpid'),
    getppid: () => plain('getppid'),
    gettid: () => plain('gettid'),
    getuid: () => plain('getuid'),
    setuid: (uid) => plain('setuid', uid),
    nanosleep: (ns) => plain('nanosleep', timespec(ns), null),
    sched_yield: () => plain('sched_yield'),
    setName: (comm) => plain('prctl', PR_SET_NAME, comm),

    socket: (family, type, protocol = 0) => plain('socket', family, type, protocol),
    bind: (fd, address, port) => plain('bind', fd, sockaddr(address, port), 16),
    connect: (fd, address, port) => plain('connect', fd, sockaddr(address, port), 16),
    listen: (fd, backlog) => plain('listen', fd, backlog),
    accept: (fd) => plain('accept4', fd, null, null, 0),
  }

  /** execve with argv in user memory and no environment. */
  function exec(path: string, argv: readonly string[]): Request['begin'] {
    const nr = user.context.syscallNumber('execve')
    return (arena) => {
      const words = new BigUint64Array(argv.length + 1)
      argv.forEach((arg, i) => {
        words[i] = BigInt(arena.place(latin1(arg), arg.length + 1))
      })
      const filename = arena.place(latin1(path), path.length + 1)
      const vector = arena.place(new Uint8Array(words.buffer))
      return { kind: 'syscall', nr, args: [filename, vector, arena.place(new Uint8Array(8)), 0, 0, 0] }
    }
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0))
}

const bytesOf = (data: string | Uint8Array): Uint8Array => (typeof data === 'string' ? latin1(data) : data)

function timespec(ns: number): Uint8Array {
  const words = new BigInt64Array([BigInt(Math.floor(ns / 1e9)), BigInt(ns % 1e9)])
  return new Uint8Array(words.buffer)
}

function sockaddr(address: string, port: number): Uint8Array {
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 0xff, ...address.split('.').map(Number), 0, 0, 0, 0, 0, 0, 0, 0)
}
