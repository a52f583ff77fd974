// Lines of an strace log become records: calls (unfinished and resumed halves joined), signals, exits.
// Expected options: -f -ttt -T, better with -y -yy; anything else that can be read is read, and what is missing is said once.

import { ERRNO, type ErrnoName } from '../../../base/errno.ts'
import { UserError } from '../../../base/errors.ts'
import { type Value, ValueError, ValueReader } from './value.ts'

export interface RecordedResult {
  /** What sys_exit reports: negative errno on failure, a restart code of an interrupted call too. Undefined: it never returned. */
  readonly value: bigint | undefined
  /** `ENOENT`, `ERESTARTNOHAND` */
  readonly errno: string | undefined
  /** What -y wrote behind a returned descriptor. */
  readonly fdName: string | undefined
  /** Text in brackets behind the value: `[{fd=5, revents=POLLOUT}]`, `Timeout`, `flags O_RDWR`. */
  readonly detail: string | undefined
}

export interface RecordedCall {
  readonly kind: 'call'
  readonly pid: number
  /** Nanoseconds since the recording's first line. */
  readonly startNs: number
  readonly durationNs: number
  readonly name: string
  readonly args: readonly Value[]
  readonly result: RecordedResult
  readonly line: number
  /** Line on which it ended; larger than `line` when it was interrupted by others. */
  readonly endLine: number
}

export interface RecordedSignal {
  readonly kind: 'signal'
  readonly pid: number
  readonly startNs: number
  readonly name: string
  /** Fields of siginfo. */
  readonly info: ReadonlyMap<string, Value>
  readonly line: number
}

export interface RecordedExit {
  readonly kind: 'exit'
  readonly pid: number
  readonly startNs: number
  /** Wait status as wait4() reports it: code << 8, or the signal. */
  readonly status: number | string
  readonly line: number
}

export type RecordedEvent = RecordedCall | RecordedSignal | RecordedExit

export interface SkippedLine {
  readonly line: number
  readonly reason: string
}

interface Unfinished {
  readonly text: string
  readonly startNs: number
  readonly line: number
}

const PREFIX = /^(?:\[pid +(\d+)\] |(\d+) +)?(\d+)\.(\d{6}|\d{9}) /
const OTHER_TIME = /^(?:\[pid +\d+\] |\d+ +)?(?:\d\d:\d\d:\d\d|[a-z_0-9]+\()/

/** umask's result is printed in octal, as C writes it. */
const integer = (text: string): bigint => BigInt(/^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text)

/** Reads a log line by line; records come out in the order in which they ended. */
export class StraceReader {
  readonly #file: string
  readonly #strict: boolean
  readonly skipped: SkippedLine[] = []
  readonly #unfinished = new Map<number, Unfinished>()
  #line = 0
  /** Whole seconds of the first line: times are kept relative to it, so that nanoseconds fit a number. */
  #epochSeconds = -1
  /** CLOCK_REALTIME of the first line, in nanoseconds since 1970. */
  startRealtimeNs = 0n
  #firstNs = 0

  /** `strict`: the first bad line throws UserError; otherwise bad lines are collected in `skipped`. */
  constructor(file: string, strict: boolean) {
    this.#file = file
    this.#strict = strict
  }

  get lines(): number {
    return this.#line
  }

  /** The record that this line completes, if any. */
  push(text: string): RecordedEvent | undefined {
    this.#line++
    if (text.trim() === '') return undefined
    try {
      return this.#parse(text)
    } catch (error) {
      if (!(error instanceof ValueError)) throw error
      return this.#skip(`column ${error.column}: ${error.message}`)
    }
  }

  /** Calls that were still running when the recording ended come out with no result. */
  end(): RecordedCall[] {
    const open: RecordedCall[] = []
    for (const [pid, { text, startNs, line }] of this.#unfinished) {
      const paren = text.indexOf('(')
      if (paren < 0) continue
      const args: Value[] = []
      const reader = new ValueReader(text, paren + 1)
      try {
        reader.skipSpaces()
        while (reader.at < text.length) {
          args.push(reader.value())
          reader.take(',')
          reader.skipSpaces()
        }
      } catch (error) {
        if (!(error instanceof ValueError)) throw error
      }
      const result = { value: undefined, errno: undefined, fdName: undefined, detail: undefined }
      open.push({
        kind: 'call',
        pid,
        startNs,
        durationNs: 0,
        name: text.slice(0, paren),
        args,
        result,
        line,
        endLine: this.#line,
      })
    }
    this.#unfinished.clear()
    return open
  }

  #skip(reason: string): undefined {
    if (this.#strict) throw new UserError(`${this.#file}:${this.#line}: ${reason}`)
    this.skipped.push({ line: this.#line, reason })
    return undefined
  }

  #parse(text: string): RecordedEvent | undefined {
    const prefix = PREFIX.exec(text)
    if (!prefix) {
      const hint = OTHER_TIME.test(text)
        ? 'no absolute time stamp: record with strace -f -ttt -T -y -yy'
        : 'not a line of strace -f -ttt'
      return this.#skip(hint)
    }
    const pid = Number(prefix[1] ?? prefix[2] ?? 1)
    const atNs = this.#time(prefix[3]!, prefix[4]!)
    const rest = text.slice(prefix[0].length)
    const resumed = /^<\.\.\. ([a-z0-9_]+) resumed>/.exec(rest)
    if (resumed) return this.#resume(pid, resumed[1]!, rest.slice(resumed[0].length))
    if (rest.startsWith('---')) return this.#signal(pid, atNs, rest)
    if (rest.startsWith('+++')) return this.#exit(pid, atNs, rest)
    if (rest.endsWith(' <unfinished ...>')) {
      this.#unfinished.set(pid, { text: rest.slice(0, -' <unfinished ...>'.length), startNs: atNs, line: this.#line })
      return undefined
    }
    return this.#call(pid, atNs, rest, this.#line)
  }

  #time(seconds: string, fraction: string): number {
    const nanoseconds = Number(fraction.padEnd(9, '0'))
    if (this.#epochSeconds < 0) {
      this.#epochSeconds = Number(seconds)
      this.#firstNs = nanoseconds
      this.startRealtimeNs = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
    }
    return (Number(seconds) - this.#epochSeconds) * 1e9 + nanoseconds - this.#firstNs
  }

  #resume(pid: number, name: string, rest: string): RecordedEvent | undefined {
    const begun = this.#unfinished.get(pid)
    if (!begun?.text.startsWith(`${name}(`))
      return this.#skip(`${name} is resumed, but process ${pid} had not begun it`)
    this.#unfinished.delete(pid)
    return this.#call(pid, begun.startNs, begun.text + rest, begun.line)
  }

  #call(pid: number, startNs: number, text: string, line: number): RecordedEvent | undefined {
    const name = /^([a-z_][a-z0-9_]*)\(/.exec(text)
    if (!name) return this.#skip('neither a call, a signal nor an exit')
    const reader = new ValueReader(text, name[0].length)
    const args = reader.arguments()
    reader.skipSpaces()
    if (!reader.take('= ')) reader.fail(`expected '= result'`)
    const tail = /^(.*?)(?: <(\d+)\.(\d{6})>)?$/.exec(text.slice(reader.at))!
    const durationNs = tail[2] === undefined ? 0 : Number(tail[2]) * 1e9 + Number(tail[3]) * 1000
    const result = this.#result(tail[1]!, reader)
    return { kind: 'call', pid, startNs, durationNs, name: name[1]!, args, result, line, endLine: this.#line }
  }

  #result(text: string, reader: ValueReader): RecordedResult {
    const parts = /^(\?|-?\d+|0x[0-9a-f]+)(<.*>)?(?: (E[A-Z0-9_]+))?(?: \((.*)\))?$/.exec(text)
    if (!parts) return reader.fail(`cannot read the result '${text}'`)
    const errno = parts[3]
    const raw = parts[1]!
    if (errno && !(errno in ERRNO)) return reader.fail(`unknown error '${errno}'`)
    const failed = errno ? -BigInt(ERRNO[errno as ErrnoName]) : undefined
    return {
      value: failed ?? (raw === '?' ? undefined : integer(raw)),
      errno,
      fdName: parts[2]?.slice(1, -1),
      detail: parts[4],
    }
  }

  #signal(pid: number, startNs: number, text: string): RecordedEvent | undefined {
    const match = /^--- ([A-Z0-9_+]+) (.*) ---$/.exec(text)
    if (!match) return text.includes('stopped by') ? undefined : this.#skip('cannot read a signal')
    const value = new ValueReader(match[2]!).value()
    const info: ReadonlyMap<string, Value> = value.kind === 'struct' ? value.fields : new Map<string, Value>()
    return { kind: 'signal', pid, startNs, name: match[1]!, info, line: this.#line }
  }

  #exit(pid: number, startNs: number, text: string): RecordedEvent | undefined {
    const exited = /^\+\+\+ exited with (\d+) \+\+\+$/.exec(text)
    const killed = /^\+\+\+ killed by ([A-Z0-9_+]+)( \(core dumped\))? \+\+\+$/.exec(text)
    if (!exited && !killed) return text.includes('superseded by') ? undefined : this.#skip('cannot read an exit')
    this.#unfinished.delete(pid)
    const status = exited ? Number(exited[1]) << 8 : killed![1]!
    return { kind: 'exit', pid, startNs, status, line: this.#line }
  }
}
