// Helpers on maps: elements, queues, iteration, spin locks in values. (Programs' lookups in arrays and hashes are inlined by the JIT.)

import { ERRNO } from '../../../base/errno.ts'
import { KERNEL_HI } from '../../../base/memory.ts'
import type { Machine } from '../../machine.ts'
import { type BoundHelper, flagsOf } from './bound.ts'

const { EINVAL } = ERRNO

export const mapHelpers = (machine: Machine): readonly BoundHelper[] => [
  {
    id: 1,
    name: 'map_lookup_elem',
    takes: ['ptr', 'ptr'],
    gives: 'ptr',
    run: (map, key) => Math.max(0, machine.mapAt(map).lookup(key)),
  },
  {
    id: 2,
    name: 'map_update_elem',
    takes: ['ptr', 'ptr', 'ptr', 'u64'],
    gives: 's32',
    run: (map, key, value, lo, hi) => machine.mapAt(map).update(key, value, flagsOf(lo, hi)),
  },
  {
    id: 3,
    name: 'map_delete_elem',
    takes: ['ptr', 'ptr'],
    gives: 's32',
    run: (map, key) => machine.mapAt(map).delete(key),
  },
  {
    id: 87,
    name: 'map_push_elem',
    takes: ['ptr', 'ptr', 'u64'],
    gives: 's32',
    run: (map, value, lo, hi) => machine.mapAt(map).push(value, flagsOf(lo, hi)),
  },
  {
    id: 88,
    name: 'map_pop_elem',
    takes: ['ptr', 'ptr'],
    gives: 's32',
    run: (map, value) => machine.mapAt(map).pop(value),
  },
  {
    id: 89,
    name: 'map_peek_elem',
    takes: ['ptr', 'ptr'],
    gives: 's32',
    run: (map, value) => machine.mapAt(map).peek(value),
  },
  {
    id: 195,
    name: 'map_lookup_percpu_elem',
    takes: ['ptr', 'ptr', 'u32'],
    gives: 'ptr',
    run: (map, key, cpu) => machine.mapAt(map).lookupCpu(key, cpu >>> 0),
  },
  {
    id: 164,
    name: 'for_each_map_elem',
    takes: ['ptr', 'func', 'u64', 'u64'],
    gives: 's32',
    run: (map, callback, contextLo, contextHi, lo, hi) =>
      lo !== 0 || hi !== 0
        ? -EINVAL
        : machine
            .mapAt(map)
            .visitAll((key, value) =>
              machine.call(callback, map, KERNEL_HI, key, KERNEL_HI, value, KERNEL_HI, contextLo, contextHi),
            ),
  },
  // Programs run to completion one at a time: a lock is never contended, but its word reads as taken while it is.
  { id: 93, name: 'spin_lock', takes: ['ptr'], gives: 'void', run: (lock) => (machine.mem.i32[lock >> 2] = 1) },
  { id: 94, name: 'spin_unlock', takes: ['ptr'], gives: 'void', run: (lock) => (machine.mem.i32[lock >> 2] = 0) },
]
