// Helpers that compiled code carries out itself, without leaving WebAssembly. Each does what its implementation in JavaScript does
// and charges the same; where a call is not of the plain kind (unknown map, variable size …), it says so and the helper is imported.

import type { HelperImpl } from '../helper.ts'
import { HELPER_COST_NS } from '../machine.ts'
import { ArrayMap, PercpuArrayMap } from '../maps/array.ts'
import { HashMap } from '../maps/hash.ts'
import type { BpfMap } from '../maps/map.ts'
import type { Emitter } from './emitter.ts'
import { emitHashDelete, emitHashLookup, emitHashUpdate } from './hash.ts'
import { KERNEL, UNKNOWN } from './kinds.ts'
import { emitRingbufCommit, emitRingbufReserve } from './ringbuf.ts'
import { I32, I64 } from './wasm.ts'

/** Emits the helper's work and leaves r0 in its web; false where this call cannot be inlined (nothing is emitted then). */
export type Inline = (e: Emitter, slot: number, impl: HelperImpl) => boolean

const cost = (e: Emitter, impl: HelperImpl): void => e.charge(impl.costNs ?? HELPER_COST_NS)

const mapLookup: Inline = (e, slot, impl) => {
  const [mapWeb, key] = e.values.args.get(slot) as [number, number]
  const map = e.compiler.mapOf(slot, mapWeb)
  if (isPlainHash(map)) {
    if (!emitHashLookup.fits(map)) return false
    cost(e, impl)
    emitHashLookup(e, slot, map, key)
    return true
  }
  if (!isPlainArray(map)) return false
  cost(e, impl)
  emitArrayLookup(e, slot, map, key)
  return true
}

/** Arrays whose lookup is address arithmetic; the types that are built on them (prog arrays, …) have their own. */
const isPlainArray = (map: BpfMap | undefined): map is ArrayMap =>
  map?.constructor === ArrayMap || map?.constructor === PercpuArrayMap

const isPlainHash = (map: BpfMap | undefined): map is HashMap => map?.constructor === HashMap

/** Bytes of the key that an inlined lookup in this map reads; 0 where lookups are imported. */
export function inlinedKeyBytes(map: BpfMap | undefined): number {
  if (isPlainHash(map)) return emitHashLookup.fits(map) ? map.keySize : 0
  return isPlainArray(map) ? 4 : 0
}

function emitArrayLookup(e: Emitter, slot: number, map: ArrayMap, key: number): void {
  const { code, compiler, values } = e
  const index = e.scratch('index', I32)
  e.pushPointee(slot, key, 0, 4)
  code.set(index)
  const value = (): void => {
    code.get(index)
    const shift = 31 - Math.clz32(map.stride)
    if (1 << shift === map.stride) {
      code.i32(shift)
      code.op('i32_shl')
    } else {
      code.i32(map.stride)
      code.op('i32_mul')
    }
    code.i32(map.data)
    code.op('i32_add')
    if (!(map instanceof PercpuArrayMap)) return
    compiler.uses.cpu = true
    code.i32(0)
    code.access('i32_load', compiler.machine.cells.cpu)
    code.i32(map.cpuStride)
    code.op('i32_mul')
    code.op('i32_add')
  }
  e.putOrNull(values.def[slot]!, slot, value, () => {
    code.get(index)
    code.i32(map.maxEntries)
    code.op('i32_ge_u')
  })
}

const mapUpdate: Inline = (e, slot, impl) => {
  const [mapWeb, key, value, flags] = e.values.args.get(slot) as [number, number, number, number]
  const map = e.compiler.mapOf(slot, mapWeb)
  if (!isPlainHash(map) || !emitHashUpdate.fits(map)) return false
  if (!e.values.isConstant(flags) || e.values.constantHi(flags) !== 0) return false
  cost(e, impl)
  emitHashUpdate(e, slot, map, key, value, e.values.constantLo(flags))
  return true
}

const mapDelete: Inline = (e, slot, impl) => {
  const [mapWeb, key] = e.values.args.get(slot) as [number, number]
  const map = e.compiler.mapOf(slot, mapWeb)
  if (!isPlainHash(map) || !emitHashLookup.fits(map)) return false
  cost(e, impl)
  emitHashDelete(e, slot, map, key)
  return true
}

/** ktime: what the clock showed when the program was entered (or last came back from JavaScript), and what was charged since. */
const ktime: Inline = (e, slot, impl) => {
  const { code, unit, compiler, values } = e
  const { cells } = compiler.machine
  cost(e, impl)
  compiler.uses.now = true
  code.i32(0)
  code.access('i64_load', cells.now)
  code.i32(0)
  code.access('i32_load', cells.charged)
  code.get(unit.cost)
  code.op('i32_add')
  code.op('i64_extend_i32_u')
  code.op('i64_add')
  e.put(values.def[slot]!, I64, UNKNOWN)
  return true
}

const processorId: Inline = (e, slot, impl) => {
  cost(e, impl)
  e.compiler.uses.cpu = true
  e.code.i32(0)
  e.code.access('i32_load', e.compiler.machine.cells.cpu)
  e.put(e.values.def[slot]!, I32, 32)
  return true
}

/** Push the offset of the current task. */
function pushTask(e: Emitter): void {
  e.compiler.uses.task = true
  e.code.i32(0)
  e.code.access('i32_load', e.compiler.machine.cells.task)
}

const currentTask: Inline = (e, slot, impl) => {
  cost(e, impl)
  pushTask(e)
  e.put(e.values.def[slot]!, I32, KERNEL)
  return true
}

/** pid and tgid lie side by side in task_struct, in the order of the result's halves. */
const pidTgid: Inline = (e, slot, impl) => {
  const { task } = e.compiler
  if (!task || task.pid < 0 || task.tgid !== task.pid + 4) return false
  cost(e, impl)
  pushTask(e)
  e.code.access('i64_load', task.pid)
  e.put(e.values.def[slot]!, I64, UNKNOWN)
  return true
}

const COMM_BYTES = 16

const comm: Inline = (e, slot, impl) => {
  const { code, compiler, values } = e
  const [buffer, size] = values.args.get(slot) as [number, number]
  const { task } = compiler
  if (!task || task.comm < 0 || !values.isConstant(size) || values.constantLo(size) !== COMM_BYTES) return false
  cost(e, impl)
  for (const at of [0, 8]) {
    e.address(buffer, at, (offset) => {
      pushTask(e)
      code.access('i64_load', task.comm + at)
      code.access('i64_store', offset)
    })
  }
  code.i32(0)
  e.put(values.def[slot]!, I32, 0)
  return true
}

const reserve: Inline = (e, slot, impl) => emitRingbufReserve(e, slot, () => cost(e, impl))
const submit: Inline = (e, slot, impl) => emitRingbufCommit(e, slot, false, () => cost(e, impl))
const discard: Inline = (e, slot, impl) => emitRingbufCommit(e, slot, true, () => cost(e, impl))

/** By helper id. */
export const INLINE: ReadonlyMap<number, Inline> = new Map([
  [1, mapLookup],
  [2, mapUpdate],
  [3, mapDelete],
  [5, ktime],
  [8, processorId],
  [14, pidTgid],
  [16, comm],
  [35, currentTask],
  [125, ktime],
  [131, reserve],
  [132, submit],
  [133, discard],
])
