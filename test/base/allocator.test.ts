import { describe, expect, test } from 'vitest'
import { Allocator, OutOfMemory } from '../../base/allocator.ts'
import { InternalError } from '../../base/errors.ts'
import { KernelMemory, PAGE_SIZE } from '../../base/memory.ts'

const MIB = 1 << 20

describe('kernel allocator', () => {
  test('hands out zeroed objects that never overlap and never lie in the first page', () => {
    const mem = new KernelMemory(MIB)
    const alloc = new Allocator(mem)
    const taken: [number, number][] = []
    for (const size of [1, 8, 9, 64, 65, 100, 700, 2048, 2049, 5000, 8]) {
      const at = alloc.alloc(size)
      expect(at).toBeGreaterThanOrEqual(PAGE_SIZE)
      for (const [other, otherSize] of taken) expect(at + size <= other || other + otherSize <= at).toBe(true)
      expect(mem.bytes(at, size).every((byte) => byte === 0)).toBe(true)
      mem.u8.fill(0xaa, at, at + size)
      taken.push([at, size])
    }
  })

  test('a freed object is zeroed again and its address repeats', () => {
    const mem = new KernelMemory(MIB)
    const alloc = new Allocator(mem)
    for (const size of [24, 9000]) {
      const first = alloc.alloc(size)
      mem.u8.fill(0xff, first, first + size)
      alloc.free(first)
      const second = alloc.alloc(size)
      expect(second).toBe(first)
      expect(mem.bytes(second, size).every((byte) => byte === 0)).toBe(true)
    }
  })

  test('freed page runs join, so that the whole memory can be taken again', () => {
    const alloc = new Allocator(new KernelMemory(MIB))
    const pages = MIB / PAGE_SIZE - 1
    const runs = Array.from({ length: pages }, () => alloc.allocPages(1))
    expect(() => alloc.allocPages(1)).toThrow(OutOfMemory)
    for (const i of [1, 0, 2]) alloc.free(runs[i]!)
    expect(alloc.allocPages(3)).toBe(runs[0])
  })

  test('a double free is our mistake and says so', () => {
    const alloc = new Allocator(new KernelMemory(MIB))
    const at = alloc.alloc(16)
    alloc.free(at)
    expect(() => alloc.free(at)).toThrow(InternalError)
  })
})
