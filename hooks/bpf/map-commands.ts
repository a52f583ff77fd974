// The commands of bpf(2) on maps, as kernel/bpf/syscall.c has them: the checks in their order, with Linux's errno. Keys and values
// pass through kernel memory; probes of this CPU stay silent meanwhile (bpf_disable_instrumentation).

import { ERRNO } from '../../base/errno.ts'
import { createMap } from '../../ebpf-vm/maps/create.ts'
import { ELEM, MAP_FLAG } from '../../ebpf-vm/maps/flags.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { type FileMode, fileOf, mapFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import { MapObject } from '../objects/map.ts'
import { type Attr, OBJ_NAME_LEN } from '../uapi/bpf-attr.ts'
import { copyFromUser, copyToUser, type UserBytes } from '../uapi/codec.ts'

const HASHES: ReadonlySet<number> = new Set([
  MAP_TYPE.hash,
  MAP_TYPE.percpu_hash,
  MAP_TYPE.lru_hash,
  MAP_TYPE.lru_percpu_hash,
  MAP_TYPE.hash_of_maps,
])

/** BPF_F_LOCK is the only flag that reads take. */
const LOCK = BigInt(ELEM.lock)

/** bpf_obj_name_cpy(): letters, digits, `_` and `.`, with a NUL among the 16 bytes. */
export const nameOk = (name: string): boolean => name.length < OBJ_NAME_LEN && /^[\w.]*$/.test(name)

export function mapMode(flags: number): FileMode | undefined {
  const rdonly = (flags & MAP_FLAG.rdonly) !== 0
  const wronly = (flags & MAP_FLAG.wronly) !== 0
  return rdonly && wronly ? undefined : { read: !wronly, write: !rdonly }
}

export function mapCreate(host: BpfHost, attr: Attr<'map_create'>): number {
  const btfGiven = attr.btf_key_type_id !== 0 || attr.btf_value_type_id !== 0
  if (attr.btf_vmlinux_value_type_id !== 0) {
    if (attr.map_type !== MAP_TYPE.struct_ops || btfGiven) return -ERRNO.EINVAL
  } else if (attr.btf_key_type_id !== 0 && attr.btf_value_type_id === 0) return -ERRNO.EINVAL
  if (attr.map_type !== MAP_TYPE.bloom_filter && attr.map_type !== MAP_TYPE.arena && attr.map_extra !== 0n)
    return -ERRNO.EINVAL
  const mode = mapMode(attr.map_flags)
  if (!mode) return -ERRNO.EINVAL
  const node = attr.map_flags & MAP_FLAG.numa_node ? attr.numa_node : -1
  if (node > 0) return -ERRNO.EINVAL
  if (!nameOk(attr.map_name)) return -ERRNO.EINVAL

  let inner: BpfMap | undefined
  if (attr.map_type === MAP_TYPE.array_of_maps || attr.map_type === MAP_TYPE.hash_of_maps) {
    const file = fileOf(host.descriptors, attr.inner_map_fd, 'map')
    if (typeof file === 'number') return file
    inner = file.object.map
  }
  const btf = btfGiven ? fileOf(host.descriptors, attr.btf_fd, 'btf') : undefined
  if (typeof btf === 'number') return btf
  if (btf && (attr.btf_value_type_id >= btf.object.btf.count || attr.btf_key_type_id >= btf.object.btf.count))
    return -ERRNO.EINVAL

  const map = createMap(host.machine, host.mapTypes, {
    type: attr.map_type,
    name: attr.map_name,
    keySize: attr.key_size,
    valueSize: attr.value_size,
    maxEntries: attr.max_entries,
    mapFlags: attr.map_flags,
    mapExtra: Number(attr.map_extra),
    inner,
    btf: btf?.object.btf,
    btfKeyTypeId: attr.btf_key_type_id,
    btfValueTypeId: attr.btf_value_type_id,
  })
  if (typeof map === 'number') return map
  const object = new MapObject(host.maps, map, btf?.object)
  return host.descriptors.install(mapFile(object, mode))
}

/** One map operation: resolved map, and kernel memory for its key and value that is given back afterwards. */
class Operation {
  readonly map: BpfMap
  readonly mode: FileMode
  readonly file: object
  readonly #host: BpfHost
  readonly #taken: number[] = []

  private constructor(host: BpfHost, object: MapObject, mode: FileMode, file: object) {
    this.#host = host
    this.map = object.map
    this.mode = mode
    this.file = file
  }

  static run(host: BpfHost, fd: number, work: (op: Operation) => number): number {
    const file = fileOf(host.descriptors, fd, 'map')
    if (typeof file === 'number') return file
    const mode = file.object.map.frozen ? { ...file.mode, write: false } : file.mode
    const op = new Operation(host, file.object, mode, file)
    try {
      return work(op)
    } finally {
      for (const at of op.#taken) host.machine.alloc.free(at)
    }
  }

  memory(bytes: number): number {
    const at = this.#host.machine.alloc.alloc(Math.max(bytes, 8))
    this.#taken.push(at)
    return at
  }

  /** Copy `bytes` in; a negative errno, or the offset. Without bytes to copy, a pointer is -EINVAL. */
  copyIn(from: UserBytes | undefined, bytes: number, offset = 0): number {
    if (bytes === 0) return from ? -ERRNO.EINVAL : 0
    const data = copyFromUser(from, offset, bytes)
    if (!data) return -ERRNO.EFAULT
    const at = this.memory(bytes)
    this.#host.machine.mem.u8.set(data, at)
    return at
  }

  copyOut(to: UserBytes | undefined, from: number, bytes: number, offset = 0): number {
    return copyToUser(to, offset, this.#host.machine.mem.bytes(from, bytes)) ? 0 : -ERRNO.EFAULT
  }

  quietly(work: () => number): number {
    return this.#host.runner.quietly(work)
  }
}

/** BPF_F_LOCK wants a lock in the value. */
const lockOk = (map: BpfMap, flags: bigint): boolean => (flags & LOCK) === 0n || map.lockOffset >= 0

export function mapLookupElem(host: BpfHost, attr: Attr<'map_lookup_elem'>): number {
  if (attr.flags & ~LOCK) return -ERRNO.EINVAL
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.read) return -ERRNO.EPERM
    if (!lockOk(op.map, attr.flags)) return -ERRNO.EINVAL
    const key = op.copyIn(attr.key, op.map.keySize)
    if (key < 0) return key
    const size = op.map.syscallValueSize
    const isBloom = op.map.type === MAP_TYPE.bloom_filter
    const value = isBloom ? op.copyIn(attr.value, size) : op.memory(size)
    if (value < 0) return value
    const result = op.quietly(() => op.map.readValue(key, value, Number(attr.flags)))
    return result !== 0 || isBloom ? result : op.copyOut(attr.value, value, size)
  })
}

export function mapUpdateElem(host: BpfHost, attr: Attr<'map_update_elem'>): number {
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.write) return -ERRNO.EPERM
    if (!lockOk(op.map, attr.flags)) return -ERRNO.EINVAL
    const key = op.copyIn(attr.key, op.map.keySize)
    if (key < 0) return key
    const value = op.copyIn(attr.value, op.map.syscallValueSize)
    if (value < 0) return value
    return store(host, op, key, value, attr.flags)
  })
}

/** bpf_map_update_value(): bytes as they are, descriptors as what they stand for. */
function store(host: BpfHost, op: Operation, key: number, value: number, flags: bigint): number {
  // No map knows a flag above bit 31: such flags are as wrong as the highest one below.
  const flags32 = flags > 0x7fffffffn ? 0x7fffffff : Number(flags)
  if (op.map.holds === 'bytes') return op.quietly(() => op.map.writeValue(key, value, flags32))
  if (op.map.type !== MAP_TYPE.hash_of_maps) {
    if (flags !== 0n) return -ERRNO.EINVAL
    if (host.machine.mem.dv.getUint32(key, true) >= op.map.maxEntries) return -ERRNO.E2BIG
  }
  const object = host.objectBehind(op.map, op.file, host.machine.mem.dv.getInt32(value, true))
  return typeof object === 'number' ? object : op.map.putObject(key, object, flags32)
}

export function mapDeleteElem(host: BpfHost, attr: Attr<'map_delete_elem'>): number {
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.write) return -ERRNO.EPERM
    const key = op.copyIn(attr.key, op.map.keySize)
    return key < 0 ? key : op.quietly(() => op.map.deleteKey(key))
  })
}

export function mapGetNextKey(host: BpfHost, attr: Attr<'map_get_next_key'>): number {
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.read) return -ERRNO.EPERM
    const key = attr.key ? op.copyIn(attr.key, op.map.keySize) : 0
    if (key < 0) return key
    const next = op.memory(op.map.keySize)
    const result = op.map.nextKey(key, next)
    return result === 0 ? op.copyOut(attr.next_key, next, op.map.keySize) : result
  })
}

export function mapLookupAndDeleteElem(host: BpfHost, attr: Attr<'map_lookup_and_delete_elem'>): number {
  if (attr.flags & ~LOCK) return -ERRNO.EINVAL
  return Operation.run(host, attr.map_fd, (op) => {
    const { map } = op
    if (!op.mode.read || !op.mode.write) return -ERRNO.EPERM
    const isQueue = map.type === MAP_TYPE.queue || map.type === MAP_TYPE.stack
    if (attr.flags && (isQueue || !lockOk(map, attr.flags))) return -ERRNO.EINVAL
    const key = op.copyIn(attr.key, map.keySize)
    if (key < 0) return key
    if (!isQueue && !HASHES.has(map.type)) return -ERRNO.ENOTSUPP
    const size = map.syscallValueSize
    const value = op.memory(size)
    const result = op.quietly(() => map.takeValue(key, value, Number(attr.flags)))
    return result === 0 ? op.copyOut(attr.value, value, size) : result
  })
}

export function mapFreeze(host: BpfHost, attr: Attr<'map_freeze'>): number {
  const file = fileOf(host.descriptors, attr.map_fd, 'map')
  if (typeof file === 'number') return file
  const { map } = file.object
  if (map.special.length > 0 || map.type === MAP_TYPE.struct_ops) return -ERRNO.ENOTSUPP
  if (!file.mode.write || map.frozen) return -ERRNO.EPERM
  map.frozen = true
  return 0
}

// ---- Batches ----
// Array-like maps continue from a key, hashes from a count of elements: both fit what callers must provide (the key's size, and at
// least 4 bytes). Entries that are not there any more are passed over.

type BatchAttr = Attr<'map_lookup_batch'>

function lookupBatch(host: BpfHost, attr: BatchAttr, alsoDelete: boolean): number {
  return Operation.run(host, attr.map_fd, (op) => {
    const { map } = op
    if (!op.mode.read || (alsoDelete && !op.mode.write)) return -ERRNO.EPERM
    const isHash = HASHES.has(map.type)
    if (alsoDelete && !isHash) return -ERRNO.ENOTSUPP
    if (attr.elem_flags & ~LOCK || attr.flags || !lockOk(map, attr.elem_flags)) return -ERRNO.EINVAL
    const wanted = attr.count
    attr.count = 0
    if (wanted === 0) return 0
    const { mem } = host.machine
    const tokenBytes = isHash ? 4 : map.keySize
    const size = map.syscallValueSize
    const key = op.memory(map.keySize)
    const next = op.memory(map.keySize)
    const value = op.memory(size)

    let token = 0
    let previous = 0
    if (attr.in_batch) {
      const from = op.copyIn(attr.in_batch, tokenBytes)
      if (from < 0) return from
      if (isHash) token = mem.dv.getUint32(from, true)
      else {
        mem.u8.copyWithin(key, from, from + tokenBytes)
        previous = key
      }
    }
    const doomed: number[] = []
    let error = 0
    for (let position = 0; attr.count < wanted; position++) {
      error = op.quietly(() => map.nextKey(previous, next))
      if (error !== 0) break
      mem.u8.copyWithin(key, next, next + map.keySize)
      previous = key
      if (isHash && position < token) continue
      if (op.quietly(() => map.readValue(key, value, Number(attr.elem_flags))) !== 0) continue
      error = op.copyOut(attr.keys, key, map.keySize, attr.count * map.keySize)
      error ||= op.copyOut(attr.values, value, size, attr.count * size)
      if (error !== 0) return error
      if (alsoDelete) {
        const kept = op.memory(map.keySize)
        mem.u8.copyWithin(kept, key, key + map.keySize)
        doomed.push(kept)
      }
      attr.count++
    }
    if (isHash && error === 0 && op.quietly(() => map.nextKey(previous, next)) === -ERRNO.ENOENT) error = -ERRNO.ENOENT
    for (const gone of doomed) op.quietly(() => map.deleteKey(gone))
    if (isHash) mem.dv.setUint32(key, token + attr.count - doomed.length, true)
    if (attr.count > 0 || isHash) {
      const written = op.copyOut(attr.out_batch, key, tokenBytes)
      if (written !== 0) return written
    }
    return error
  })
}

export const mapLookupBatch = (host: BpfHost, attr: BatchAttr): number => lookupBatch(host, attr, false)

export const mapLookupAndDeleteBatch = (host: BpfHost, attr: BatchAttr): number => lookupBatch(host, attr, true)

export function mapUpdateBatch(host: BpfHost, attr: BatchAttr): number {
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.write) return -ERRNO.EPERM
    if (attr.elem_flags & ~LOCK || attr.flags || !lockOk(op.map, attr.elem_flags)) return -ERRNO.EINVAL
    const wanted = attr.count
    const size = op.map.syscallValueSize
    for (attr.count = 0; attr.count < wanted; attr.count++) {
      const key = op.copyIn(attr.keys, op.map.keySize, attr.count * op.map.keySize)
      if (key < 0) return key
      const value = op.copyIn(attr.values, size, attr.count * size)
      if (value < 0) return value
      const result = store(host, op, key, value, attr.elem_flags)
      if (result !== 0) return result
    }
    return 0
  })
}

export function mapDeleteBatch(host: BpfHost, attr: BatchAttr): number {
  return Operation.run(host, attr.map_fd, (op) => {
    if (!op.mode.write) return -ERRNO.EPERM
    if (attr.elem_flags & ~LOCK || attr.flags || !lockOk(op.map, attr.elem_flags)) return -ERRNO.EINVAL
    const wanted = attr.count
    for (attr.count = 0; attr.count < wanted; attr.count++) {
      const key = op.copyIn(attr.keys, op.map.keySize, attr.count * op.map.keySize)
      if (key < 0) return key
      const result = op.quietly(() => op.map.deleteKey(key))
      if (result !== 0) return result
    }
    return 0
  })
}
