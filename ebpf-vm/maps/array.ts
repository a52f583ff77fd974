// BPF_MAP_TYPE_ARRAY and BPF_MAP_TYPE_PERCPU_ARRAY: `maxEntries` values, zero from the start, indexed by a u32; none can be deleted.
//
//   array         value of index i            at data + i * stride
//   percpu_array  value of index i on cpu c   at data + c * cpuStride + i * stride          stride = round_up(valueSize, 8)

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { ACCESS_FLAGS, accessFlagsOk, ELEM, MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType, roundUp } from './map.ts'

const { EINVAL, E2BIG, EEXIST, ENOENT } = ERRNO
/** PCPU_MIN_UNIT_SIZE: the largest per-CPU value. */
export const MAX_PERCPU_VALUE = 32768

export class ArrayMap extends BpfMap {
  readonly stride: number
  /** Offset of the first value. */
  readonly data: number
  readonly #pages: number

  constructor(machine: Machine, attr: MapAttr, pages: number) {
    super(machine, attr)
    this.stride = roundUp(attr.valueSize, 8)
    this.#pages = pages
    this.data = machine.alloc.allocPages(pages)
  }

  lookup(key: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    return index < this.maxEntries ? this.valueAt(index) : 0
  }

  /** Offset of the value of an index in range (on this CPU). */
  valueAt(index: number): number {
    return this.data + index * this.stride
  }

  override update(key: number, value: number, flags: number): number {
    const error = this.checkUpdate(key, flags)
    if (error !== 0) return error
    this.copyValue(this.valueAt(this.machine.mem.dv.getUint32(key, true)), value)
    return 0
  }

  protected checkUpdate(key: number, flags: number): number {
    if ((flags & ~ELEM.lock) >>> 0 > ELEM.exist) return -EINVAL
    if (this.machine.mem.dv.getUint32(key, true) >= this.maxEntries) return -E2BIG
    if (flags & ELEM.noexist) return -EEXIST
    return flags & ELEM.lock && this.lockOffset < 0 ? -EINVAL : 0
  }

  override delete(): number {
    return -EINVAL
  }

  override nextKey(key: number, out: number): number {
    return nextIndex(this, key, out)
  }

  override visitAll(visit: (key: number, value: number) => number): number {
    const { alloc, mem } = this.machine
    const key = alloc.alloc(8)
    let visited = 0
    while (visited < this.maxEntries) {
      mem.dv.setUint32(key, visited, true)
      if (visit(key, this.valueAt(visited++)) !== 0) break
    }
    alloc.free(key)
    return visited
  }

  override get directValue(): number {
    return this.maxEntries === 1 ? this.data : 0
  }

  /** The bytes of a frozen array that programs cannot write either: the verifier folds loads from it. */
  override readonlyBytes(): Uint8Array | undefined {
    if (!this.frozen || !(this.mapFlags & MAP_FLAG.rdonly_prog) || this.maxEntries !== 1) return undefined
    return this.machine.mem.bytes(this.data, this.valueSize)
  }

  get memoryBytes(): number {
    return this.#pages * PAGE_SIZE
  }

  protected release(): void {
    this.machine.alloc.freePages(this.data)
  }
}

export class PercpuArrayMap extends ArrayMap {
  /** Bytes between the values of two CPUs. */
  readonly cpuStride: number

  constructor(machine: Machine, attr: MapAttr, pages: number) {
    super(machine, attr, pages)
    this.cpuStride = this.stride * this.maxEntries
  }

  override valueAt(index: number): number {
    return this.data + this.machine.platform.cpu() * this.cpuStride + index * this.stride
  }

  override lookupCpu(key: number, cpu: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    if (index >= this.maxEntries || cpu >= this.machine.platform.cpus) return 0
    return this.data + cpu * this.cpuStride + index * this.stride
  }

  override get syscallValueSize(): number {
    return this.stride * this.machine.platform.cpus
  }

  override readValue(key: number, out: number, flags = 0): number {
    if (flags !== 0) return -EINVAL
    if (this.machine.mem.dv.getUint32(key, true) >= this.maxEntries) return -ENOENT
    for (let cpu = 0; cpu < this.machine.platform.cpus; cpu++)
      this.copyOut(this.lookupCpu(key, cpu), out + cpu * this.stride)
    return 0
  }

  override writeValue(key: number, value: number, flags = 0): number {
    if (flags > ELEM.exist) return -EINVAL
    const error = this.checkUpdate(key, flags)
    if (error !== 0) return error
    for (let cpu = 0; cpu < this.machine.platform.cpus; cpu++)
      this.copyValue(this.lookupCpu(key, cpu), value + cpu * this.stride)
    return 0
  }

  override get directValue(): number {
    return 0
  }
}

/** BPF_MAP_GET_NEXT_KEY of every type that is indexed from 0. */
export function nextIndex(map: BpfMap, key: number, out: number): number {
  const { dv } = map.machine.mem
  const index = key === 0 ? map.maxEntries : dv.getUint32(key, true)
  if (index === map.maxEntries - 1) return -ENOENT
  dv.setUint32(out, index >= map.maxEntries ? 0 : index + 1, true)
  return 0
}

const ARRAY_FLAGS = MAP_FLAG.numa_node | MAP_FLAG.mmapable | ACCESS_FLAGS | MAP_FLAG.preserve_elems | MAP_FLAG.inner_map

/** array_map_alloc_check() */
export function checkArray(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  const percpu = attr.type === MAP_TYPE.percpu_array
  if (attr.maxEntries === 0 || attr.keySize !== 4 || attr.valueSize === 0) return -EINVAL
  if (flags & ~ARRAY_FLAGS || !accessFlagsOk(flags) || (percpu && flags & MAP_FLAG.numa_node)) return -EINVAL
  if (attr.type !== MAP_TYPE.array && flags & (MAP_FLAG.mmapable | MAP_FLAG.inner_map)) return -EINVAL
  if (attr.type !== MAP_TYPE.perf_event_array && flags & MAP_FLAG.preserve_elems) return -EINVAL
  if (attr.valueSize > 0x7fffffff) return -E2BIG
  return percpu && roundUp(attr.valueSize, 8) > MAX_PERCPU_VALUE ? -E2BIG : 0
}

const pagesFor = (attr: MapAttr, cpus: number): number =>
  Math.ceil((roundUp(attr.valueSize, 8) * attr.maxEntries * cpus) / PAGE_SIZE)

export const array = mapType({
  type: MAP_TYPE.array,
  name: 'array',
  check: checkArray,
  create: (machine, attr) => new ArrayMap(machine, attr, pagesFor(attr, 1)),
})

export const percpuArray = mapType({
  type: MAP_TYPE.percpu_array,
  name: 'percpu_array',
  check: checkArray,
  create: (machine, attr) => new PercpuArrayMap(machine, attr, pagesFor(attr, machine.platform.cpus)),
})
