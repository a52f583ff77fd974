// A loaded map in user space: elements through bpf(2), keys and values as JavaScript values through the object's BTF. Where no type is
// known they are bytes. The elements of per-CPU maps are lists, one value per CPU.

import { BtfValues } from '../../base/btf/value.ts'
import { type Codec, intCodec } from '../../base/codec.ts'
import { ERRNO } from '../../base/errno.ts'
import { UserError } from '../../base/errors.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import type { MapSpec } from '../object/spec.ts'
import { type Calls, errorText } from './calls.ts'
import type { MapTypes } from './map-types.ts'
import { openReader, type Reader, type ReaderOptions } from './reader.ts'
import type { Scheduler } from './scheduler.ts'

const PER_CPU: ReadonlySet<number> = new Set<number>([
  MAP_TYPE.percpu_hash,
  MAP_TYPE.percpu_array,
  MAP_TYPE.lru_percpu_hash,
  MAP_TYPE.percpu_cgroup_storage,
])

/** Maps whose key is an index. */
export const INDEXED: ReadonlySet<number> = new Set<number>([
  MAP_TYPE.array,
  MAP_TYPE.percpu_array,
  MAP_TYPE.prog_array,
  MAP_TYPE.array_of_maps,
  MAP_TYPE.perf_event_array,
  MAP_TYPE.cgroup_array,
])

export class LoadedMap<K = unknown, V = unknown, E = unknown> implements Iterable<[K, V]> {
  /** As in the object. */
  readonly name: string
  readonly spec: MapSpec
  readonly fd: number
  readonly types: MapTypes
  readonly #calls: Calls
  readonly #scheduler: Scheduler
  readonly #key: Codec
  readonly #value: Codec
  readonly #cpus: number

  constructor(calls: Calls, scheduler: Scheduler, spec: MapSpec, fd: number, types: MapTypes) {
    this.name = spec.name
    this.spec = spec
    this.fd = fd
    this.types = types
    this.#calls = calls
    this.#scheduler = scheduler
    const values = types.btf && new BtfValues(types.btf)
    this.#key = values && types.key !== 0 ? values.codec(types.key) : untypedKey(spec)
    this.#value = values && types.value !== 0 ? values.codec(types.value) : bytesCodec(spec.valueSize)
    this.#cpus = PER_CPU.has(spec.type) ? calls.host.kernel.cpus.length : 0
  }

  /** The value of an array's element, or of a hash's key; undefined where there is none. */
  get(key: K): V | undefined {
    const value = this.lookup(this.encodeKey(key))
    return value && (this.decodeValue(value) as V)
  }

  has(key: K): boolean {
    return this.lookup(this.encodeKey(key)) !== undefined
  }

  /** Throws UserError where Linux refuses the element. */
  set(key: K, value: V): void {
    this.write(this.encodeKey(key), this.#encodeValue(value))
  }

  /** False where there was no such element. */
  delete(key: K): boolean {
    const result = this.#calls.bpf('map_delete_elem', { map_fd: this.fd, key: this.encodeKey(key) })
    if (result !== -ERRNO.ENOENT) this.#check('delete', result)
    return result === 0
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    for (const key of this.rawKeys()) {
      const value = this.lookup(key)
      // An element may be gone between its key and its value.
      if (value) yield [this.decodeKey(key) as K, this.decodeValue(value) as V]
    }
  }

  *keys(): Generator<K> {
    for (const [key] of this) yield key
  }

  *values(): Generator<V> {
    for (const [, value] of this) yield value
  }

  entries(): Generator<[K, V]> {
    return this[Symbol.iterator]()
  }

  /** The only value of a map that has one (global data, an array of one element), or undefined. */
  get value(): V | undefined {
    for (const value of this.values()) return value
    return undefined
  }

  /** Records of a ring buffer or perf event array. Throws UserError for any other map. */
  reader(options: ReaderOptions = {}): Reader<E> {
    return openReader<E>(this.#calls, this.#scheduler, this, options)
  }

  // ── Bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A value in bpf(2)'s format: of a per-CPU map the values of all CPUs, each padded to 8 bytes. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.#syscallValueBytes)
    const result = this.#calls.bpf('map_lookup_elem', { map_fd: this.fd, key, value, flags: 0n })
    if (result === -ERRNO.ENOENT) return undefined
    this.#check('lookup', result)
    return value
  }

  /** The inverse of lookup(). Throws UserError where Linux refuses. */
  write(key: Uint8Array, value: Uint8Array): void {
    this.#check('update', this.#calls.bpf('map_update_elem', { map_fd: this.fd, key, value, flags: 0n }))
  }

  *rawKeys(): Generator<Uint8Array> {
    let key: Uint8Array | undefined
    for (;;) {
      const next = new Uint8Array(this.spec.keySize)
      const result = this.#calls.bpf('map_get_next_key', { map_fd: this.fd, ...(key && { key }), next_key: next })
      if (result === -ERRNO.ENOENT) return
      this.#check('get_next_key', result)
      yield (key = next)
    }
  }

  encodeKey(key: unknown): Uint8Array {
    return encode(this.#key, key, `map '${this.name}': key`)
  }

  decodeKey(bytes: Uint8Array): unknown {
    return decode(this.#key, bytes, 0)
  }

  decodeValue(bytes: Uint8Array): unknown {
    if (this.#cpus === 0) return decode(this.#value, bytes, 0)
    return Array.from({ length: this.#cpus }, (_, cpu) => decode(this.#value, bytes, cpu * this.#stride))
  }

  #encodeValue(value: unknown): Uint8Array {
    const what = `map '${this.name}': value`
    if (this.#cpus === 0) return encode(this.#value, value, what)
    if (!Array.isArray(value) || value.length !== this.#cpus) {
      throw new UserError(`${what}: needs a list of ${this.#cpus} values, one per CPU`)
    }
    const bytes = new Uint8Array(this.#syscallValueBytes)
    value.forEach((each, cpu) => {
      bytes.set(encode(this.#value, each, `${what}[${cpu}]`), cpu * this.#stride)
    })
    return bytes
  }

  get #stride(): number {
    return Math.ceil(this.spec.valueSize / 8) * 8
  }

  get #syscallValueBytes(): number {
    return this.#cpus === 0 ? this.spec.valueSize : this.#cpus * this.#stride
  }

  #check(what: string, result: number): void {
    if (result < 0) throw new UserError(`map '${this.name}': ${what}: ${errorText(result)}`)
  }
}

/** The key of an array is an index, whether the object says so or not. */
const untypedKey = (spec: MapSpec): Codec =>
  INDEXED.has(spec.type) && spec.keySize === 4 ? (intCodec(4, false) as Codec) : bytesCodec(spec.keySize)

const bytesCodec = (sizeBytes: number): Codec => ({
  sizeBytes,
  read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, sizeBytes).slice(),
  write(view, at, value, path = 'value') {
    if (!(value instanceof Uint8Array) || value.length !== sizeBytes) {
      throw new UserError(`${path}: needs ${sizeBytes} bytes (Uint8Array)`)
    }
    new Uint8Array(view.buffer, view.byteOffset + at, sizeBytes).set(value)
  },
})

function decode(codec: Codec, bytes: Uint8Array, at: number): unknown {
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at)
}

function encode(codec: Codec, value: unknown, what: string): Uint8Array {
  const bytes = new Uint8Array(codec.sizeBytes)
  codec.write(new DataView(bytes.buffer), 0, value, what)
  return bytes
}
