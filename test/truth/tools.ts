// What each tool must report of a recording, worked out from its text: in the order of the tool's own events.

import { type Line, Names, readText, resultNumber, splitArgs, unquote } from './recording.ts'

/** Numbers of Linux that the texts name (x86-64). */
const ERRNO: Record<string, number> = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  EACCES: 13,
  EEXIST: 17,
  ENOTDIR: 20,
  EINVAL: 22,
  ENOTTY: 25,
  ESPIPE: 29,
  EPIPE: 32,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
  EINPROGRESS: 115,
  ERESTARTSYS: 512,
  ERESTARTNOHAND: 514,
}
const O_FLAGS: Record<string, number> = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DSYNC: 0o10000,
  O_LARGEFILE: 0o100000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
}

function flags(text: string): number {
  return text.split('|').reduce((sum, word) => {
    const value = O_FLAGS[word]
    if (value === undefined) throw new Error(`open flag ${word}`)
    return sum | value
  }, 0)
}

/** Calls in the order in which they end, names kept up to date: `comm` is the process's name when the call returns. */
function* ended(recording: string): Generator<{ call: Line; comm: string; ret: number | undefined; names: Names }> {
  const text = readText(recording)
  const names = new Names(text)
  for (const call of text.calls) {
    const ret = resultNumber(call.result, ERRNO)
    if (call.name === 'execve' && ret === 0) names.exec(call)
    yield { call, comm: names.of(call.pid), ret, names }
  }
}

export interface Open {
  pid: number
  comm: string
  fname: string
  flags: number
  ret: number
}

/** opensnoop: each open and openat when it returns; file names are cut to 254 bytes. */
export function opens(recording: string): Open[] {
  const found: Open[] = []
  for (const { call, comm, ret } of ended(recording)) {
    if (call.name !== 'open' && call.name !== 'openat') continue
    const args = splitArgs(call.args)
    const at = call.name === 'open' ? 0 : 1
    found.push({ pid: call.pid, comm, fname: unquote(args[at]!).slice(0, 254), flags: flags(args[at + 1]!), ret: ret! })
  }
  return found
}

export interface Exec {
  pid: number
  ppid: number
  comm: string
  args: string[]
  ret: number
}

/** execsnoop: each execve that succeeded, with the file it names and up to 20 arguments. */
export function execs(recording: string): Exec[] {
  const found: Exec[] = []
  for (const { call, comm, ret, names } of ended(recording)) {
    if (call.name !== 'execve' || ret !== 0) continue
    const [path, argv] = splitArgs(call.args)
    const items = splitArgs(argv!.slice(1, argv!.lastIndexOf(']'))).filter((item) => item.startsWith('"'))
    found.push({
      pid: call.pid,
      ppid: names.parents.get(call.pid) ?? 0,
      comm,
      args: [unquote(path!), ...items.slice(1).map(unquote)],
      ret,
    })
  }
  return found
}

export interface Exit {
  pid: number
  ppid: number
  comm: string
  exitCode: number
  signal: number
}

/** exitsnoop: each process when it ends. */
export function exits(recording: string): Exit[] {
  const names = [...ended(recording)].at(-1)!.names
  return readText(recording).exits.map(({ pid, how }) => {
    const code = /exited with (\d+)/.exec(how)
    if (!code) throw new Error(`exit of ${pid}: ${how}`)
    return { pid, ppid: names.parents.get(pid) ?? 0, comm: names.of(pid), exitCode: Number(code[1]), signal: 0 }
  })
}

export interface Stat {
  pid: number
  comm: string
  path: string
  ret: number
}

/** statsnoop: each statfs, newfstatat and (new)stat that gave a path. */
export function stats(recording: string): Stat[] {
  const found: Stat[] = []
  for (const { call, comm, ret } of ended(recording)) {
    const at = { statfs: 0, stat: 0, lstat: 0, newfstatat: 1, statx: 1 }[call.name]
    if (at === undefined) continue
    found.push({ pid: call.pid, comm, path: unquote(splitArgs(call.args)[at]!).slice(0, 254), ret: ret! })
  }
  return found
}

/** syscount: how often each system call returned. */
export function syscalls(recording: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { call, ret } of ended(recording)) {
    if (ret !== undefined) counts.set(call.name, (counts.get(call.name) ?? 0) + 1)
  }
  return counts
}

export interface Life {
  pid: number
  name: string
}

/** filelife: each file that was created and removed again within the recording, when it is removed. */
export function lives(recording: string): Life[] {
  const found: Life[] = []
  const born = new Set<string>()
  for (const { call, ret } of ended(recording)) {
    const args = splitArgs(call.args)
    if (/^open(at)?$/.test(call.name) && ret! >= 0 && call.args.includes('O_CREAT')) {
      // Whether the file was there before is known when it must not be (O_EXCL), or when it was removed or never seen.
      born.add(/^\d+<(.*)>$/.exec(call.result)![1]!)
    }
    if ((call.name === 'unlink' || call.name === 'unlinkat') && ret === 0) {
      const folder = /^\w+<(.*)>$/.exec(args[0]!)?.[1]
      const path = unquote(args[call.name === 'unlink' ? 0 : 1]!)
      const full = path.startsWith('/') || !folder ? path : `${folder}/${path}`
      if (born.delete(full)) found.push({ pid: call.pid, name: path.slice(path.lastIndexOf('/') + 1) })
    }
  }
  return found
}
