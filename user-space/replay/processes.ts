// A recording by process: who made whom, what each one did in order, and what it had open before the recording saw it.

import { pathOfFd, WorkingDirectories } from './paths.ts'
import type { RecordedCall, RecordedEvent } from './strace/record.ts'

/** What one task of the recording did: its calls in the order in which it made them, and its end. */
export interface RecordedProcess {
  readonly pid: number
  /** 0 when no recorded call made it: it was there at the start. */
  readonly parent: number
  /** Made with CLONE_THREAD: a thread of its parent's process. */
  readonly isThread: boolean
  readonly calls: readonly RecordedCall[]
  /** When its first line was written, nanoseconds since the recording's start. */
  readonly startNs: number
  /** When and how it ended, if the recording saw that: the wait status, or a signal's name. */
  readonly exit: { readonly atNs: number; readonly status: number | string } | undefined
  readonly cwd: string
  /** Only for those that were there at the start: open files that they did not open themselves, by descriptor. */
  readonly inherited: ReadonlyMap<number, string>
}

const MAKES_TASK = /^(clone|clone3|fork|vfork)$/
const MAKES_FD =
  /^(open|openat|openat2|creat|dup|dup2|dup3|socket|accept|accept4|eventfd2?|epoll_create1?|timerfd_create|memfd_create)$/

/** Processes in the order in which they appear. */
export function processesOf(events: readonly RecordedEvent[]): RecordedProcess[] {
  const calls = new Map<number, RecordedCall[]>()
  const exits = new Map<number, { atNs: number; status: number | string }>()
  const starts = new Map<number, number>()
  const makers = new Map<number, RecordedCall>()
  for (const event of events) {
    if (event.startNs < (starts.get(event.pid) ?? Number.POSITIVE_INFINITY)) starts.set(event.pid, event.startNs)
    if (event.kind === 'exit') exits.set(event.pid, { atNs: event.startNs, status: event.status })
    if (event.kind !== 'call') continue
    const own = calls.get(event.pid)
    if (own) own.push(event)
    else calls.set(event.pid, [event])
    if (MAKES_TASK.test(event.name) && event.result.value !== undefined && event.result.value > 0n) {
      makers.set(Number(event.result.value), event)
    }
  }
  const all = events.filter((event) => event.kind === 'call')
  const cwds = new WorkingDirectories(all)
  const inherited = inheritedFiles(all, makers)
  return [...starts]
    .sort((a, b) => a[1] - b[1])
    .map(([pid, startNs]) => {
      const maker = makers.get(pid)
      const own = (calls.get(pid) ?? []).sort((a, b) => a.startNs - b.startNs || a.line - b.line)
      return {
        pid,
        parent: maker?.pid ?? 0,
        isThread: maker !== undefined && hasCloneThread(maker),
        calls: own,
        startNs: maker ? Math.min(startNs, maker.startNs) : startNs,
        exit: exits.get(pid),
        cwd: cwds.of(pid),
        inherited: inherited.get(pid) ?? new Map<number, string>(),
      }
    })
}

function hasCloneThread(call: RecordedCall): boolean {
  return call.args.some((arg) => {
    const value = arg.kind === 'named' ? arg.value : arg
    const flags = value.kind === 'struct' ? value.fields.get('flags') : value
    return flags?.kind === 'flags' && flags.terms.includes('CLONE_THREAD')
  })
}

/** Descriptors used by a process, or by those it made, that none of them had opened: they belong to the first ancestor. */
function inheritedFiles(
  calls: readonly RecordedCall[],
  makers: ReadonlyMap<number, RecordedCall>,
): Map<number, Map<number, string>> {
  const opened = new Map<number, Set<number>>()
  const found = new Map<number, Map<number, string>>()
  const root = (pid: number): number => {
    const maker = makers.get(pid)
    return maker ? root(maker.pid) : pid
  }
  const known = (pid: number, fd: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = makers.get(at)?.pid)
      if (opened.get(at)?.has(fd)) return true
    return false
  }
  /** Descriptors that calls named or returned, by first ancestor. */
  const seen = new Map<number, Set<number>>()
  const open = (pid: number, fd: number): void => {
    const first = root(pid)
    const all = seen.get(first)
    if (all) all.add(fd)
    else seen.set(first, new Set([fd]))
    const set = opened.get(pid)
    if (set) set.add(fd)
    else opened.set(pid, new Set([fd]))
  }
  for (const call of calls) {
    for (const arg of call.args) {
      if (arg.kind === 'fd' && arg.fd >= 0 && !known(call.pid, arg.fd)) {
        const first = root(call.pid)
        const files = found.get(first) ?? new Map<number, string>()
        if (!files.has(arg.fd)) files.set(arg.fd, arg.name)
        found.set(first, files)
        open(first, arg.fd)
      }
      if (arg.kind === 'array') for (const item of arg.items) if (item.kind === 'fd') open(call.pid, item.fd)
    }
    const value = call.result.value
    if (value === undefined || value < 0n) continue
    if (MAKES_FD.test(call.name) || call.result.fdName !== undefined) open(call.pid, Number(value))
  }
  // Numbers that were never given out, below one that was, were taken: by files that no call named.
  for (const [first, fds] of seen) {
    const files = found.get(first) ?? new Map<number, string>()
    for (let fd = 3; fd < Math.max(...fds); fd++) if (!fds.has(fd) && fds.size > fd) files.set(fd, '')
    found.set(first, files)
  }
  return found
}

/** The path of an inherited descriptor's file, or undefined for a pipe, socket or the like, of which the other end was not recorded. */
export const inheritedPath = (name: string): string | undefined => pathOfFd(name)
