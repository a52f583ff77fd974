// Hash maps walked by compiled code: lookup inlined at the call, update and delete as functions of the module, one per map. Layout,
// hash and order of every step are those of maps/hash.ts, which both must keep to.

import { ERRNO } from '../../base/errno.ts'
import { ELEM } from '../maps/flags.ts'
import { CONTROL, ELEMENT, type HashMap } from '../maps/hash.ts'
import { loadOf, storeOf } from './access.ts'
import type { Compiler } from './compiler.ts'
import type { Emitter } from './emitter.ts'
import { pieces } from './forward.ts'
import { SIGNED } from './kinds.ts'
import { Code, I32, I64 } from './wasm.ts'

/** Keys up to this size are hashed and compared by straight code. */
const MAX_KEY = 64
const MAX_COPY = 128

/** Pushes `bytes` (1, 2, 4: i32; 8: i64) of the key from byte `at` on. */
type PushKey = (at: number, bytes: number) => void

/** A key read once into locals, then hashed and compared from there. */
class Key {
  readonly #code: Code
  readonly #map: HashMap
  readonly #parts: { at: number; bytes: number; local: number }[]

  constructor(code: Code, map: HashMap, push: PushKey, local: (type: typeof I32 | typeof I64, at: number) => number) {
    this.#code = code
    this.#map = map
    this.#parts = pieces(map.keySize).map(({ at, bytes }) => {
      push(at, bytes)
      const into = local(bytes === 8 ? I64 : I32, at)
      code.set(into)
      return { at, bytes, local: into }
    })
  }

  /** Push the hash. */
  hash(): void {
    const code = this.#code
    const { multipliers, keySize } = this.#map
    let terms = 0
    const times = (at: number): void => {
      code.i32(multipliers[at >> 2]!)
      code.op('i32_mul')
      if (terms++ > 0) code.op('i32_add')
    }
    for (const { at, bytes, local } of this.#parts) {
      if (bytes === 8) {
        code.get(local)
        code.op('i32_wrap_i64')
        times(at)
        code.get(local)
        code.i64(32, 0)
        code.op('i64_shr_u')
        code.op('i32_wrap_i64')
        times(at + 4)
      } else if (bytes === 4) {
        code.get(local)
        times(at)
      }
    }
    // The bytes behind the last whole word make one word.
    const rest = this.#parts.filter(({ at, bytes }) => bytes < 4 && at >= (keySize & ~3))
    if (rest.length === 0) return
    rest.forEach(({ at, local }, i) => {
      code.get(local)
      if (i === 0) return
      code.i32((at & 3) * 8)
      code.op('i32_shl')
      code.op('i32_or')
    })
    times(keySize & ~3)
  }

  /** Push whether the element in this local has the key. */
  equals(element: number): void {
    const code = this.#code
    this.#parts.forEach(({ at, bytes, local }, i) => {
      code.get(element)
      code.access(loadOf(bytes), ELEMENT.key + at)
      code.get(local)
      code.op(bytes === 8 ? 'i64_eq' : 'i32_eq')
      if (i > 0) code.op('i32_and')
    })
  }

  /** Store the key at the address in `to` + `offset`. */
  store(to: number, offset: number): void {
    const code = this.#code
    for (const { at, bytes, local } of this.#parts) {
      code.get(to)
      code.get(local)
      code.access(storeOf(bytes), offset + at)
    }
  }
}

/** Push the address of the bucket of the hash on the stack. */
function bucketOf(code: Code, map: HashMap): void {
  code.i32(32 - map.bucketBits)
  code.op('i32_shr_u')
  code.i32(2)
  code.op('i32_shl')
  code.i32(map.buckets)
  code.op('i32_add')
}

/** r0 = the value under the key that `keyWeb` points to, or NULL. */
export function emitHashLookup(e: Emitter, slot: number, map: HashMap, keyWeb: number): void {
  const { code, compiler, values } = e
  const local = (type: typeof I32 | typeof I64, at: number): number => e.scratch(`key${at}`, type)
  const key = new Key(code, map, (at, bytes) => e.pushPointee(slot, keyWeb, at, bytes), local)
  const element = e.scratch('element', I32)
  key.hash()
  code.i32(32 - map.bucketBits)
  code.op('i32_shr_u')
  code.i32(2)
  code.op('i32_shl')
  code.access('i32_load', map.buckets)
  code.set(element)
  const out = code.open('block')
  const again = code.open('loop')
  code.get(element)
  code.op('i32_eqz')
  code.brIf(out)
  key.equals(element)
  code.brIf(out)
  code.get(element)
  code.access('i32_load', ELEMENT.next)
  code.set(element)
  code.br(again)
  code.end()
  code.end()
  if (map.isLru) {
    code.get(element)
    code.open('if')
    code.get(element)
    code.i32(1)
    code.access('i32_store8', ELEMENT.referenced)
    code.end()
  }
  const value = (): void => {
    code.get(element)
    code.i32(map.valueOffset)
    code.op('i32_add')
    if (!map.isPercpu) return
    compiler.uses.cpu = true
    code.i32(0)
    code.access('i32_load', compiler.machine.cells.cpu)
    code.i32(map.valueStride)
    code.op('i32_mul')
    code.op('i32_add')
  }
  e.putOrNull(values.def[slot]!, slot, value, () => {
    code.get(element)
    code.op('i32_eqz')
  })
}
emitHashLookup.fits = (map: HashMap): boolean => map.keySize <= MAX_KEY

/** bpf_map_update_elem with constant flags. */
export function emitHashUpdate(
  e: Emitter,
  slot: number,
  map: HashMap,
  key: number,
  value: number,
  flags: number,
): void {
  const { code, compiler, values } = e
  const index = compiler.helperFunction(`update ${map.id}`, 3, () => updateFunction(compiler, map))
  e.prepareCallOut()
  e.get32(key)
  e.get32(value)
  code.i32(flags)
  code.call(index)
  e.put(values.def[slot]!, I32, SIGNED)
}
emitHashUpdate.fits = (map: HashMap): boolean =>
  map.keySize <= MAX_KEY && map.valueSize <= MAX_COPY && !map.isLru && !map.isPercpu && map.special.length === 0

export function emitHashDelete(e: Emitter, slot: number, map: HashMap, key: number): void {
  const { code, compiler, values } = e
  const index = compiler.helperFunction(`delete ${map.id}`, 1, () => deleteFunction(map))
  e.get32(key)
  code.call(index)
  e.put(values.def[slot]!, I32, SIGNED)
}

/**
 * Emit the walk through a bucket: afterwards `element` holds the element with the key (or 0) and `link` the address of the pointer
 * to it (or of the chain's end).
 */
function emitFind(code: Code, map: HashMap, key: Key, hash: number, link: number, element: number): void {
  key.hash()
  code.tee(hash)
  bucketOf(code, map)
  code.set(link)
  const out = code.open('block')
  const again = code.open('loop')
  code.get(link)
  code.access('i32_load', 0)
  code.tee(element)
  code.op('i32_eqz')
  code.brIf(out)
  key.equals(element)
  code.brIf(out)
  // `next` is the element's first word, so its address is the element's.
  code.get(element)
  code.set(link)
  code.br(again)
  code.end()
  code.end()
}

/** Put the element on the free list. */
function emitFree(code: Code, map: HashMap, element: number): void {
  code.get(element)
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.free)
  code.access('i32_store', ELEMENT.next)
  code.i32(0)
  code.get(element)
  code.access('i32_store', map.control + CONTROL.free)
}

function emitCount(code: Code, map: HashMap, by: number): void {
  code.i32(0)
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.count)
  code.i32(by)
  code.op('i32_add')
  code.access('i32_store', map.control + CONTROL.count)
}

/** (key, value, flags) -> 0 or a negative errno. Where memory must be taken from the allocator, the map's own update is called. */
function updateFunction(compiler: Compiler, map: HashMap): Code {
  const code = new Code(3)
  const [keyAt, valueAt, flags] = [0, 1, 2]
  const hash = code.local(I32)
  const link = code.local(I32)
  const old = code.local(I32)
  const fresh = code.local(I32)
  const key = new Key(
    code,
    map,
    (at, bytes) => {
      code.get(keyAt)
      code.access(loadOf(bytes), at)
    },
    (type) => code.local(type),
  )
  const fail = (errno: number): void => {
    code.i32(-errno)
    code.op('return')
  }
  code.get(flags)
  code.i32(ELEM.exist)
  code.op('i32_gt_u')
  code.open('if')
  // BPF_F_LOCK without a lock, and flags that do not exist.
  fail(ERRNO.EINVAL)
  code.end()
  emitFind(code, map, key, hash, link, old)
  code.get(old)
  code.open('if')
  code.get(flags)
  code.i32(ELEM.noexist)
  code.op('i32_eq')
  code.open('if')
  fail(ERRNO.EEXIST)
  code.end()
  code.else()
  code.get(flags)
  code.i32(ELEM.exist)
  code.op('i32_eq')
  code.open('if')
  fail(ERRNO.ENOENT)
  code.end()
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.count)
  code.i32(map.maxEntries)
  code.op('i32_ge_s')
  code.open('if')
  fail(ERRNO.E2BIG)
  code.end()
  code.end()
  // An element off the free list, or one never used.
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.free)
  code.tee(fresh)
  code.open('if')
  code.i32(0)
  code.get(fresh)
  code.access('i32_load', ELEMENT.next)
  code.access('i32_store', map.control + CONTROL.free)
  code.else()
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.unused)
  code.tee(fresh)
  code.i32(0)
  code.access('i32_load', map.control + CONTROL.end)
  code.op('i32_eq')
  code.open('if')
  code.i32(map.address)
  code.get(keyAt)
  code.get(valueAt)
  code.get(flags)
  code.call(compiler.imported('update'))
  code.op('return')
  code.end()
  code.i32(0)
  code.get(fresh)
  code.i32(map.elementSize)
  code.op('i32_add')
  code.access('i32_store', map.control + CONTROL.unused)
  code.end()
  key.store(fresh, ELEMENT.key)
  for (const { at, bytes } of pieces(map.valueSize)) {
    code.get(fresh)
    code.get(valueAt)
    code.access(loadOf(bytes), at)
    code.access(storeOf(bytes), map.valueOffset + at)
  }
  code.get(fresh)
  code.get(hash)
  code.access('i32_store', ELEMENT.hash)
  // The old element leaves its chain before the new one enters in front; the result is the same.
  code.get(old)
  code.open('if')
  code.get(link)
  code.get(old)
  code.access('i32_load', ELEMENT.next)
  code.access('i32_store', 0)
  emitFree(code, map, old)
  code.else()
  emitCount(code, map, 1)
  code.end()
  code.get(hash)
  bucketOf(code, map)
  code.set(link)
  code.get(fresh)
  code.get(link)
  code.access('i32_load', 0)
  code.access('i32_store', ELEMENT.next)
  code.get(link)
  code.get(fresh)
  code.access('i32_store', 0)
  code.i32(0)
  return code
}

/** (key) -> 0 or -ENOENT */
function deleteFunction(map: HashMap): Code {
  const code = new Code(1)
  const hash = code.local(I32)
  const link = code.local(I32)
  const element = code.local(I32)
  const key = new Key(
    code,
    map,
    (at, bytes) => {
      code.get(0)
      code.access(loadOf(bytes), at)
    },
    (type) => code.local(type),
  )
  emitFind(code, map, key, hash, link, element)
  code.get(element)
  code.op('i32_eqz')
  code.open('if')
  code.i32(-ERRNO.ENOENT)
  code.op('return')
  code.end()
  code.get(link)
  code.get(element)
  code.access('i32_load', ELEMENT.next)
  code.access('i32_store', 0)
  emitFree(code, map, element)
  emitCount(code, map, -1)
  code.i32(0)
  return code
}
