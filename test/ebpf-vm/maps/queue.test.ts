import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { MAP_FLAG } from '../../../ebpf-vm/maps/flags.ts'
import { MAP_TYPE } from '../../../ebpf-vm/uapi.ts'
import { testMachine, testMap, tryMap } from '../support.ts'

const { EINVAL, E2BIG, ENOENT, ENOSPC } = ERRNO
const machine = testMachine()
const { mem } = machine
const at = machine.alloc.alloc(64)
const out = machine.alloc.alloc(64)

describe('queue and stack', () => {
  for (const [type, order] of [
    [MAP_TYPE.queue, [1, 2, 3]],
    [MAP_TYPE.stack, [3, 2, 1]],
  ] as const) {
    test(`type ${type}: push, peek and pop in order; full and empty`, () => {
      const map = testMap(machine, { type, keySize: 0, valueSize: 8, maxEntries: 3 })
      const push = (value: number, flags = 0): number => {
        mem.writeInt64(at, value)
        return map.push(at, flags)
      }
      expect([1, 2, 3].map((value) => push(value))).toEqual([0, 0, 0])
      expect([push(4), push(4, 1)]).toEqual([-E2BIG, -EINVAL])
      for (const value of order) {
        expect([map.readValue(0, out), mem.readInt64(out)]).toEqual([0, value])
        expect([map.takeValue(0, out), mem.readInt64(out)]).toEqual([0, value])
      }
      expect([map.pop(out), mem.readInt64(out)]).toEqual([-ENOENT, 0])
      for (const value of [1, 2, 3]) push(value)
      expect(push(4, 2)).toBe(0)
      expect([map.pop(out), mem.readInt64(out)]).toEqual([0, type === MAP_TYPE.queue ? 2 : 4])
    })
  }
  test('keys are refused', () => {
    expect(tryMap(machine, { type: MAP_TYPE.queue, keySize: 4, valueSize: 8, maxEntries: 3 })).toBe(-EINVAL)
  })
})

describe('longest prefix match', () => {
  const attr = {
    type: MAP_TYPE.lpm_trie,
    keySize: 8,
    valueSize: 4,
    maxEntries: 4,
    mapFlags: MAP_FLAG.no_prealloc,
  }
  const key = (prefix: string): number => {
    const [address, length] = prefix.split('/') as [string, string | undefined]
    mem.dv.setUint32(at, Number(length ?? 32), true)
    mem.u8.set(address.split('.').map(Number), at + 4)
    return at
  }
  const text = (): string => `${mem.bytes(out, 8).slice(4).join('.')}/${mem.dv.getUint32(out, true)}`

  test('finds the longest prefix, walks the more specific first', () => {
    const map = testMap(machine, attr)
    for (const [prefix, value] of [
      ['10.0.0.0/8', 1],
      ['10.1.0.0/16', 2],
      ['192.168.0.0/16', 3],
      ['0.0.0.0/0', 4],
    ] as const) {
      mem.dv.setUint32(out, value, true)
      expect(map.update(key(prefix), out, 0)).toBe(0)
    }
    expect(map.update(key('1.2.3.4/32'), out, 0)).toBe(-ENOSPC)
    const found = (address: string): number => mem.dv.getUint32(map.lookup(key(address)), true)
    expect(['10.1.2.3', '10.2.2.3', '192.168.9.9', '8.8.8.8'].map(found)).toEqual([2, 1, 3, 4])
    const seen: string[] = []
    for (let error = map.nextKey(0, out); error === 0; error = map.nextKey(out, out)) seen.push(text())
    expect(seen).toEqual(['10.1.0.0/16', '10.0.0.0/8', '192.168.0.0/16', '0.0.0.0/0'])
    expect(map.delete(key('10.1.0.0/16'))).toBe(0)
    expect(map.delete(key('10.1.0.0/16'))).toBe(-ENOENT)
    expect(found('10.1.2.3')).toBe(1)
    expect(map.update(key('1.2.3.4/33'), out, 0)).toBe(-EINVAL)
  })

  test('must not be preallocated', () => {
    expect(tryMap(machine, { ...attr, mapFlags: 0 })).toBe(-EINVAL)
  })
})
