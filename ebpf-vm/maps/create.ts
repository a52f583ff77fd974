// The map types that need no kernel around the machine, and BPF_MAP_CREATE itself. The kernel side adds its own types (perf event
// arrays, stack traces …) to this table and hands the whole to createMap.

import { OutOfMemory } from '../../base/allocator.ts'
import type { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import type { Machine } from '../machine.ts'
import { arena } from './arena.ts'
import { array, percpuArray } from './array.ts'
import { hash, lruHash, lruPercpuHash, percpuHash } from './hash.ts'
import { lpmTrie } from './lpm-trie.ts'
import type { BpfMap, MapAttr, MapType, SpecialField } from './map.ts'
import { queue, stack } from './queue.ts'
import { arrayOfMaps, hashOfMaps, progArray } from './references.ts'
import { ringbuf } from './ringbuf.ts'

export type MapTypes = ReadonlyMap<number, MapType>

export function mapTypes(...records: readonly MapType[]): MapTypes {
  return new Map(records.map((record) => [record.type, record]))
}

/** Types whose maps are data only. */
export const plainMapTypes: readonly MapType[] = [
  array,
  percpuArray,
  hash,
  percpuHash,
  lruHash,
  lruPercpuHash,
  ringbuf,
  progArray,
  arrayOfMaps,
  hashOfMaps,
  queue,
  stack,
  lpmTrie,
  arena,
]

/** Make a map, or say why not: a negative errno, as BPF_MAP_CREATE returns it. */
export function createMap(machine: Machine, types: MapTypes, attr: MapAttr): BpfMap | number {
  const type = types.get(attr.type)
  if (!type) return -ERRNO.EINVAL
  const error = type.check(attr, machine)
  if (error !== 0) return error
  const special = attr.special ?? specialFields(attr.btf, attr.btfValueTypeId ?? 0)
  try {
    return type.create(machine, { ...attr, special })
  } catch (failure) {
    if (failure instanceof OutOfMemory) return -ERRNO.ENOMEM
    throw failure
  }
}

const SPECIAL = new Set([
  'bpf_spin_lock',
  'bpf_res_spin_lock',
  'bpf_timer',
  'bpf_wq',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_refcount',
])
const KPTR_TAGS = new Set(['kptr', 'kptr_untrusted', 'percpu_kptr', 'uptr'])

/** The members of a map value that plain copies skip, by offset; nested structs and arrays are looked into. */
export function specialFields(btf: Btf | undefined, valueType: number): SpecialField[] {
  if (!btf || valueType === 0) return []
  const found: SpecialField[] = []
  const visit = (id: number, base: number): void => {
    const type = btf.resolve(id)
    if (type.kind === 'struct' && SPECIAL.has(type.name)) {
      found.push({ kind: type.name, offset: base, size: btf.sizeOf(id) })
    } else if (type.kind === 'struct' || type.kind === 'union') {
      for (const member of type.members) if (member.bits === 0) visit(member.type, base + member.bitOffset / 8)
    } else if (type.kind === 'array') {
      const size = btf.sizeOf(type.type)
      for (let i = 0; i < type.length; i++) visit(type.type, base + i * size)
    } else if (type.kind === 'ptr') {
      const target = btf.type(type.type)
      if (target.kind === 'type_tag' && KPTR_TAGS.has(target.name)) found.push({ kind: 'kptr', offset: base, size: 8 })
    }
  }
  visit(valueType, 0)
  return found.sort((a, b) => a.offset - b.offset)
}
