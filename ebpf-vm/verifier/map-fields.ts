// Special fields of map values and of allocated objects, read off BTF: locks, timers, kernel pointers, collections.

import type { Btf } from '../../base/btf/btf.ts'
import type { BtfType } from '../../base/btf/types.ts'
import type { MapFacts } from '../program.ts'
import { isStruct, skipModifiers } from './btf-types.ts'

export type FieldKind =
  | 'bpf_spin_lock'
  | 'bpf_res_spin_lock'
  | 'bpf_timer'
  | 'bpf_wq'
  | 'bpf_task_work'
  | 'kptr'
  | 'kptr_untrusted'
  | 'percpu_kptr'
  | 'uptr'
  | 'bpf_list_head'
  | 'bpf_list_node'
  | 'bpf_rb_root'
  | 'bpf_rb_node'
  | 'bpf_refcount'

export interface MapField {
  readonly kind: FieldKind
  readonly offset: number
  readonly size: number
  /** kptrs: the pointed-to struct. Collections: the struct of their nodes. */
  readonly btf?: Btf
  readonly btfId?: number
  /** Collections: offset of the node within its object. */
  readonly nodeOffset?: number
}

const STRUCTS: ReadonlySet<string> = new Set([
  'bpf_spin_lock',
  'bpf_res_spin_lock',
  'bpf_timer',
  'bpf_wq',
  'bpf_task_work',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_refcount',
])

/** As messages name a field: all kptrs are `kptr`. */
export function fieldName(kind: FieldKind): string {
  switch (kind) {
    case 'kptr_untrusted':
      return 'kptr'
    default:
      return kind
  }
}

export const isKptr = (kind: FieldKind): boolean =>
  kind === 'kptr' || kind === 'kptr_untrusted' || kind === 'percpu_kptr' || kind === 'uptr'

/** All special fields of the struct `id`, in order of offset; nested structs and small arrays included. */
export function fieldsOfType(btf: Btf, id: number, vmlinux: Btf | undefined): MapField[] {
  const fields: MapField[] = []
  if (id > 0 && id < btf.count) collect(btf, skipModifiers(btf, id), 0, fields, vmlinux, 0)
  return fields.sort((a, b) => a.offset - b.offset)
}

function collect(btf: Btf, type: BtfType, at: number, out: MapField[], vmlinux: Btf | undefined, depth: number): void {
  if (depth > 4) return
  if (type.kind === 'datasec') {
    for (const entry of type.vars) {
      const v = btf.type(entry.type)
      if (v.kind === 'var') collectMember(btf, v.type, at + entry.offset, v, out, vmlinux, depth)
    }
    return
  }
  if (!isStruct(type)) return
  for (const member of type.members) {
    if (member.bits || member.bitOffset % 8) continue
    collectMember(btf, member.type, at + member.bitOffset / 8, member, out, vmlinux, depth)
  }
}

function collectMember(
  btf: Btf,
  id: number,
  at: number,
  owner: { type: number },
  out: MapField[],
  vmlinux: Btf | undefined,
  depth: number,
): void {
  let type = skipModifiers(btf, id)
  let count = 1
  let typeId = id
  while (type.kind === 'array') {
    count *= type.length
    typeId = type.type
    type = skipModifiers(btf, typeId)
  }
  if (count === 0 || count > 64) return
  const size = Math.max(0, btf.sizeOf(type.id))
  for (let i = 0; i < count; i++) {
    const offset = at + i * size
    if (isStruct(type) && STRUCTS.has(type.name)) {
      const kind = type.name as FieldKind
      const node = kind === 'bpf_list_head' || kind === 'bpf_rb_root' ? containsOf(btf, owner) : undefined
      out.push({ kind, offset, size, ...node })
    } else if (type.kind === 'ptr') {
      const tagged = kptrOf(btf, type.type, vmlinux)
      if (tagged) out.push({ ...tagged, offset, size: 8 })
    } else if (isStruct(type)) collect(btf, type, offset, out, vmlinux, depth + 1)
    if (out.length > 11) return
  }
}

function kptrOf(btf: Btf, id: number, vmlinux: Btf | undefined): Omit<MapField, 'offset' | 'size'> | undefined {
  let type = btf.type(id)
  if (type.kind !== 'type_tag') return undefined
  const { name } = type
  if (name !== 'kptr' && name !== 'kptr_untrusted' && name !== 'percpu_kptr' && name !== 'uptr') return undefined
  type = skipModifiers(btf, id)
  if (!isStruct(type) && type.kind !== 'fwd') return undefined
  // Kernel types are resolved in vmlinux; a type that only the program knows is one that it allocates.
  const kernelId = name === 'uptr' ? 0 : (vmlinux?.find(type.name, 'struct', 'union') ?? 0)
  if (kernelId && vmlinux) return { kind: name, btf: vmlinux, btfId: kernelId }
  return { kind: name, btf, btfId: type.id }
}

/** `contains:STRUCT:MEMBER` of a list head or tree root. */
function containsOf(btf: Btf, owner: { type: number }): Partial<MapField> {
  for (let id = 1; id < btf.count; id++) {
    const tag = btf.type(id)
    if (tag.kind !== 'decl_tag' || !tag.name.startsWith('contains:')) continue
    const target = btf.type(tag.type)
    const applies =
      (target.kind === 'var' && (target as unknown) === owner) ||
      (isStruct(target) && tag.componentIndex >= 0 && target.members[tag.componentIndex] === owner) ||
      (target.kind === 'var' && tag.componentIndex === -1 && target.type === owner.type)
    if (!applies) continue
    const [, structName = '', memberName = ''] = tag.name.split(':')
    const structId = btf.find(structName, 'struct')
    if (!structId) continue
    const struct = btf.type(structId)
    if (!isStruct(struct)) continue
    const member = struct.members.find((m) => m.name === memberName)
    if (member) return { btf, btfId: structId, nodeOffset: member.bitOffset / 8 }
  }
  return {}
}

const cache = new WeakMap<MapFacts, MapField[]>()

/** Special fields of a map's values. */
export function fieldsOfMap(map: MapFacts, vmlinux: Btf | undefined): readonly MapField[] {
  if (!map.btf || !map.btfValueTypeId) return []
  let fields = cache.get(map)
  if (!fields) cache.set(map, (fields = fieldsOfType(map.btf, map.btfValueTypeId, vmlinux)))
  return fields
}
