// The file system as it must have been when a recording began, inferred from the recording alone: a file is there if a call found it
// before any call made it. What a log cannot hold stays a model: bytes that were never read, names in folders that were only listed,
// owners (root), times.

import { baseOf, normalise, PATH_ARGS, parentOf, pathOfFd, WorkingDirectories } from './paths.ts'
import type { RecordedCall, RecordedEvent } from './strace/record.ts'
import type { Value } from './strace/value.ts'

export type NodeKind = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

/** One file to create before the replay. Paths are absolute and lead through no link. */
export interface InferredNode {
  readonly path: string
  kind: NodeKind
  /** Permission bits. */
  mode: number
  size: number
  target: string
  rdev: readonly [major: number, minor: number]
  /** Pieces of content that were seen, by offset, Latin-1. */
  readonly content: { at: number; text: string }[]
  /** Names that a listing counted but no call named: made up, of lengths that give the listing's recorded size. */
  invented?: boolean
}

const KINDS: Readonly<Record<string, NodeKind>> = {
  S_IFREG: 'file',
  S_IFDIR: 'directory',
  S_IFLNK: 'symlink',
  S_IFCHR: 'char',
  S_IFBLK: 'block',
  S_IFIFO: 'fifo',
  S_IFSOCK: 'socket',
}

/** e_ident and type of a 64-bit position-independent executable for x86-64. */
const ELF_HEADER = `\x7fELF\x02\x01\x01${'\0'.repeat(9)}\x03\0\x3e\0\x01\0\0\0`

const hasFlag = (value: Value | undefined, name: string): boolean =>
  value?.kind === 'flags' && value.terms.includes(name)
const text = (value: Value | undefined): string | undefined => (value?.kind === 'string' ? value.text : undefined)
const succeeded = (call: RecordedCall): boolean => call.result.value !== undefined && call.result.errno === undefined

/** Every file that the recording shows to have been there at its start, parents before children. */
export function inferFiles(events: readonly RecordedEvent[]): InferredNode[] {
  const calls = events.filter((event) => event.kind === 'call')
  const inference = new Inference(calls)
  for (const call of calls) inference.see(call)
  return inference.finish()
}

class Inference {
  readonly #cwds: WorkingDirectories
  readonly #links: ReadonlyMap<string, string>
  readonly #nodes = new Map<string, InferredNode>()
  /** Paths whose first evidence was absence, or that a call made, removed or wrote: later evidence says nothing of the start. */
  readonly #settled = new Set<string>()
  /** Kinds that only were guessed. */
  readonly #guessed = new Set<string>()
  readonly #sizeKnown = new Set<string>()
  /** Position of open files: `pid:fd` to path and offset. */
  readonly #open = new Map<string, { path: string; at: number }>()
  /** Directory listings: entries and bytes. */
  readonly #listings = new Map<string, { entries: number; bytes: number }>()

  constructor(calls: readonly RecordedCall[]) {
    this.#links = findLinks(calls)
    for (const [path, target] of this.#links) this.#present(path, 'symlink').target = target
    this.#cwds = new WorkingDirectories(calls)
  }

  see(call: RecordedCall): void {
    this.#cwds.see(call)
    const args = PATH_ARGS[call.name]
    if (args)
      this.#seePaths(
        call,
        args.map((arg) => this.#cwds.resolve(call, arg)),
      )
    this.#seeDescriptor(call)
  }

  finish(): InferredNode[] {
    this.#fillListings()
    // A cwd is a directory even when nothing was opened in it.
    for (const path of [...this.#nodes.keys()]) this.#directories(parentOf(path))
    for (const node of this.#nodes.values()) {
      if (
        this.#guessed.has(node.path) &&
        [...this.#nodes.keys()].some((path) => parentOf(path) === node.path && path !== '/')
      ) {
        node.kind = 'directory'
      }
      if (node.kind === 'directory' && !(node.mode & 0o111)) node.mode = 0o755
    }
    this.#nodes.delete('/')
    const depth = (path: string): number => path.split('/').length
    return [...this.#nodes.values()].sort((a, b) => depth(a.path) - depth(b.path) || (a.path < b.path ? -1 : 1))
  }

  #canonical(path: string, follow: boolean): string {
    return followLinks(this.#links, path, follow)
  }

  #present(path: string, kind?: NodeKind): InferredNode {
    let node = this.#nodes.get(path)
    if (!node) {
      node = {
        path,
        kind: kind ?? 'file',
        mode: kind === 'directory' ? 0o755 : 0o644,
        size: 0,
        target: '',
        rdev: [0, 0],
        content: [],
      }
      this.#nodes.set(path, node)
      if (!kind) this.#guessed.add(path)
    } else if (kind && this.#guessed.delete(path)) {
      node.kind = kind
    }
    return node
  }

  #directories(path: string): void {
    for (let at = path; at !== '/'; at = parentOf(at)) {
      if (this.#nodes.get(at)?.kind === 'symlink') return
      if (!this.#settled.has(at)) this.#present(at, 'directory')
    }
  }

  /** The node that a call found, unless the recording itself had touched that path before. */
  #found(path: string, kind?: NodeKind): InferredNode | undefined {
    if (path === '/' || path.startsWith('/proc/') || path.startsWith('/sys/') || this.#settled.has(path))
      return undefined
    return this.#present(path, kind)
  }

  #seePaths(call: RecordedCall, paths: (string | undefined)[]): void {
    const given = paths[0]
    if (given === undefined) return
    const noFollow =
      /^l|readlink|unlink|rename/.test(call.name) || call.args.some((arg) => hasFlag(arg, 'AT_SYMLINK_NOFOLLOW'))
    const path = this.#canonical(given, !noFollow)
    if (!succeeded(call)) {
      this.#failed(call, path)
      return
    }
    const slash = text(call.args[PATH_ARGS[call.name]![0]!.path])?.endsWith('/')
    switch (call.name) {
      case 'open':
      case 'openat':
      case 'creat': {
        const flags = call.args[call.name === 'openat' ? 2 : 1]
        const created = call.name === 'creat' || hasFlag(flags, 'O_CREAT')
        const device = /<(char|block) (\d+):(\d+)>$/.exec(call.result.fdName ?? '')
        if (device) {
          const node = this.#found(path, device[1] as NodeKind)
          if (node) node.rdev = [Number(device[2]), Number(device[3])]
        } else if (created && !this.#nodes.has(path)) this.#settled.add(path)
        else this.#found(path, hasFlag(flags, 'O_DIRECTORY') ? 'directory' : undefined)
        if (hasFlag(flags, 'O_TRUNC')) this.#settled.add(path)
        this.#open.set(`${call.pid}:${call.result.value}`, { path, at: 0 })
        return
      }
      case 'execve': {
        const node = this.#found(path, 'file')
        if (!node) return
        node.mode |= 0o111
        // What was executed has the header of a program; the recording need not have read it.
        if (!node.content.some((piece) => piece.at === 0)) node.content.push({ at: 0, text: ELF_HEADER })
        this.#grow(path, ELF_HEADER.length)
        return
      }
      case 'access':
      case 'faccessat':
      case 'faccessat2': {
        const node = this.#found(path, slash ? 'directory' : undefined)
        if (node && call.args.some((arg) => hasFlag(arg, 'X_OK'))) node.mode |= 0o111
        return
      }
      case 'chdir':
        this.#found(path, 'directory')
        return
      case 'readlink':
      case 'readlinkat':
        return
      case 'stat':
      case 'lstat':
      case 'newfstatat':
        this.#stat(path, call)
        return
      case 'mkdir':
      case 'mkdirat':
      case 'symlink':
      case 'symlinkat':
        this.#settled.add(path)
        return
      case 'rename':
      case 'renameat':
      case 'renameat2':
      case 'link':
      case 'linkat':
        this.#found(path)
        this.#settled.add(path)
        if (paths[1] !== undefined) this.#settled.add(this.#canonical(paths[1], false))
        return
      default:
        this.#found(path, slash ? 'directory' : undefined)
        if (/unlink|rmdir|truncate|chmod|chown/.test(call.name)) this.#settled.add(path)
    }
  }

  #failed(call: RecordedCall, path: string): void {
    if (call.result.errno === 'ENOENT' && !this.#nodes.has(path)) this.#settled.add(path)
    else if (call.result.errno === 'EEXIST' || (call.result.errno === 'EINVAL' && call.name.startsWith('readlink')))
      this.#found(path)
    else if (call.result.errno === 'EISDIR') this.#found(path, 'directory')
  }

  #stat(path: string, call: RecordedCall): void {
    const struct = call.args.find((arg) => arg.kind === 'struct')
    if (struct?.kind !== 'struct') return
    const mode = struct.fields.get('st_mode')
    if (mode?.kind !== 'flags') return
    const kind = mode.terms.map((term) => (typeof term === 'string' ? KINDS[term] : undefined)).find(Boolean)
    const node = kind && this.#found(path, kind)
    if (!node) return
    node.mode = Number(mode.terms.find((term) => typeof term === 'bigint') ?? BigInt(node.mode))
    for (const [bit, value] of [
      ['S_ISVTX', 0o1000],
      ['S_ISGID', 0o2000],
      ['S_ISUID', 0o4000],
    ] as const) {
      if (mode.terms.includes(bit)) node.mode |= value
    }
    const size = struct.fields.get('st_size')
    if (size?.kind === 'number' && kind !== 'directory' && !this.#sizeKnown.has(path)) {
      node.size = Number(size.value)
      this.#sizeKnown.add(path)
    }
    const rdev = struct.fields.get('st_rdev')
    if (rdev?.kind === 'call' && rdev.args[0]?.kind === 'number' && rdev.args[1]?.kind === 'number') {
      node.rdev = [Number(rdev.args[0].value), Number(rdev.args[1].value)]
    }
  }

  /** Calls on open files: what they read, where they stand, what they list. */
  #seeDescriptor(call: RecordedCall): void {
    const first = call.args[0]
    if (first?.kind !== 'fd' || !succeeded(call)) return
    const path = pathOfFd(first.name)
    if (path === undefined) return
    const key = `${call.pid}:${first.fd}`
    const open = this.#open.get(key)
    const count = Number(call.result.value)
    switch (call.name) {
      case 'read':
        if (open) {
          this.#read(open.path, open.at, count, text(call.args[1]))
          open.at += count
        }
        return
      case 'pread64': {
        const at = call.args[3]
        if (at?.kind === 'number') this.#read(path, Number(at.value), count, text(call.args[1]))
        return
      }
      case 'lseek':
        if (open) open.at = count
        if (hasFlag(call.args[2], 'SEEK_END') && !this.#sizeKnown.has(path)) this.#grow(path, count)
        return
      case 'write':
      case 'pwrite64':
      case 'writev':
      case 'ftruncate':
      case 'fchmod':
        this.#settled.add(path)
        if (open) open.at += count
        return
      case 'getdents64': {
        const comment = call.args[1]?.kind === 'number' ? call.args[1].comment : undefined
        const entries = Number(/^(\d+) entries/.exec(comment ?? '')?.[1] ?? 0)
        this.#found(path, 'directory')
        if (!this.#settled.has(path) && entries > 0 && !this.#listings.has(path))
          this.#listings.set(path, { entries, bytes: count })
        return
      }
      case 'dup2':
      case 'fcntl':
        if (open && count >= 0 && call.result.fdName) this.#open.set(`${call.pid}:${count}`, open)
        return
      case 'close':
        this.#open.delete(key)
    }
  }

  #grow(path: string, size: number): void {
    const node = this.#settled.has(path) ? undefined : this.#nodes.get(path)
    if (node && !this.#sizeKnown.has(path)) node.size = Math.max(node.size, size)
  }

  #read(path: string, at: number, count: number, seen: string | undefined): void {
    this.#grow(path, at + count)
    const node = this.#settled.has(path) ? undefined : this.#nodes.get(path)
    if (!node || !seen || node.content.some((piece) => piece.at === at)) return
    node.content.push({ at, text: seen.slice(0, count) })
  }

  /** Give listed folders as many entries as were counted, with names whose records add up to the bytes that getdents64 returned. */
  #fillListings(): void {
    for (const [folder, { entries, bytes }] of this.#listings) {
      const known = [
        '.',
        '..',
        ...[...this.#nodes.keys()].filter((path) => path !== '/' && parentOf(path) === folder).map(baseOf),
      ]
      let missing = entries - known.length
      let left = bytes - known.reduce((sum, name) => sum + recordBytes(name.length), 0)
      for (let i = 1; missing > 0; i++, missing--) {
        const record = Math.max(24, Math.floor(left / missing / 8) * 8)
        const name = `unseen-${i}`.padEnd(Math.max(1, record - 20), '-').slice(0, record - 20)
        left -= recordBytes(name.length)
        const node = this.#present(`${folder}/${name}`, 'file')
        node.invented = true
      }
    }
  }
}

/** Size of a struct linux_dirent64: 19 bytes, the name, its NUL, rounded up to 8. */
const recordBytes = (nameLength: number): number => Math.ceil((20 + nameLength) / 8) * 8

/** Where a path leads through `links`; the last component too when `follow`. */
function followLinks(links: ReadonlyMap<string, string>, path: string, follow: boolean): string {
  let done = ''
  let rest = path.split('/').slice(1)
  for (let hops = 0; rest.length > 0; ) {
    const next = `${done}/${rest[0]}`
    const target = rest.length > 1 || follow ? links.get(next) : undefined
    if (target === undefined || ++hops > 40) {
      done = next
      rest = rest.slice(1)
    } else {
      const reached = normalise(target.startsWith('/') ? target : `${done}/${target}`)
      rest = [...reached.split('/').slice(1), ...rest.slice(1)]
      done = ''
    }
  }
  return done || '/'
}

/** An open that ended at another path than it asked for. */
interface Detour {
  readonly asked: string
  readonly real: string
}

/**
 * Links, from readlink and from opens that ended elsewhere. Where both paths end alike (`/lib/x/libc.so`, `/usr/lib/x/libc.so`) a
 * folder is the link: the uppermost that is no real folder. Those first; then what still differs is a link of its own.
 */
function findLinks(calls: readonly RecordedCall[]): Map<string, string> {
  const links = new Map<string, string>()
  const made = new Set<string>()
  const real = new Set<string>()
  const detours: Detour[] = []
  const cwds = new WorkingDirectories(calls)
  for (const call of calls) {
    cwds.see(call)
    const arg = PATH_ARGS[call.name]?.[0]
    if (!arg || !succeeded(call)) continue
    const path = cwds.resolve(call, arg)
    if (path === undefined || path.startsWith('/proc/') || path.startsWith('/dev/')) continue
    if (call.name.startsWith('symlink')) made.add(path)
    if (made.has(path)) continue
    if (call.name.startsWith('readlink')) {
      const target = text(call.args[arg.path + 1])
      if (target !== undefined && target.length === Number(call.result.value)) links.set(path, target)
    } else if (call.name.startsWith('open')) {
      const reached = pathOfFd(call.result.fdName)
      if (reached === undefined) continue
      for (let at = parentOf(reached); at !== '/'; at = parentOf(at)) real.add(at)
      if (reached !== path) detours.push({ asked: path, real: reached })
    }
  }
  for (const { asked, real: reached } of detours) {
    const from = asked.split('/')
    const to = reached.split('/')
    const ends: { link: string; target: string }[] = []
    while (from.length > 2 && to.length > 2 && from.at(-1) === to.at(-1)) {
      from.pop()
      to.pop()
      ends.unshift({ link: from.join('/'), target: to.join('/') })
    }
    const found = ends.find(({ link }) => !real.has(link))
    if (found && !links.has(found.link)) links.set(found.link, found.target)
  }
  for (const { asked, real: reached } of detours) {
    const link = followLinks(links, asked, false)
    if (followLinks(links, link, true) === reached || link === reached) continue
    links.set(link, parentOf(link) === parentOf(reached) ? baseOf(reached) : reached)
  }
  return links
}
