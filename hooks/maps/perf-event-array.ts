// BPF_MAP_TYPE_PERF_EVENT_ARRAY: perf events by index, usually one a CPU. User space puts descriptors in and cannot read them back;
// programs write samples through it (bpf_perf_event_output). Closing the descriptor of the map through which an event was put in
// takes it out again, unless BPF_F_PRESERVE_ELEMS.

import { ERRNO } from '../../base/errno.ts'
import type { Machine } from '../../ebpf-vm/machine.ts'
import { checkArray, nextIndex } from '../../ebpf-vm/maps/array.ts'
import { MAP_FLAG } from '../../ebpf-vm/maps/flags.ts'
import { BpfMap, type FdObject, type MapAttr, mapType } from '../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import type { PerfEvent } from '../perf/event.ts'

/** fd_array_map_alloc_check(): an array of u32 that programs can neither be kept from reading nor from writing. */
export function checkFdArray(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  if (attr.valueSize !== 4 || flags & (MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog)) return -ERRNO.EINVAL
  return checkArray(attr)
}

/** What the fd arrays of this folder share: objects by index, opaque to user space. */
export abstract class FdArray<T extends object> extends BpfMap {
  protected readonly slots: (T | undefined)[]

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.slots = new Array<T | undefined>(Math.min(attr.maxEntries, 1024))
  }

  at(index: number): T | undefined {
    return this.slots[index]
  }

  lookup(): number {
    return 0
  }

  override readValue(): number {
    return -ERRNO.ENOTSUPP
  }

  override deleteKey(key: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    if (index >= this.maxEntries) return -ERRNO.E2BIG
    return this.remove(index) ? 0 : -ERRNO.ENOENT
  }

  override nextKey(key: number, out: number): number {
    return nextIndex(this, key, out)
  }

  override putObject(key: number, object: FdObject, flags: number): number {
    const index = this.machine.mem.dv.getUint32(key, true)
    if (flags !== 0) return -ERRNO.EINVAL
    if (index >= this.maxEntries) return -ERRNO.E2BIG
    this.remove(index)
    this.slots[index] = object as T
    this.took(object as T)
    return 0
  }

  get memoryBytes(): number {
    return this.maxEntries * 8
  }

  protected remove(index: number): boolean {
    const object = this.slots[index]
    if (object === undefined) return false
    this.slots[index] = undefined
    this.gave(object)
    return true
  }

  protected took(_object: T): void {}
  protected gave(_object: T): void {}

  protected release(): void {
    for (let i = 0; i < this.slots.length; i++) this.remove(i)
  }
}

/** A perf event in the array, with the file of the map that it was put in through. */
export interface PerfSlot {
  readonly event: PerfEvent
  readonly through: object
}

export class PerfEventArray extends FdArray<PerfSlot> {
  override get holds(): 'perf_event' {
    return 'perf_event'
  }

  protected override took({ event }: PerfSlot): void {
    event.hold()
  }

  protected override gave({ event }: PerfSlot): void {
    event.release()
  }

  event(index: number): PerfEvent | undefined {
    return this.at(index)?.event
  }

  /** perf_event_fd_array_release() */
  fileReleased(file: object): void {
    if (this.mapFlags & MAP_FLAG.preserve_elems) return
    this.slots.forEach((slot, index) => {
      if (slot?.through === file) this.remove(index)
    })
  }
}

export const perfEventArray = mapType({
  type: MAP_TYPE.perf_event_array,
  name: 'perf_event_array',
  check: checkFdArray,
  create: (machine, attr) => new PerfEventArray(machine, attr),
})
