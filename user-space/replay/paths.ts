// Which arguments of recorded calls are paths, and where they lead. Descriptors carry their folder in strace's -y annotation.

import type { RecordedCall } from './strace/record.ts'
import type { Value } from './strace/value.ts'

/** Positions of the path and of the descriptor it is relative to (-1: the working directory). */
export interface PathArg {
  readonly path: number
  readonly dirfd: number
}

const at = (path: number, dirfd = -1): PathArg => ({ path, dirfd })

/** Every call of the file system family that names files. */
export const PATH_ARGS: Readonly<Record<string, readonly PathArg[]>> = {
  access: [at(0)],
  faccessat: [at(1, 0)],
  faccessat2: [at(1, 0)],
  open: [at(0)],
  openat: [at(1, 0)],
  openat2: [at(1, 0)],
  creat: [at(0)],
  stat: [at(0)],
  lstat: [at(0)],
  newfstatat: [at(1, 0)],
  statx: [at(1, 0)],
  statfs: [at(0)],
  readlink: [at(0)],
  readlinkat: [at(1, 0)],
  execve: [at(0)],
  execveat: [at(1, 0)],
  chdir: [at(0)],
  chmod: [at(0)],
  fchmodat: [at(1, 0)],
  chown: [at(0)],
  lchown: [at(0)],
  fchownat: [at(1, 0)],
  utimensat: [at(1, 0)],
  truncate: [at(0)],
  mkdir: [at(0)],
  mkdirat: [at(1, 0)],
  rmdir: [at(0)],
  unlink: [at(0)],
  unlinkat: [at(1, 0)],
  rename: [at(0), at(1)],
  renameat: [at(1, 0), at(3, 2)],
  renameat2: [at(1, 0), at(3, 2)],
  link: [at(0), at(1)],
  linkat: [at(1, 0), at(3, 2)],
  symlink: [at(1)],
  symlinkat: [at(2, 1)],
}

/** `..`, `.` and doubled slashes resolved as text; the result begins with `/` and has no trailing one (but the root). */
export function normalise(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return `/${parts.join('/')}`
}

export const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')))
export const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** The file that a descriptor's annotation names, if it is one that has a path (not a pipe, socket or anonymous inode). */
export function pathOfFd(name: string | undefined): string | undefined {
  if (!name?.startsWith('/')) return undefined
  return name.replace(/<(char|block) \d+:\d+>$/, '').replace(/ ?\(deleted\)$/, '')
}

/** Working directories, known from AT_FDCWD<…> annotations, chdir, fchdir and getcwd; a child starts in its parent's. */
export class WorkingDirectories {
  readonly #of = new Map<number, string>()

  constructor(calls: readonly RecordedCall[]) {
    // A process whose first calls name no directory started where it is seen first.
    for (const call of calls) {
      const cwd = cwdIn(call)
      if (cwd !== undefined && !this.#of.has(call.pid)) this.#of.set(call.pid, cwd)
    }
  }

  of(pid: number): string {
    return this.#of.get(pid) ?? '/'
  }

  /** Take note of what a finished call says or changes. */
  see(call: RecordedCall): void {
    const cwd = cwdIn(call)
    if (cwd !== undefined) this.#of.set(call.pid, cwd)
    if (call.result.value !== 0n) return
    const first = call.args[0]
    if (call.name === 'chdir' && first?.kind === 'string')
      this.#of.set(call.pid, this.absolute(call.pid, undefined, first.text))
    if (call.name === 'fchdir' && first?.kind === 'fd') this.#of.set(call.pid, first.name)
  }

  absolute(pid: number, folder: string | undefined, path: string): string {
    return normalise(path.startsWith('/') ? path : `${folder ?? this.of(pid)}/${path}`)
  }

  /** The absolute path of an argument as text, links not followed; undefined when it is no string. '' with a descriptor is its file. */
  resolve(call: RecordedCall, arg: PathArg): string | undefined {
    const path = call.args[arg.path]
    if (path?.kind !== 'string') return undefined
    const folder = arg.dirfd < 0 ? undefined : call.args[arg.dirfd]
    const base = folder?.kind === 'fd' ? pathOfFd(folder.name) : undefined
    if (path.text === '' && folder?.kind === 'fd') return base
    return this.absolute(call.pid, base, path.text)
  }
}

function cwdIn(call: RecordedCall): string | undefined {
  for (const value of call.args) if (isCwd(value)) return value.name
  const first = call.args[0]
  return call.name === 'getcwd' && first?.kind === 'string' && !first.truncated ? first.text : undefined
}

function isCwd(value: Value): value is Value & { kind: 'fd' } {
  return value.kind === 'fd' && value.fd === -100 && value.name.startsWith('/')
}
