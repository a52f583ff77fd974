// The task API: what simulated programs are written with. A program is a generator; each system call is yielded:
//
//   workload('leaky', function* ({ sys, rng }) {
//     const fd = yield* sys.open('/etc/hosts', O_RDONLY)
//     yield* sys.nanosleep(rng.between(1_000, 50_000))
//     yield* sys.close(fd)
//   })
//
// Calls return what the kernel returns: a number, negative errno on failure. A few that fill a buffer return its contents instead.

import type { Rng } from '../../base/rng.ts'

/** What a program yields to the kernel: make it with `sys`, `compute` and the like, and hand it over with `yield*`. */
export interface Step<T> {
  [Symbol.iterator](): Iterator<unknown, T, number>
}

/** A program that runs. What it returns is its exit status; anything but a number counts as 0. */
export type ProgramRun = Generator<unknown, unknown, number>

/** A program's body. */
export type Program = (task: TaskApi) => ProgramRun

/** An argument of `sys.call`: numbers as they are; texts with their NUL and bytes laid into user memory; `buffer(n)` room for n bytes. */
export type CallArgument = number | string | Uint8Array | Buffer | null

/** Room that the kernel fills; `data` holds its bytes after the call. */
export class Buffer {
  readonly size: number
  /** Contents after the call that it was passed to. */
  data: Uint8Array = new Uint8Array()

  constructor(size: number) {
    this.size = size
  }

  /** A signed 32-bit integer of the contents. */
  int32(at = 0): number {
    return new DataView(this.data.buffer, this.data.byteOffset).getInt32(at, true)
  }
}

export const buffer = (size: number): Buffer => new Buffer(size)

export interface WaitResult {
  /** The child that ended, 0 with WNOHANG when none did, or a negative errno. */
  readonly pid: number
  readonly status: number
}

export interface ReadResult {
  /** Bytes read, 0 at the end, or a negative errno. */
  readonly count: number
  readonly data: Uint8Array
}

/** System calls. `sys.call(name, …)` makes any of them. */
export interface Sys {
  call(name: string, ...args: CallArgument[]): Step<number>

  open(path: string, flags: number, mode?: number): Step<number>
  openat(dirfd: number, path: string, flags: number, mode?: number): Step<number>
  close(fd: number): Step<number>
  read(fd: number, size: number): Step<ReadResult>
  pread(fd: number, size: number, offset: number): Step<ReadResult>
  write(fd: number, data: string | Uint8Array): Step<number>
  pwrite(fd: number, data: string | Uint8Array, offset: number): Step<number>
  lseek(fd: number, offset: number, whence: number): Step<number>
  /** Only the result: the struct is not handed on. */
  stat(path: string): Step<number>
  fstat(fd: number): Step<number>
  statfs(path: string): Step<number>
  access(path: string, mode: number): Step<number>
  readlink(path: string): Step<ReadResult>
  getdents(fd: number): Step<number>
  mkdir(path: string, mode?: number): Step<number>
  rmdir(path: string): Step<number>
  unlink(path: string): Step<number>
  rename(from: string, to: string): Step<number>
  chdir(path: string): Step<number>
  dup(fd: number): Step<number>
  dup2(from: number, to: number): Step<number>
  /** The two descriptors, or an errno in place of the first. */
  pipe(): Step<readonly [read: number, write: number]>
  fsync(fd: number): Step<number>
  ioctl(fd: number, request: number): Step<number>

  brk(address: number): Step<number>
  /** Anonymous, private, readable and writable. */
  mmap(bytes: number): Step<number>
  munmap(address: number, bytes: number): Step<number>

  /** A child that runs `body`; the parent gets its pid. */
  fork(body: Program): Step<number>
  /** The same, and the parent waits until the child has called execve or exited. */
  vfork(body: Program): Step<number>
  /** A thread of this process. */
  thread(body: Program): Step<number>
  /**
   * Become another program: `body`, or the workload's program of that path. Comes back only when it failed.
   */
  execve(path: string, argv: readonly string[], body?: Program): Step<number>
  /** Never comes back. */
  exit(status: number): Step<never>
  wait4(pid: number, options?: number): Step<WaitResult>
  kill(pid: number, signal: number): Step<number>
  /** What to do on a signal: a body that runs then, the default action or nothing. */
  sigaction(signal: number, action: Program | 'default' | 'ignore'): Step<number>
  getpid(): Step<number>
  getppid(): Step<number>
  gettid(): Step<number>
  getuid(): Step<number>
  setuid(uid: number): Step<number>
  nanosleep(ns: number): Step<number>
  sched_yield(): Step<number>
  /** PR_SET_NAME */
  setName(comm: string): Step<number>

  socket(family: number, type: number, protocol?: number): Step<number>
  /** IPv4. */
  bind(fd: number, address: string, port: number): Step<number>
  connect(fd: number, address: string, port: number): Step<number>
  listen(fd: number, backlog: number): Step<number>
  accept(fd: number): Step<number>
}

/** What a program is given. */
export interface TaskApi {
  readonly sys: Sys
  /** The program's own stream of chance. */
  readonly rng: Rng
  /** As execve passed them; a workload's first program has its name. */
  readonly argv: readonly string[]
  /** Use the CPU for so long. */
  compute(ns: number): Step<void>
  /** Touch a page of user memory: it faults in. */
  touch(address: number): Step<void>
}

export interface Workload {
  readonly name: string
  /** One line for `bpfsim list workloads`. */
  readonly about: string
  readonly main: Program
  /** Programs by path, for execve without a body. */
  readonly programs: Readonly<Record<string, Program>>
}

/** Declare a workload. `comm` of its first task is the name. */
export function workload(
  name: string,
  main: Program,
  options: { about?: string; programs?: Record<string, Program> } = {},
): Workload {
  return { name, about: options.about ?? '', main, programs: options.programs ?? {} }
}
