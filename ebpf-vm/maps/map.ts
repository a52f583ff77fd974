// What every BPF map is. Its data lies in kernel memory in a layout that compiled code walks, so the maps' JavaScript and the
// compiled programs see the same bytes; the struct bpf_map at `address` holds what the active kernel's BTF says of it.
//
// Two sides use a map. Programs: lookup, update, delete and the like on offsets of keys and values, for this CPU where the map is
// per-CPU. Syscalls: readValue and writeValue, in the format of bpf(2), where a per-CPU value is `cpus` values of
// round_up(valueSize, 8) bytes. Both return Linux's negative errno.

import type { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import type { Machine } from '../machine.ts'
import type { MapFacts } from '../program.ts'

/** A member of a map value that a plain copy must not touch (bpf_spin_lock, bpf_timer, kptr …). */
export interface SpecialField {
  readonly kind: string
  readonly offset: number
  readonly size: number
}

/** BPF_MAP_CREATE's attributes, file descriptors resolved. */
export interface MapAttr {
  readonly type: number
  readonly name?: string
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly mapFlags?: number
  /** bpf_attr.map_extra: 0 but for the types that define it. */
  readonly mapExtra?: number
  /** The map behind inner_map_fd. */
  readonly inner?: BpfMap | undefined
  readonly btf?: Btf | undefined
  readonly btfKeyTypeId?: number
  readonly btfValueTypeId?: number
  readonly btfVmlinuxValueTypeId?: number
  readonly special?: readonly SpecialField[]
}

/** One map type. `check` is what Linux's map_alloc_check and map_alloc refuse: 0 or a negative errno. */
export interface MapType {
  readonly type: number
  /** Linux's name: `percpu_hash`. */
  readonly name: string
  /** What differs from Linux, for what is only partly there: the public table of map types shows it. */
  readonly partial?: string
  check(attr: MapAttr, machine: Machine): number
  create(machine: Machine, attr: MapAttr): BpfMap
}

export const mapType = (record: MapType): MapType => record

const NOT_SUPPORTED = -ERRNO.EOPNOTSUPP

/** What a map of descriptors (prog array, perf event array, map of maps …) holds in a slot: whatever bpf(2) resolved. */
export type FdObject = object

export abstract class BpfMap implements MapFacts {
  readonly machine: Machine
  readonly id: number
  readonly name: string
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly mapFlags: number
  readonly mapExtra: number
  readonly address: number
  readonly btf: Btf | undefined
  readonly btfKeyTypeId: number
  readonly btfValueTypeId: number
  readonly btfVmlinuxValueTypeId: number
  readonly inner: BpfMap | undefined
  readonly special: readonly SpecialField[]
  /** Offset of the bpf_spin_lock within a value, -1 without one. */
  readonly lockOffset: number
  /** BPF_MAP_FREEZE: user space writes no more. */
  frozen = false
  /** Called when a program's write may have made data ready for user space (ring buffers). */
  onWakeup: (() => void) | undefined = undefined

  constructor(machine: Machine, attr: MapAttr) {
    this.machine = machine
    this.id = machine.takeMapId()
    this.name = attr.name ?? ''
    this.type = attr.type
    this.keySize = attr.keySize
    this.valueSize = attr.valueSize
    this.maxEntries = attr.maxEntries
    this.mapFlags = attr.mapFlags ?? 0
    this.mapExtra = attr.mapExtra ?? 0
    this.btf = attr.btf
    this.btfKeyTypeId = attr.btfKeyTypeId ?? 0
    this.btfValueTypeId = attr.btfValueTypeId ?? 0
    this.btfVmlinuxValueTypeId = attr.btfVmlinuxValueTypeId ?? 0
    this.inner = attr.inner
    this.special = attr.special ?? []
    this.lockOffset = this.special.find((field) => field.kind === 'bpf_spin_lock')?.offset ?? -1
    this.address = writeStruct(machine, this)
    machine.maps.set(this.address, this)
  }

  // ── The programs' side ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Offset of the value (of this CPU) under the key at offset `key`, or 0. */
  abstract lookup(key: number): number

  /** Store the `valueSize` bytes at offset `value` under the key. `flags`: ELEM bits, as an unsigned number. */
  update(_key: number, _value: number, _flags: number): number {
    return NOT_SUPPORTED
  }

  delete(_key: number): number {
    return NOT_SUPPORTED
  }

  push(_value: number, _flags: number): number {
    return NOT_SUPPORTED
  }

  pop(_value: number): number {
    return NOT_SUPPORTED
  }

  peek(_value: number): number {
    return NOT_SUPPORTED
  }

  /** For bpf_tail_call: slot in the machine's function table of the program at an index of a prog array; 0 when there is none. */
  programSlot(_index: number): number {
    return 0
  }

  /** bpf_map_lookup_percpu_elem: the value of a given CPU, or 0. */
  lookupCpu(_key: number, _cpu: number): number {
    return 0
  }

  /**
   * Visit the elements as bpf_for_each_map_elem does: offsets of key and value (of this CPU) until `visit` returns non-zero.
   * Returns the number of elements visited.
   */
  visitAll(_visit: (key: number, value: number) => number): number {
    return NOT_SUPPORTED
  }

  // ── The syscalls' side ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes of one value in bpf(2)'s format. */
  get syscallValueSize(): number {
    return this.valueSize
  }

  /** BPF_MAP_LOOKUP_ELEM: copy the value under `key` to offset `out`. */
  readValue(key: number, out: number, flags = 0): number {
    if (flags & ~4 || (flags & 4 && this.lockOffset < 0)) return -ERRNO.EINVAL
    const value = this.lookup(key)
    if (value <= 0) return value === 0 ? -ERRNO.ENOENT : value
    this.copyOut(value, out)
    return 0
  }

  /** BPF_MAP_UPDATE_ELEM with a value in bpf(2)'s format. */
  writeValue(key: number, value: number, flags = 0): number {
    return this.update(key, value, flags)
  }

  /** BPF_MAP_DELETE_ELEM; a prog array and the like accept from user space what programs may not do. */
  deleteKey(key: number): number {
    return this.delete(key)
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM. */
  takeValue(_key: number, _out: number, _flags = 0): number {
    return -ERRNO.EOPNOTSUPP
  }

  /** BPF_MAP_GET_NEXT_KEY: copy the key behind the one at `key` (0: the first) to `out`; -ENOENT behind the last. */
  nextKey(_key: number, _out: number): number {
    return NOT_SUPPORTED
  }

  /** What the values of a map of descriptors are; bpf(2) resolves the descriptor and calls putObject. */
  get holds(): 'bytes' | 'program' | 'map' | 'perf_event' | 'cgroup' {
    return 'bytes'
  }

  /** Put what bpf(2) found behind a descriptor under the key. */
  putObject(_key: number, _object: FdObject, _flags: number): number {
    return NOT_SUPPORTED
  }

  /** Offset of the element 0 for BPF_PSEUDO_MAP_VALUE, or 0 where the type has no direct values. */
  get directValue(): number {
    return 0
  }

  readonlyBytes(): Uint8Array | undefined {
    return undefined
  }

  /** Bytes of kernel memory that the map accounts for (fdinfo's memlock). */
  abstract get memoryBytes(): number

  /** Give the memory back. The map may not be used after it. */
  free(): void {
    this.machine.maps.delete(this.address)
    this.release()
    this.machine.alloc.free(this.address)
  }

  /** Free what the type allocated. */
  protected abstract release(): void

  // ── For the types ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** copy_map_value(): the value without its special fields. */
  copyValue(to: number, from: number): void {
    const { mem } = this.machine
    let at = 0
    for (const field of this.special) {
      mem.copy(to + at, from + at, field.offset - at)
      at = field.offset + field.size
    }
    mem.copy(to + at, from + at, this.valueSize - at)
  }

  /** A value for user space: special fields read as zero. */
  copyOut(value: number, out: number): void {
    const { mem } = this.machine
    mem.copy(out, value, this.valueSize)
    for (const field of this.special) mem.u8.fill(0, out + field.offset, out + field.offset + field.size)
  }
}

export const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to

const BPF_MAP_FIELDS = {
  map_type: 'map_type',
  key_size: 'key_size',
  value_size: 'value_size',
  max_entries: 'max_entries',
  map_flags: 'map_flags',
  id: 'id',
  name: 'name',
}

/** Allocate the map's struct and fill the members that programs read (through BTF pointers to it). */
function writeStruct(machine: Machine, map: BpfMap): number {
  const { mem, alloc, platform } = machine
  const layouts = platform.layouts
  const size = Math.max(layouts?.sizeOf('bpf_map') ?? 0, 256)
  const at = alloc.alloc(size)
  if (!layouts) return at
  const offsets = layouts.bind('bpf_map', BPF_MAP_FIELDS)
  const put = (offset: number, value: number): void => {
    if (offset >= 0) mem.dv.setUint32(at + offset, value, true)
  }
  put(offsets.map_type, map.type)
  put(offsets.key_size, map.keySize)
  put(offsets.value_size, map.valueSize)
  put(offsets.max_entries, map.maxEntries)
  put(offsets.map_flags, map.mapFlags)
  put(offsets.id, map.id)
  if (offsets.name >= 0) mem.writeCstring(at + offsets.name, map.name, 16)
  return at
}
