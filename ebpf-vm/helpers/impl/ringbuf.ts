// Helpers on BPF_MAP_TYPE_RINGBUF. (Reserve, submit and discard are inlined by the JIT.)

import type { Machine } from '../../machine.ts'
import { RINGBUF_QUERY, RingbufMap } from '../../maps/ringbuf.ts'
import { type BoundHelper, flagsOf } from './bound.ts'

const TWO_32 = 0x1_0000_0000

export function ringbufHelpers(machine: Machine): readonly BoundHelper[] {
  const ring = (map: number): RingbufMap => machine.mapAt(map) as RingbufMap
  const commit = (sample: number, flags: number, discard: boolean): number => {
    RingbufMap.of(machine, sample).commit(sample, flags, discard)
    return 0
  }
  return [
    {
      id: 130,
      name: 'ringbuf_output',
      takes: ['ptr', 'ptr', 'u32', 'u64'],
      gives: 's32',
      run: (map, data, size, lo, hi) => ring(map).output(data, size >>> 0, flagsOf(lo, hi)),
    },
    {
      id: 131,
      name: 'ringbuf_reserve',
      takes: ['ptr', 'u64', 'u64'],
      gives: 'ptr',
      run: (map, size, sizeHi, lo, hi) => (lo !== 0 || hi !== 0 || sizeHi !== 0 ? 0 : ring(map).reserve(size >>> 0)),
    },
    {
      id: 132,
      name: 'ringbuf_submit',
      takes: ['ptr', 'u64'],
      gives: 'void',
      run: (sample, lo) => commit(sample, lo, false),
    },
    {
      id: 133,
      name: 'ringbuf_discard',
      takes: ['ptr', 'u64'],
      gives: 'void',
      run: (sample, lo) => commit(sample, lo, true),
    },
    {
      id: 134,
      name: 'ringbuf_query',
      takes: ['ptr', 'u64'],
      gives: 'u64',
      run: (map, lo, hi) => {
        const value = query(ring(map), flagsOf(lo, hi))
        return machine.giveU64(value | 0, Math.floor(value / TWO_32))
      },
    },
  ]
}

function query(ring: RingbufMap, what: number): number {
  switch (what) {
    case RINGBUF_QUERY.avail_data:
      return ring.producerPos - ring.consumerPos
    case RINGBUF_QUERY.ring_size:
      return ring.maxEntries
    case RINGBUF_QUERY.cons_pos:
      return ring.consumerPos
    case RINGBUF_QUERY.prod_pos:
      return ring.producerPos
    default:
      return 0
  }
}
