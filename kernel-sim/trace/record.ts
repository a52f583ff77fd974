// A tracepoint's record as perf has it: the common header (type u16, flags u8, preempt count u8, pid s32), the event's fields, behind
// them the texts that `__data_loc` fields point to. Where the fields are is the active profile's (profiles/tracepoints.ts).

import type { KernelMemory } from '../../base/memory.ts'
import type { Kernel } from '../kernel.ts'
import type { TracepointRecord } from '../profiles/tracepoints.ts'

/** What storing into one field needs. `offset` is -1 where this kernel version lacks the field. */
export interface RecordField {
  readonly offset: number
  readonly sizeBytes: number
  /** The field holds `length << 16 | offset` of text behind the fixed part. */
  readonly dynamic: boolean
}

export type RecordFields<F extends string = string> = Readonly<Record<F, RecordField>>

const ABSENT: RecordField = { offset: -1, sizeBytes: 0, dynamic: false }

/** The fields by name; each of `wanted` is there, absent ones with offset -1. */
export function recordFields(record: TracepointRecord | undefined, wanted: readonly string[]): RecordFields {
  const fields: Record<string, RecordField> = {}
  for (const name of wanted) {
    const field = record?.fields.find((one) => one.name === name)
    fields[name] = field
      ? { offset: field.offset, sizeBytes: field.sizeBytes, dynamic: field.dynamic !== 'no' }
      : ABSENT
  }
  return fields
}

/** Fills one record in scratch memory. Stores into absent fields are dropped. */
export class RecordWriter {
  readonly k: Kernel
  readonly mem: KernelMemory
  /** Where the record begins. */
  readonly at: number
  #end: number

  /** `at`: a multiple of 8, with room behind the fixed part for the texts. */
  constructor(k: Kernel, id: number, fixedBytes: number, at: number) {
    const { mem } = k
    this.k = k
    this.mem = mem
    this.at = at
    this.#end = at + fixedBytes
    // Word by word: fill() and copyWithin() cost more than the few words of a record.
    const { i32 } = mem
    for (let i = at >> 2; i < (at + fixedBytes + 3) >> 2; i++) i32[i] = 0
    i32[at >> 2] = id
    i32[(at + 4) >> 2] = k.current.pid
  }

  s32(field: RecordField, value: number): void {
    if (field.offset >= 0) this.mem.dv.setInt32(this.at + field.offset, value, true)
  }

  s16(field: RecordField, value: number): void {
    if (field.offset >= 0) this.mem.dv.setInt16(this.at + field.offset, value, true)
  }

  u8(field: RecordField, value: number): void {
    if (field.offset >= 0) this.mem.u8[this.at + field.offset] = value
  }

  /** A number within 2^53. */
  s64(field: RecordField, value: number): void {
    if (field.offset >= 0) this.mem.writeInt64(this.at + field.offset, value)
  }

  /** An array field, as it is; at most the field's size. */
  bytes(field: RecordField, bytes: Uint8Array): void {
    if (field.offset >= 0) this.mem.u8.set(bytes.subarray(0, field.sizeBytes), this.at + field.offset)
  }

  /** The kernel address of an offset. */
  ptr(field: RecordField, offset: number): void {
    if (field.offset >= 0) this.mem.writePtr(this.at + field.offset, offset)
  }

  /** A copy of the u64 at `from` (a multiple of 4), as element `index` of the field. */
  wordAt(field: RecordField, index: number, from: number): void {
    if (field.offset < 0) return
    const { i32 } = this.mem
    const to = (this.at + field.offset + index * 8) >> 2
    i32[to] = i32[from >> 2]!
    i32[to + 1] = i32[(from >> 2) + 1]!
  }

  /** Zero-terminated text in kernel memory, at most `max` bytes with its NUL: into the field's array, or behind the fixed part. */
  text(field: RecordField, from: number, max: number): void {
    if (field.offset < 0) return
    const { u8 } = this.mem
    let length = 0
    while (length < max - 1 && u8[from + length] !== 0) length++
    if (!field.dynamic) {
      const size = Math.min(length, field.sizeBytes - 1)
      const to = this.at + field.offset
      for (let i = 0; i < size; i++) u8[to + i] = u8[from + i]!
      return
    }
    const to = this.#end
    u8.copyWithin(to, from, from + length)
    u8[to + length] = 0
    this.#end += length + 1
    this.mem.dv.setInt32(this.at + field.offset, ((length + 1) << 16) | (to - this.at), true)
  }

  /** Size of the record as perf passes it on: with the u32 length before it, a multiple of 8. */
  finish(): number {
    const used = this.#end - this.at
    const sizeBytes = Math.ceil((used + 4) / 8) * 8 - 4
    const { u8 } = this.mem
    for (let i = this.#end; i < this.at + sizeBytes; i++) u8[i] = 0
    return sizeBytes
  }
}
