// Tracepoints. Each is declared once, in its family's file under events/, with the prototype of its raw arguments and with how its
// record is filled; a kernel makes one Tracepoint of each. Disarmed, announcing costs one branch:
//   if (k.trace.schedSwitch.armed) k.trace.schedSwitch.emit(preempt, prev, next, state)
// Listeners are called in the order they were attached, raw ones and record ones alike. Arguments and record lie in kernel memory
// only while they are called.

import type { Kernel } from '../kernel.ts'
import type { TracepointRecord } from '../profiles/tracepoints.ts'
import { type Arg, type Param, parseParams, writeArg } from './prototype.ts'
import { type RecordFields, RecordWriter, recordFields } from './record.ts'

/** What describes one tracepoint, the same for all kernels. F: names of its record's fields. A: its raw arguments. */
export interface EventSpec<F extends string = string, A extends number[] = number[]> {
  readonly system: string
  readonly name: string
  /** TP_PROTO: the arguments of raw_tp and tp_btf programs. */
  readonly proto: string
  /** Fields that `fill` stores; one that a kernel version lacks is skipped. */
  readonly fields: readonly F[]
  fill(w: RecordWriter, fields: RecordFields<F>, ...args: A): void
}

/** Declares a tracepoint; infers field names and arguments. */
export function event<const F extends string, A extends number[]>(spec: EventSpec<F, A>): EventSpec<F, A> {
  return spec
}

export type RawListener = (argsOffset: number) => void
export type RecordListener = (recordOffset: number, sizeBytes: number) => void

type Attached = { active: boolean } & (
  | { readonly kind: 'raw'; readonly listener: RawListener }
  | { readonly kind: 'record'; readonly listener: RecordListener }
)

/** An EventSpec of whatever fields and arguments. */
export interface AnyEvent extends Omit<EventSpec, 'fill'> {
  fill(w: RecordWriter, fields: never, ...args: never[]): void
}

type Fill = (w: RecordWriter, fields: RecordFields, ...args: number[]) => void

/** Raw arguments of a spec as `emit` takes them: an object that has its offset as `at` serves for a pointer. */
type EmitArgs<S> = S extends { fill(w: RecordWriter, fields: never, ...args: infer A): void }
  ? { [I in keyof A]: Arg }
  : never

/** Room for the texts of `__data_loc` fields: path names. */
const TEXT_BYTES = 8192

export class Tracepoint<A extends readonly Arg[] = readonly Arg[]> {
  readonly system: string
  readonly name: string
  readonly #proto: string
  #params: readonly Param[] | undefined
  /** Its record in this kernel; undefined where this kernel version has no such event: it is announced and nobody can listen. */
  readonly record: TracepointRecord | undefined
  armed = false
  readonly #k: Kernel
  readonly #wanted: readonly string[]
  #fields: RecordFields | undefined
  readonly #fill: Fill
  #attached: readonly Attached[] = []

  constructor(k: Kernel, spec: AnyEvent, record: TracepointRecord | undefined) {
    this.#k = k
    this.system = spec.system
    this.name = spec.name
    this.#proto = spec.proto
    this.record = record
    this.#wanted = spec.fields
    this.#fill = spec.fill as unknown as Fill
  }

  /** The arguments of raw_tp and tp_btf programs. */
  get params(): readonly Param[] {
    return (this.#params ??= parseParams(this.#proto))
  }

  /** For raw_tp and tp_btf: the offset of the u64[] of arguments. Returns what detaches. */
  attachRaw(listener: RawListener): () => void {
    return this.#attach({ kind: 'raw', listener, active: true })
  }

  /** For tracepoint programs: offset and size of the record, common header included, as perf has it. Returns what detaches. */
  attachRecord(listener: RecordListener): () => void {
    return this.#attach({ kind: 'record', listener, active: true })
  }

  /** Call only when armed. */
  emit(...args: A): void {
    const k = this.#k
    const { scratch } = k
    const mark = scratch.top
    const { params } = this
    const values: number[] = []
    const at = scratch.take(args.length * 8)
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]
      const value = typeof arg === 'number' ? arg : arg === undefined ? 0 : arg.at
      values.push(value)
      writeArg(k.mem, at + i * 8, params[i]!.kind, value)
    }
    let record = 0
    let sizeBytes = 0
    for (const one of this.#attached) {
      if (!one.active) continue
      if (one.kind === 'raw') {
        one.listener(at)
        continue
      }
      if (record === 0) {
        const { id, sizeBytes: fixedBytes } = this.record!
        record = scratch.take(fixedBytes + TEXT_BYTES)
        const writer = new RecordWriter(k, id, fixedBytes, record)
        this.#fields ??= recordFields(this.record, this.#wanted)
        this.#fill(writer, this.#fields, ...values)
        sizeBytes = writer.finish()
      }
      one.listener(record, sizeBytes)
    }
    scratch.top = mark
  }

  #attach(attached: Attached): () => void {
    this.#set([...this.#attached, attached])
    return () => {
      attached.active = false
      this.#set(this.#attached.filter((one) => one !== attached))
    }
  }

  #set(attached: readonly Attached[]): void {
    this.#attached = attached
    this.armed = attached.length > 0
  }
}

/** The tracepoints of a table of specs, under the same keys. */
export type Tracepoints<T> = { readonly [K in keyof T]: Tracepoint<EmitArgs<T[K]> & readonly Arg[]> }
