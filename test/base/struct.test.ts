import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { Btf } from '../../base/btf/btf.ts'
import { UserError } from '../../base/errors.ts'
import { array, bool, char, pointer, s32, struct, u8, u16, u32, u64 } from '../../base/struct.ts'

const point = struct('point', { x: s32, y: s32 })
const event = struct('event', {
  pid: u32,
  comm: array(char, 16),
  delta_ns: u64,
  ok: bool,
  port: u16,
  at: array(point, 2),
  next: pointer(),
})

const value = {
  pid: 4_000_000_000,
  comm: 'größe',
  delta_ns: 2n ** 64n - 1n,
  ok: true,
  port: 443,
  at: [
    { x: -1, y: 2 },
    { x: 3, y: -4 },
  ],
  next: 0xffff888000001000n,
}

test('members lie as C lays them out', () => {
  expect(event.offsets).toEqual({ pid: 0, comm: 4, delta_ns: 24, ok: 32, port: 34, at: 36, next: 56 })
  expect(event.sizeBytes).toBe(64)
  expect(struct('odd', { a: u8, b: u64, c: u8 }).sizeBytes).toBe(24)
})

test('values come back as they went in, with the types that they have', () => {
  const decoded = event.decode(event.encode(value))
  expect(decoded).toEqual(value)
  expectTypeOf(decoded.pid).toEqualTypeOf<number>()
  expectTypeOf(decoded.comm).toEqualTypeOf<string>()
  expectTypeOf(decoded.delta_ns).toEqualTypeOf<bigint>()
  expectTypeOf(decoded.at).toEqualTypeOf<{ x: number; y: number }[]>()
})

test('law: encode then decode is the identity', () => {
  const s32Value = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  const same = fc.property(fc.record({ x: s32Value, y: s32Value }), (given) => {
    expect(point.decode(point.encode(given))).toEqual(given)
  })
  fc.assert(same)
})

test('BTF says the same', () => {
  const { bytes, typeId } = event.btf()
  const btf = Btf.parse(bytes)
  expect(btf.sizeOf(typeId)).toBe(64)
  const type = btf.type(typeId)
  expect(type.kind === 'struct' && type.members.map((member) => [member.name, member.bitOffset / 8])).toEqual(
    Object.entries(event.offsets),
  )
  expect(btf.findAll('__u32')).toHaveLength(1)
  expect(btf.findAll('point')).toHaveLength(1)
})

describe('what does not fit is refused by name', () => {
  test.each([
    [{ pid: -1 }, undefined],
    [{ pid: 2 ** 32 }, 'event.pid: 4294967296 does not fit into 32 bits'],
    [{ pid: 1.5 }, 'event.pid: 1.5 is no integer'],
    [{ comm: 'sixteen letters.' }, 'event.comm: "sixteen letters." has 16 bytes, at most 15 fit'],
    [{ at: [{ x: 1 }, { x: 2n ** 40n }] }, 'event.at[1].x: 1099511627776 does not fit into 32 bits (signed)'],
    [{ at: [{}, {}, {}] }, 'event.at: 3 elements, at most 2 fit'],
    [{ pdi: 1 }, 'event: no member pdi; there are pid, comm, delta_ns, ok, port, at, next'],
  ])('%o', (given, message) => {
    const encode = (): unknown => event.encode(given as never)
    if (message === undefined) expect(encode).not.toThrow()
    else expect(encode).toThrow(new UserError(message))
  })

  test('too few bytes', () => {
    expect(() => point.decode(new Uint8Array(7))).toThrow('struct point: 7 bytes, it takes 8')
  })
})
