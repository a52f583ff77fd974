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
  /** Bytes of the fixed part of a record, common header included: where dynamic data begins. */
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

function plain(name: string, type: string, offset: number, sizeBytes: number, signed: boolean): TracepointField {
  return { name, type, length: 0, offset, sizeBytes, signed, dynamic: 'no' }
}

/** Every tracepoint of this kernel: syscalls:* first, then the trace events by system and name, then raw tracepoints. */
export function tracepointsOf(btf: Btf, syscalls: readonly SyscallRecord[]): TracepointRecord[] {
  const records: TracepointRecord[] = []
  const nextId = (): number => FIRST_ID + records.length
  for (const syscall of syscalls) records.push(sysEnter(syscall, nextId()))
  for (const syscall of syscalls) records.push(sysExit(syscall, nextId()))
  const seen = new Set<string>()
  for (const system of Object.keys(EVENTS)) {
    const classes = classesOf(EVENTS[system]!)
    for (const name of [...classes.keys()].sort()) {
      const proto = protoOf(btf, name)
      const structType = structOf(btf, name, classes.get(name)!)
      if (proto === 0 || structType === 0) continue
      seen.add(name)
      records.push({ system, name, id: nextId(), ...layoutOf(btf, structType), structType, proto })
    }
  }
  for (let id = btf.first; id < btf.count; id++) {
    if (btf.kind(id) !== 'typedef' || !btf.name(id).startsWith('btf_trace_')) continue
    const name = btf.name(id).slice('btf_trace_'.length)
    const proto = protoOf(btf, name)
    if (seen.has(name) || proto === 0) continue
    seen.add(name)
    records.push({ system: '', name, id: 0, fields: [], sizeBytes: COMMON_BYTES, structType: 0, proto })
  }
  return records
}

/** Event -> its classes, from the notation of events.ts. */
function classesOf(text: string): Map<string, string[]> {
  const classes = new Map<string, string[]>()
  let current = ''
  for (const [word] of text.matchAll(/\w+\(?|\)/g)) {
    if (word === ')') current = ''
    else if (word.endsWith('(')) current = word.slice(0, -1)
    else classes.set(word, [...(classes.get(word) ?? []), current || word])
  }
  return classes
}

function protoOf(btf: Btf, name: string): number {
  const typedef = btf.find(`btf_trace_${name}`, 'typedef')
  if (typedef === 0) return 0
  const pointer = btf.resolve(typedef)
  return pointer.kind === 'ptr' && btf.kind(pointer.type) === 'func_proto' ? pointer.type : 0
}

function structOf(btf: Btf, name: string, classes: readonly string[]): number {
  for (const candidate of [...classes, name]) {
    const id = btf.find(`trace_event_raw_${candidate}`, 'struct')
    if (id !== 0) return id
  }
  return 0
}

function layoutOf(btf: Btf, structType: number): { fields: TracepointField[]; sizeBytes: number } {
  const type = btf.type(structType)
  if (type.kind !== 'struct') return { fields: [], sizeBytes: COMMON_BYTES }
  const fields: TracepointField[] = []
  let sizeBytes = type.size
  for (const member of type.members) {
    if (member.name === 'ent') continue
    if (member.name === '__data') sizeBytes = member.bitOffset / 8
    else fields.push(fieldOf(btf, member))
  }
  return { fields, sizeBytes }
}

function fieldOf(btf: Btf, member: BtfMember): TracepointField {
  const offset = member.bitOffset / 8
  const dynamic = /^__(data_loc|rel_loc)_(.*)$/.exec(member.name)
  if (dynamic) {
    const kind = dynamic[1] as 'data_loc' | 'rel_loc'
    return { ...plain(dynamic[2]!, `__${kind} char[]`, offset, 4, false), dynamic: kind }
  }
  const type = btf.resolve(member.type)
  const sizeBytes = btf.sizeOf(member.type)
  if (type.kind === 'array') {
    return { ...plain(member.name, typeName(btf, type.type), offset, sizeBytes, false), length: type.length }
  }
  const signed = type.kind === 'int' && type.signed
  return plain(member.name, typeName(btf, member.type), offset, sizeBytes, signed)
}

function sysEnter({ name, args }: SyscallRecord, id: number): TracepointRecord {
  const fields = [plain('__syscall_nr', 'int', 8, 4, true)]
  for (const [i, arg] of args.entries()) fields.push(plain(arg.name, arg.type, 16 + 8 * i, 8, false))
  const sizeBytes = 16 + 8 * args.length
  return { system: 'syscalls', name: `sys_enter_${name}`, id, fields, sizeBytes, structType: 0, proto: 0 }
}

function sysExit({ name }: SyscallRecord, id: number): TracepointRecord {
  const fields = [plain('__syscall_nr', 'int', 8, 4, true), plain('ret', 'long', 16, 8, true)]
  return { system: 'syscalls', name: `sys_exit_${name}`, id, fields, sizeBytes: 24, structType: 0, proto: 0 }
}
