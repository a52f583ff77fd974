import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { RECORD, RING, RINGBUF_FLAG, RingbufMap } from '../../../ebpf-vm/maps/ringbuf.ts'
import { MAP_TYPE } from '../../../ebpf-vm/uapi.ts'
import { testMachine, testMap, tryMap } from '../support.ts'

const machine = testMachine()
const { mem } = machine
const attr = { type: MAP_TYPE.ringbuf, keySize: 0, valueSize: 0, maxEntries: 4096 }

function consumed(ring: RingbufMap): string[] {
  const texts: string[] = []
  ring.consume((at, length) => texts.push(mem.cstring(at, length)))
  return texts
}

describe('ring buffer', () => {
  test('records keep the order of their reservations, and a busy one holds back those behind it', () => {
    const ring = testMap<RingbufMap>(machine, attr)
    const [a, b, c] = [ring.reserve(5), ring.reserve(16), ring.reserve(1)]
    for (const [at, text] of [
      [a, 'aaaa'],
      [b, 'bbbb'],
      [c, 'c'],
    ] as const)
      mem.writeCstring(at, text, text.length + 1)
    ring.commit(c, 0, false)
    expect(consumed(ring)).toEqual([])
    ring.commit(a, 0, false)
    expect(consumed(ring)).toEqual(['aaaa'])
    ring.commit(b, 0, true)
    expect(consumed(ring)).toEqual(['c'])
    expect(ring.consumerPos).toBe(ring.producerPos)
  })

  test("headers are Linux's: length with busy and discard bits, pages back to the ring", () => {
    const ring = testMap<RingbufMap>(machine, attr)
    const first = ring.reserve(12)
    expect(mem.i32[(first - 8) >> 2]).toBe(12 | RECORD.busy)
    expect(ring.producerPos).toBe(24)
    expect(RingbufMap.of(machine, first)).toBe(ring)
    ring.commit(first, 0, true)
    expect(mem.i32[(first - 8) >> 2]).toBe(12 | RECORD.discard)
  })

  test('a record that wraps is in one piece for the program and at the start for user space', () => {
    const ring = testMap<RingbufMap>(machine, attr)
    ring.commit(ring.reserve(4000), 0, true)
    expect(consumed(ring)).toEqual([])
    const text = 'x'.repeat(150)
    const at = ring.reserve(200)
    mem.writeCstring(at, text, 200)
    ring.commit(at, 0, false)
    const start = at - ring.ring - RING.data
    expect(mem.cstring(ring.ring + RING.data, 200)).toBe(text.slice(4096 - start))
    expect(consumed(ring)).toEqual([text])
    expect(RingbufMap.of(machine, ring.reserve(8))).toBe(ring)
  })

  test('a full ring refuses and counts; output says -EAGAIN', () => {
    const ring = testMap<RingbufMap>(machine, attr)
    expect(ring.reserve(4088)).toBe(0)
    for (let i = 0; i < 4; i++) expect(ring.reserve(1000)).not.toBe(0)
    expect(ring.reserve(80)).toBe(0)
    expect(ring.output(ring.ring, 100, 0)).toBe(-ERRNO.EAGAIN)
    expect(ring.output(ring.ring, 1, 8)).toBe(-ERRNO.EINVAL)
    expect(ring.lost).toBe(3)
  })

  test('wakes the reader when it had caught up, when forced, never when told not to', () => {
    const ring = testMap<RingbufMap>(machine, attr)
    let wakeups = 0
    ring.onWakeup = () => wakeups++
    const commit = (flags: number): void => ring.commit(ring.reserve(8), flags, false)
    commit(RINGBUF_FLAG.no_wakeup)
    expect(wakeups).toBe(0)
    consumed(ring)
    commit(0)
    commit(0)
    expect(wakeups).toBe(1)
    commit(RINGBUF_FLAG.force_wakeup)
    expect(wakeups).toBe(2)
  })

  test('attributes and operations that Linux refuses', () => {
    for (const wrong of [
      { keySize: 4 },
      { valueSize: 8 },
      { maxEntries: 0 },
      { maxEntries: 2048 },
      { maxEntries: 12288 },
    ])
      expect(tryMap(machine, { ...attr, ...wrong })).toBe(-ERRNO.EINVAL)
    const ring = testMap<RingbufMap>(machine, attr)
    expect([ring.lookup(), ring.update(), ring.delete(), ring.nextKey()]).toEqual(Array(4).fill(-ERRNO.ENOTSUPP))
  })
})
