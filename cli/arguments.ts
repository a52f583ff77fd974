// What people write behind flags, as values. A wrong one is a UserError that says what would be right.

import { UserError } from '../base/errors.ts'

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9 }

/** `2s`, `1.5ms`, `250us`, `3` (seconds) in nanoseconds. */
export function duration(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m)?$/.exec(text)
  if (!parts) throw new UserError(`'${text}' is no length of time: write 2s, 500ms or 10us`)
  return Math.round(Number(parts[1]) * UNIT_NS[parts[2] ?? 's']!)
}

/** A whole number in a range; `flag` for the message. */
export function whole(flag: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new UserError(`${flag} ${text}: give a whole number from ${low} to ${high}`)
    }
    return value
  }
}

/** Collects repeated NAME=VALUE. */
export function assignment(text: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new UserError(`--set ${text}: write NAME=VALUE`)
  return new Map(before).set(text.slice(0, at), text.slice(at + 1))
}

export function factor(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new UserError(`--pace ${text}: give a speed above 0; 1 is that of the wall clock`)
  return value
}
