// BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK (Documentation/bpf/map_queue_stack.rst): values without keys in a ring of kernel memory.
// User space pushes with BPF_MAP_UPDATE_ELEM, peeks with LOOKUP and pops with LOOKUP_AND_DELETE.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { ACCESS_FLAGS, accessFlagsOk, ELEM, MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType } from './map.ts'

const { EINVAL, E2BIG, ENOENT } = ERRNO

export class QueueMap extends BpfMap {
  readonly #data: number
  readonly #pages: number
  readonly #isStack: boolean
  /** Index of the oldest value, and how many there are. */
  #first = 0
  #count = 0

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.#isStack = attr.type === MAP_TYPE.stack
    this.#pages = Math.ceil((attr.maxEntries * attr.valueSize) / PAGE_SIZE)
    this.#data = machine.alloc.allocPages(this.#pages)
  }

  #at(nth: number): number {
    return this.#data + ((this.#first + nth) % this.maxEntries) * this.valueSize
  }

  /** BPF_EXIST makes room in a full one by dropping the oldest value. */
  override push(value: number, flags: number): number {
    if (flags !== ELEM.any && flags !== ELEM.exist) return -EINVAL
    if (this.#count === this.maxEntries) {
      if (flags !== ELEM.exist) return -E2BIG
      this.#dropOldest()
    }
    this.machine.mem.copy(this.#at(this.#count++), value, this.valueSize)
    return 0
  }

  override peek(value: number): number {
    const { mem } = this.machine
    if (this.#count === 0) {
      mem.u8.fill(0, value, value + this.valueSize)
      return -ENOENT
    }
    mem.copy(value, this.#at(this.#isStack ? this.#count - 1 : 0), this.valueSize)
    return 0
  }

  override pop(value: number): number {
    const error = this.peek(value)
    if (error !== 0) return error
    if (this.#isStack) this.#count--
    else this.#dropOldest()
    return 0
  }

  #dropOldest(): void {
    this.#first = (this.#first + 1) % this.maxEntries
    this.#count--
  }

  lookup(): number {
    return 0
  }

  override update(): number {
    return -EINVAL
  }

  override delete(): number {
    return -EINVAL
  }

  override nextKey(): number {
    return -EINVAL
  }

  override readValue(_key: number, out: number): number {
    return this.peek(out)
  }

  override writeValue(_key: number, value: number, flags = 0): number {
    return this.push(value, flags)
  }

  override takeValue(_key: number, out: number): number {
    return this.pop(out)
  }

  get memoryBytes(): number {
    return this.#pages * PAGE_SIZE
  }

  protected release(): void {
    this.machine.alloc.freePages(this.#data)
  }
}

/** queue_stack_map_alloc_check() */
function check(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  if (attr.maxEntries === 0 || attr.keySize !== 0 || attr.valueSize === 0) return -EINVAL
  if (flags & ~(MAP_FLAG.numa_node | ACCESS_FLAGS) || !accessFlagsOk(flags)) return -EINVAL
  return attr.valueSize > 4 << 20 ? -E2BIG : 0
}

const create = (machine: Machine, attr: MapAttr): BpfMap => new QueueMap(machine, attr)

export const queue = mapType({ type: MAP_TYPE.queue, name: 'queue', check, create })
export const stack = mapType({ type: MAP_TYPE.stack, name: 'stack', check, create })
