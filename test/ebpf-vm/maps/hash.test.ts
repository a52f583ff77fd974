import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { ELEM, MAP_FLAG } from '../../../ebpf-vm/maps/flags.ts'
import type { HashMap } from '../../../ebpf-vm/maps/hash.ts'
import { MAP_TYPE } from '../../../ebpf-vm/uapi.ts'
import { TestPlatform, testMachine, testMap, tryMap } from '../support.ts'

const { E2BIG, EEXIST, EINVAL, ENOENT, ENOTSUPP } = ERRNO
const platform = new TestPlatform()
const machine = testMachine(platform)
const { mem } = machine
const key = machine.alloc.alloc(64)
const value = machine.alloc.alloc(64)
const out = machine.alloc.alloc(256)

type Operation = { kind: 'update' | 'delete' | 'lookup'; key: number; value: number; flags: number }
const operations = fc.array(
  fc.record({
    kind: fc.constantFrom('update', 'update', 'delete', 'lookup'),
    key: fc.nat(12),
    value: fc.nat(),
    flags: fc.constantFrom(0, 0, 0, ELEM.noexist, ELEM.exist, 3, 8),
  }) as fc.Arbitrary<Operation>,
  { maxLength: 60 },
)

for (const keySize of [1, 3, 4, 8, 13, 16]) {
  for (const mapFlags of [0, MAP_FLAG.no_prealloc]) {
    test(`a hash of ${keySize}-byte keys${mapFlags ? ' without preallocation' : ''} does what a Map does`, () => {
      fc.assert(
        fc.property(operations, (list) => {
          const map = testMap<HashMap>(machine, {
            type: MAP_TYPE.hash,
            keySize,
            valueSize: 12,
            maxEntries: 8,
            mapFlags,
          })
          const model = new Map<number, number>()
          for (const operation of list) {
            mem.u8.fill(operation.key * 17, key, key + keySize)
            mem.dv.setUint32(value + 8, operation.value, true)
            const known = model.get(operation.key)
            if (operation.kind === 'lookup') {
              const at = map.lookup(key)
              expect(at === 0 ? undefined : mem.dv.getUint32(at + 8, true)).toBe(known)
            } else if (operation.kind === 'delete') {
              expect(map.delete(key)).toBe(model.delete(operation.key) ? 0 : -ENOENT)
            } else {
              const result = map.update(key, value, operation.flags)
              if (operation.flags > ELEM.exist) expect(result).toBe(-EINVAL)
              else if (known !== undefined && operation.flags === ELEM.noexist) expect(result).toBe(-EEXIST)
              else if (known === undefined && operation.flags === ELEM.exist) expect(result).toBe(-ENOENT)
              else if (known === undefined && model.size === 8) expect(result).toBe(-E2BIG)
              else {
                expect(result).toBe(0)
                model.set(operation.key, operation.value)
              }
            }
          }
          const seen = new Set<number>()
          for (let error = map.nextKey(0, key); error === 0; error = map.nextKey(key, key)) seen.add(mem.u8[key]! / 17)
          expect(seen).toEqual(new Set(model.keys()))
          expect(map.count).toBe(model.size)
          map.free()
        }),
        { numRuns: 60 },
      )
    })
  }
}

describe('hash maps', () => {
  test('a pointer from a lookup keeps the old value when the key is updated', () => {
    const map = testMap<HashMap>(machine, { type: MAP_TYPE.hash, keySize: 4, valueSize: 4, maxEntries: 2 })
    mem.dv.setUint32(value, 1, true)
    map.update(key, value, 0)
    const old = map.lookup(key)
    mem.dv.setUint32(value, 2, true)
    map.update(key, value, 0)
    expect([mem.dv.getUint32(old, true), mem.dv.getUint32(map.lookup(key), true)]).toEqual([1, 2])
  })

  test('a per-CPU hash keeps one value a CPU; user space reads all of them, 8 bytes apart', () => {
    const map = testMap<HashMap>(machine, { type: MAP_TYPE.percpu_hash, keySize: 4, valueSize: 4, maxEntries: 2 })
    for (const cpu of [0, 1]) {
      platform.currentCpu = cpu
      mem.dv.setUint32(value, 10 + cpu, true)
      expect(map.update(key, value, 0)).toBe(0)
    }
    platform.currentCpu = 0
    expect(map.syscallValueSize).toBe(16)
    expect(map.readValue(key, out)).toBe(0)
    expect([mem.dv.getUint32(out, true), mem.dv.getUint32(out + 8, true)]).toEqual([10, 11])
    expect(mem.dv.getUint32(map.lookupCpu(key, 1), true)).toBe(11)
    expect(map.lookupCpu(key, 2)).toBe(0)
  })

  test('a full LRU hash gives up what was not looked up', () => {
    const map = testMap<HashMap>(machine, { type: MAP_TYPE.lru_hash, keySize: 4, valueSize: 4, maxEntries: 4 })
    const put = (n: number): number => {
      mem.dv.setUint32(key, n, true)
      return map.update(key, value, 0)
    }
    const has = (n: number): boolean => {
      mem.dv.setUint32(key, n, true)
      return map.readValue(key, out) === 0
    }
    for (const n of [1, 2, 3, 4]) expect(put(n)).toBe(0)
    mem.dv.setUint32(key, 1, true)
    map.lookup(key)
    for (const n of [5, 6, 7]) expect(put(n)).toBe(0)
    expect([1, 2, 3, 4, 5, 6, 7].filter(has)).toEqual([1, 5, 6, 7])
  })

  test('attributes that Linux refuses', () => {
    const attr = { type: MAP_TYPE.hash, keySize: 4, valueSize: 4, maxEntries: 4 }
    expect(tryMap(machine, { ...attr, keySize: 0 })).toBe(-EINVAL)
    expect(tryMap(machine, { ...attr, maxEntries: 0 })).toBe(-EINVAL)
    expect(tryMap(machine, { ...attr, mapFlags: MAP_FLAG.mmapable })).toBe(-EINVAL)
    expect(tryMap(machine, { ...attr, mapFlags: MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog })).toBe(-EINVAL)
    expect(tryMap(machine, { ...attr, valueSize: 4 << 20 })).toBe(-E2BIG)
    expect(tryMap(machine, { ...attr, type: MAP_TYPE.percpu_hash, valueSize: 40000 })).toBe(-E2BIG)
    expect(tryMap(machine, { ...attr, type: MAP_TYPE.lru_hash, mapFlags: MAP_FLAG.no_prealloc })).toBe(-ENOTSUPP)
    expect(tryMap(machine, { ...attr, mapFlags: MAP_FLAG.no_common_lru })).toBe(-EINVAL)
  })
})
