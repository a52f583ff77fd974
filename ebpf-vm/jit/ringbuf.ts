// Ring buffer reserve, submit and discard by compiled code. The layout is that of maps/ringbuf.ts.

import { RECORD, RING, RINGBUF_FLAG, RingbufMap } from '../maps/ringbuf.ts'
import type { Emitter } from './emitter.ts'
import { I32, I64 } from './wasm.ts'

/** bpf_ringbuf_reserve of a known ring with a constant size. False where it is not that; `begin` is called before anything is emitted. */
export function emitRingbufReserve(e: Emitter, slot: number, begin: () => void): boolean {
  const { code, compiler, values } = e
  const [mapWeb, size, flags] = values.args.get(slot) as [number, number, number]
  const map = compiler.mapOf(slot, mapWeb)
  const isZero = (web: number): boolean =>
    values.isConstant(web) && (values.constantLo(web) | values.constantHi(web)) === 0
  if (!(map instanceof RingbufMap) || !values.isConstant(size) || values.constantHi(size) !== 0 || !isZero(flags))
    return false
  const bytes = values.constantLo(size) >>> 0
  const length = (bytes + RECORD.header + 7) & ~7
  if (bytes > RECORD.maxBytes || length > map.maxEntries) return false
  begin()
  const at = e.scratch('position', I64)
  const record = e.scratch('record', I32)
  const full = e.scratch('full', I32)
  code.i32(0)
  code.access('i64_load', map.ring + RING.producer)
  code.tee(at)
  code.i64(length, 0)
  code.op('i64_add')
  code.i32(0)
  code.access('i64_load', map.ring + RING.consumer)
  code.op('i64_sub')
  code.i64(map.mask, 0)
  code.op('i64_gt_u')
  code.tee(full)
  code.open('if')
  code.i32(0)
  code.i32(0)
  code.access('i32_load', map.ring + RING.lost)
  code.i32(1)
  code.op('i32_add')
  code.access('i32_store', map.ring + RING.lost)
  code.else()
  code.get(at)
  code.op('i32_wrap_i64')
  code.i32(map.mask)
  code.op('i32_and')
  code.i32(map.ring + RING.data)
  code.op('i32_add')
  code.tee(record)
  code.i32(bytes | RECORD.busy)
  code.access('i32_store', 0)
  code.get(record)
  code.get(record)
  code.i32(map.ring)
  code.op('i32_sub')
  code.i32(12)
  code.op('i32_shr_u')
  code.access('i32_store', 4)
  code.i32(0)
  code.get(at)
  code.i64(length, 0)
  code.op('i64_add')
  code.access('i64_store', map.ring + RING.producer)
  code.end()
  const sample = (): void => {
    code.get(record)
    code.i32(RECORD.header)
    code.op('i32_add')
  }
  e.putOrNull(values.def[slot]!, slot, sample, () => code.get(full))
  return true
}

/** bpf_ringbuf_submit and _discard with constant flags, where the program has one ring only: the call does not name its ring. */
export function emitRingbufCommit(e: Emitter, slot: number, discard: boolean, begin: () => void): boolean {
  const { code, compiler, values } = e
  const [sample, flags] = values.args.get(slot) as [number, number]
  const rings = compiler.ringbufs
  if (rings.length !== 1 || !values.isConstant(flags)) return false
  const map = rings[0]!
  const flag = values.constantLo(flags)
  begin()
  const length = e.scratch('length', I32)
  const record = e.scratch('record', I32)
  e.get32(sample)
  code.i32(RECORD.header)
  code.op('i32_sub')
  code.tee(record)
  code.get(record)
  code.access('i32_load', 0)
  code.i32(~RECORD.busy)
  code.op('i32_and')
  code.tee(length)
  if (discard) {
    code.i32(RECORD.discard)
    code.op('i32_or')
  }
  code.access('i32_store', 0)
  // What spilled over the end, and whoever is to be told, are left to the map.
  code.get(record)
  code.get(length)
  code.op('i32_add')
  code.i32(map.ring + RING.data + map.maxEntries - RECORD.header)
  code.op('i32_gt_u')
  if (flag & RINGBUF_FLAG.force_wakeup) code.i32(1)
  else if (flag & RINGBUF_FLAG.no_wakeup) code.i32(0)
  else {
    code.i32(0)
    code.access('i32_load', map.ring + RING.consumer)
    code.i32(map.mask)
    code.op('i32_and')
    code.i32(map.ring + RING.data)
    code.op('i32_add')
    code.get(record)
    code.op('i32_eq')
  }
  code.op('i32_or')
  if (!discard) {
    code.i32(0)
    code.access('i32_load', map.ring + RING.observed)
    code.op('i32_or')
  }
  code.open('if')
  e.prepareCallOut()
  code.get(record)
  code.get(length)
  code.i32(flag)
  code.call(compiler.imported('commit'))
  code.op('drop')
  code.end()
  code.i32(0)
  e.put(values.def[slot]!, I32, 0)
  return true
}
