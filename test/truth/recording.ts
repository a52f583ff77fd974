// What happened in a recording, worked out from its text alone. Nothing of bpfsim is imported here: this is the other opinion that
// replay and the tools are compared with. It knows strace's lines, not their meaning.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

export interface Line {
  pid: number
  /** Microseconds, of the call's start and of its end. */
  startUs: number
  endUs: number
  name: string
  args: string
  /** What stands behind `= `, without the duration. */
  result: string
  /** Position of the end in the file: calls end in this order. */
  order: number
}

export interface Text {
  calls: Line[]
  signals: { pid: number; atUs: number; name: string; text: string }[]
  exits: { pid: number; atUs: number; how: string }[]
}

const microseconds = (stamp: string): number => Math.round(Number(stamp.slice(5)) * 1e6)

/** Every line of a recording under test/data/recordings. */
export function readText(name: string): Text {
  const file = new URL(`../data/recordings/${name}.strace.gz`, import.meta.url)
  const text: Text = { calls: [], signals: [], exits: [] }
  const begun = new Map<number, { stamp: string; head: string }>()
  gunzipSync(readFileSync(file))
    .toString('latin1')
    .split('\n')
    .forEach((line, order) => {
      const parts = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line)
      if (!parts) return
      const pid = Number(parts[1])
      const stamp = parts[2]!
      let rest = parts[3]!
      let start = stamp
      if (rest.startsWith('+++')) text.exits.push({ pid, atUs: microseconds(stamp), how: rest })
      else if (rest.startsWith('---')) {
        text.signals.push({ pid, atUs: microseconds(stamp), name: rest.split(' ')[1]!, text: rest })
      } else if (rest.endsWith(' <unfinished ...>')) begun.set(pid, { stamp, head: rest.slice(0, -17) })
      else {
        const resumed = /^<\.\.\. \w+ resumed>/.exec(rest)
        if (resumed) {
          const first = begun.get(pid)!
          rest = first.head + rest.slice(resumed[0].length)
          start = first.stamp
        }
        const call = /^(\w+)\((.*)\) += (.*?)(?: <(\d+\.\d+)>)?$/.exec(rest)!
        const startUs = microseconds(start)
        const endUs = startUs + Math.round(Number(call[4] ?? 0) * 1e6)
        text.calls.push({ pid, startUs, endUs, name: call[1]!, args: call[2]!, result: call[3]!, order })
      }
    })
  return text
}

/** The number that a result's text is: negative errno by name, else the value. Undefined for `?`. */
export function resultNumber(result: string, errno: Record<string, number>): number | undefined {
  const failed = /^(?:-1|\?) (E[A-Z0-9]+)/.exec(result)
  if (failed) return -errno[failed[1]!]!
  const value = /^(-?\d+|0x[0-9a-f]+)/.exec(result)
  return value ? Number(value[1]) : undefined
}

/** Bytes (Latin-1) of the C string literal that `text` starts with; `...` behind it is not part of it. */
export function unquote(text: string): string {
  const literal = /^"((?:[^"\\]|\\.)*)"/.exec(text)![1]!
  return literal.replace(/\\([0-7]{1,3}|x[0-9a-f]{2}|.)/g, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8))
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return ({ n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' } as Record<string, string>)[code] ?? code
  })
}

/** Arguments split at top-level commas. */
export function splitArgs(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') i += /^"(?:[^"\\]|\\.)*"/.exec(text.slice(i))![0].length - 1
    else if ('[{('.includes(c)) depth++
    else if (']})'.includes(c)) depth--
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  const last = text.slice(start).trim()
  return last === '' ? parts : [...parts, last]
}

/** A process's name over time: the child has its parent's, execve gives it the file's base name (15 bytes). */
export class Names {
  readonly #names = new Map<number, string>()
  readonly parents = new Map<number, number>()
  readonly #births = new Map<number, Line>()

  constructor(text: Text) {
    for (const call of text.calls) {
      if (/^(clone|clone3|fork|vfork)$/.test(call.name) && /^\d+$/.test(call.result))
        this.#births.set(Number(call.result), call)
    }
    for (const [child, call] of this.#births) this.parents.set(child, call.pid)
  }

  /** Comm now. A child that has not exec'd yet carries what its parent had when it was made, and parents exec before they fork here. */
  of(pid: number): string {
    const own = this.#names.get(pid)
    if (own !== undefined) return own
    const parent = this.parents.get(pid)
    return parent === undefined ? '' : this.of(parent)
  }

  /** Take note of a successful execve. */
  exec(call: Line): void {
    const path = unquote(call.args)
    this.#names.set(call.pid, path.slice(path.lastIndexOf('/') + 1).slice(0, 15))
  }
}
