// Tracepoint records, derived from a kernel's BTF: what tracefs says in events/SYSTEM/NAME/format, and what the kernel that emits
// them and the programs that read them share. Offsets include the 8-byte header common to all records.

import type { Btf } from '../../base/btf/btf.ts'
import { typeName } from '../../base/btf/type-name.ts'
import type { BtfMember } from '../../base/btf/types.ts'
import { EVENTS } from './events.ts'
import type { SyscallRecord } from './syscalls.ts'

export interface TracepointField {
  readonly name: string
  /** The type as the format file spells it, without the array's length: `char`, `const char *`, `__data_loc char[]`. */
  readonly type: string
  /** Elements of an array field, 0 for anything else (and for a dynamic array). */
  readonly length: number
  readonly offset: number
  readonly sizeBytes: number
  readonly signed: boolean
  /** A `__data_loc` word: offset of the data in the low half, its length in the high half. `rel`: counted from the word's end. */
  readonly dynamic: 'no' | 'data_loc' | 'rel_loc'
}

export interface TracepointRecord {
  /** '' for a tracepoint without a trace event: raw_tracepoint and tp_btf programs only. */
  readonly system: string
  readonly name: string
  /** Number in events/SYSTEM/NAME/id; 0 where there is no trace event. */
  readonly id: number
  /** Fields behind the common header, in the order of their offsets. */
  readonly fields: readonly TracepointField[]
  /** Where the last field ends: dynamic data begins here, and a program may read its context up to here. */
  readonly sizeBytes: number
  /** Id of struct trace_event_raw_CLASS, 0 for syscalls:* events (they have none) and raw tracepoints. */
  readonly structType: number
  /** Id of the func_proto of typedef btf_trace_NAME, whose first parameter is `void *__data`; 0 for syscalls:* events. */
  readonly proto: number
}

/** Header of each record: common_type u16, common_flags u8, common_preempt_count u8, common_pid s32. */
export const COMMON_FIELDS: readonly TracepointField[] = [
  plain('common_type', 'unsigned short', 0, 2, false),
  plain('common_flags', 'unsigned char', 2, 1, false),
  plain('common_preempt_count', 'unsigned char', 3, 1, false),
  plain('common_pid', 'int', 4, 4, true),
]
export const COMMON_BYTES = 8

/** Ids below are ftrace's own record types. */
const FIRST_ID = 20
const TYPEDEF_PREFIX = 'btf_trace_'

function plain(name: string, type: string, offset: number, sizeBytes: number, signed: boolean): TracepointField {
  return { name, type, length: 0, offset, sizeBytes, signed, dynamic: 'no' }
}

/** Where a tracepoint's types are: what tracepointsOf() needs besides the system calls. */
export interface TracepointPlace {
  readonly system: string
  readonly name: string
  /** Id of typedef btf_trace_NAME. */
  readonly typedef: number
  readonly structType: number
}

/** The trace events of this BTF by system and name, then its raw tracepoints. */
export function indexTracepoints(btf: Btf): TracepointPlace[] {
  const places: TracepointPlace[] = []
  const seen = new Set<number>()
  for (const system of Object.keys(EVENTS)) {
    const classes = classesOf(EVENTS[system]!)
    for (const name of [...classes.keys()].sort()) {
      const typedef = btf.find(TYPEDEF_PREFIX + name, 'typedef')
      if (typedef === 0) continue
      const structType = structOf(btf, name, classes.get(name)!)
      if (structType === 0) continue
      seen.add(typedef)
      places.push({ system, name, typedef, structType })
    }
  }
  for (let id = btf.first; id < btf.count; id++) {
    if (btf.kind(id) !== 'typedef' || seen.has(id) || !btf.name(id).startsWith(TYPEDEF_PREFIX)) continue
    places.push({ system: '', name: btf.name(id).slice(TYPEDEF_PREFIX.length), typedef: id, structType: 0 })
  }
  return places
}

/** Every tracepoint of this kernel: syscalls:* first, then `places` in their order. */
export function tracepointsOf(
  btf: Btf,
  syscalls: readonly SyscallRecord[],
  places: readonly TracepointPlace[],
): TracepointRecord[] {
  const records: TracepointRecord[] = []
  const add = (system: string, name: string, structType: number, typedef: number, layout: () => Layout): void => {
    const id = system === '' ? 0 : FIRST_ID + records.length
    records.push(
      new Tracepoint(system, name, id, structType, layout, () => (typedef === 0 ? 0 : protoOf(btf, typedef))),
    )
  }
  for (const syscall of syscalls) add('syscalls', `sys_enter_${syscall.name}`, 0, 0, () => sysEnterLayout(syscall))
  for (const syscall of syscalls) add('syscalls', `sys_exit_${syscall.name}`, 0, 0, () => SYS_EXIT_LAYOUT)
  for (const { system, name, typedef, structType } of places) {
    add(system, name, structType, typedef, () => (structType === 0 ? layout([]) : structLayout(btf, structType)))
  }
  return records
}

type Layout = Pick<TracepointRecord, 'fields' | 'sizeBytes'>

/** A record whose fields and prototype are worked out when asked for, since most are never used in a run. */
class Tracepoint implements TracepointRecord {
  readonly system: string
  readonly name: string
  readonly id: number
  readonly structType: number
  readonly #makeLayout: () => Layout
  readonly #makeProto: () => number
  #layout: Layout | undefined
  #proto: number | undefined

  constructor(
    system: string,
    name: string,
    id: number,
    structType: number,
    makeLayout: () => Layout,
    makeProto: () => number,
  ) {
    this.system = system
    this.name = name
    this.id = id
    this.structType = structType
    this.#makeLayout = makeLayout
    this.#makeProto = makeProto
  }

  get fields(): readonly TracepointField[] {
    return (this.#layout ??= this.#makeLayout()).fields
  }

  get sizeBytes(): number {
    return (this.#layout ??= this.#makeLayout()).sizeBytes
  }

  get proto(): number {
    return (this.#proto ??= this.#makeProto())
  }
}

/** Event -> its classes, from the notation of events.ts. */
function classesOf(text: string): Map<string, string[]> {
  const classes = new Map<string, string[]>()
  let current = ''
  for (const word of text.split(/\s+/)) {
    const open = word.indexOf('(')
    const close = word.endsWith(')')
    if (open >= 0) current = word.slice(0, open)
    const event = word.slice(open + 1, close ? -1 : undefined)
    const known = classes.get(event)
    if (known) known.push(current || event)
    else classes.set(event, [current || event])
    if (close) current = ''
  }
  return classes
}

/** The func_proto behind typedef btf_trace_NAME, which is a pointer to it; 0 when it is not. */
function protoOf(btf: Btf, typedef: number): number {
  const pointer = btf.resolve(typedef)
  return pointer.kind === 'ptr' && btf.kind(pointer.type) === 'func_proto' ? pointer.type : 0
}

function structOf(btf: Btf, name: string, classes: readonly string[]): number {
  for (const candidate of [name, ...classes]) {
    const id = btf.find(`trace_event_raw_${candidate}`, 'struct')
    if (id !== 0) return id
  }
  return 0
}

function structLayout(btf: Btf, structType: number): Layout {
  const type = btf.type(structType)
  if (type.kind !== 'struct') return layout([])
  const fields: TracepointField[] = []
  for (const member of type.members) {
    if (member.name !== 'ent' && member.name !== '__data') fields.push(fieldOf(btf, member))
  }
  return layout(fields)
}

function layout(fields: readonly TracepointField[]): Layout {
  const sizeBytes = fields.reduce((end, field) => Math.max(end, field.offset + field.sizeBytes), COMMON_BYTES)
  return { fields, sizeBytes }
}

function fieldOf(btf: Btf, member: BtfMember): TracepointField {
  const offset = member.bitOffset / 8
  const dynamic = /^__(data_loc|rel_loc)_(.*)$/.exec(member.name)
  if (dynamic) {
    const kind = dynamic[1] as 'data_loc' | 'rel_loc'
    const name = dynamic[2]!
    const type = DYNAMIC_TYPES[name] ?? 'char[]'
    const signed = type === 'char[]' && isSigned(btf, btf.find('char', 'int'))
    return { ...plain(name, `__${kind} ${type}`, offset, 4, signed), dynamic: kind }
  }
  const type = btf.resolve(member.type)
  const each = type.kind === 'array' ? type.type : member.type
  const spelling = sourceSpelling(typeName(btf, each))
  const field = plain(member.name, spelling, offset, btf.sizeOf(member.type), isSigned(btf, each))
  return type.kind === 'array' ? { ...field, length: type.length } : field
}

/** Dynamic arrays by field name where they are not text: BTF does not say what a __data_loc word leads to. */
const DYNAMIC_TYPES: Readonly<Record<string, string>> = {
  addrs: 'u64[]',
  cpumask: 'cpumask_t',
  ctx_buf: 'u8[]',
  dma_addrs: 'u64[]',
  lengths: 'unsigned int[]',
  oem_buf: 'u8[]',
  pei_buf: 'u8[]',
  phys_addrs: 'u64[]',
}

function isSigned(btf: Btf, id: number): boolean {
  const type = btf.resolve(id)
  return type.kind === 'int' && type.signed
}

/** Format files quote the kernel's sources, which say `unsigned long`; compilers name that type `long unsigned int`. */
function sourceSpelling(type: string): string {
  return type.replace(/\b(short|long|long long) (?:(unsigned) )?int\b/, (_, width: string, unsigned?: string) =>
    unsigned ? `unsigned ${width}` : width,
  )
}

function sysEnterLayout({ args }: SyscallRecord): Layout {
  const fields = [SYSCALL_NR]
  for (const [i, arg] of args.entries()) fields.push(plain(arg.name, arg.type, 16 + 8 * i, 8, false))
  return layout(fields)
}

const SYSCALL_NR = plain('__syscall_nr', 'int', 8, 4, true)
const SYS_EXIT_LAYOUT = layout([SYSCALL_NR, plain('ret', 'long', 16, 8, true)])
