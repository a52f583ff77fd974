// What a run of an object prints: one record a line, as text or as JSON.
//
// JSON: 64-bit values are numbers with all their digits (JSON has no limit; JavaScript's own parser has), bytes without a type are
// hexadecimal under `hex`.

import { formatValue } from '../base/btf/format-value.ts'
import type { LoadedMap } from './loader/map.ts'

export interface MapEntry {
  readonly key: unknown
  readonly value: unknown
}

/** Property names and their order are the JSON form. `from` is for the text form only. */
export type OutputRecord =
  | {
      readonly type: 'event'
      readonly map: string
      readonly cpu: number
      readonly time_ns: number
      readonly data: unknown
    }
  | {
      readonly type: 'event'
      readonly map: string
      readonly cpu: number
      readonly time_ns: number
      readonly hex: string
    }
  | { readonly type: 'map'; readonly map: string; readonly entries: readonly MapEntry[] }
  | { readonly type: 'printk'; readonly data: string }
  | Summary

export interface Summary {
  readonly type: 'summary'
  readonly virtual_ns: number
  readonly events: number
  readonly programs: readonly { readonly name: string; readonly runs: number; readonly missed: number }[]
  /** Lost records by map. */
  readonly lost: Readonly<Record<string, number>>
  readonly seed: number
  readonly cpus: number
  /** utsname release. */
  readonly kernel: string
  readonly replay?: {
    readonly syscalls: number
    readonly diverged: number
    readonly by_syscall: Readonly<Record<string, number>>
  }
}

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** One line of JSON, without its end. */
export function toJson(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'object': {
      if (value === null) return 'null'
      if (value instanceof Uint8Array) return `"${hexOf(value)}"`
      if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
      const members = Object.entries(value).filter(([, each]) => each !== undefined)
      return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${toJson(each)}`).join(',')}}`
    }
    default:
      return JSON.stringify(value) ?? 'null'
  }
}

/** A value in the notation of C where its type is known. */
function valueText(map: LoadedMap | undefined, type: number, value: unknown): string {
  if (value instanceof Uint8Array) return hexOf(value)
  const btf = map?.types.btf
  if (!btf || type === 0) return toJson(value)
  return Array.isArray(value) && btf.resolve(type).kind !== 'array'
    ? `{ ${value.map((each) => formatValue(btf, type, each)).join(', ')} }`
    : formatValue(btf, type, value)
}

/** `pid = 7, comm = "cat"` of a struct, without its braces. */
const unbraced = (text: string): string => text.replace(/^\{ \.(.*) \}$/, '$1').replaceAll(', .', ', ')

const seconds = (ns: number): string => (ns / 1e9).toFixed(6)

/** Lines of text, without their last end; '' for what text does not show. */
export function toText(record: OutputRecord, maps: Readonly<Record<string, LoadedMap>>): string {
  switch (record.type) {
    case 'event': {
      const map = maps[record.map]
      const body = 'hex' in record ? record.hex : unbraced(valueText(map, map?.types.event ?? 0, record.data))
      return `${seconds(record.time_ns)} cpu${record.cpu} ${record.map}: ${body}`
    }
    case 'map': {
      const map = maps[record.map]
      if (record.entries.length === 0) return `${record.map}: empty`
      if (map?.spec.data) return `${record.map}: ${unbraced(valueText(map, map.types.value, record.entries[0]!.value))}`
      const lines = record.entries.map(({ key, value }) => {
        const keyText = valueText(map, map?.types.key ?? 0, key)
        return `  [${keyText}] = ${valueText(map, map?.types.value ?? 0, value)}`
      })
      return `${record.map}:\n${lines.join('\n')}`
    }
    case 'printk':
      return record.data
    case 'summary': {
      const { events, programs, lost, replay } = record
      const counts = programs.map(
        ({ name, runs, missed }) => `${name} ran ${runs} times${missed > 0 ? `, missed ${missed}` : ''}`,
      )
      const losses = Object.entries(lost).flatMap(([map, count]) =>
        count > 0 ? [`${count} records of ${map} were lost`] : [],
      )
      const replayed = replay ? [`${replay.syscalls} calls replayed, ${replay.diverged} diverged`] : []
      return [
        `${seconds(record.virtual_ns)} s on Linux ${record.kernel}: ${events} events`,
        ...counts,
        ...losses,
        ...replayed,
      ].join('; ')
    }
  }
}
