import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Btf } from '../../../base/btf/btf.ts'
import { dumpC } from '../../../base/btf/c-dump.ts'
import { BtfBuilder } from '../../../base/btf/encode.ts'
import { KINDS } from '../../../base/btf/format.ts'
import { dumpRaw } from '../../../base/btf/raw-dump.ts'
import type { BtfDraft } from '../../../base/btf/types.ts'
import { UserError } from '../../../base/errors.ts'
import { SAMPLE } from './sample.ts'

function build(types: readonly BtfDraft[], base?: Btf): BtfBuilder {
  const builder = new BtfBuilder(base)
  for (const type of types) builder.add(type)
  return builder
}

const withoutIds = (btf: Btf): unknown[] => [...btf.types()].map(({ id: _, ...rest }) => rest)

describe('round trip', () => {
  test('the sample has every kind, and all come back as they were given', () => {
    expect(new Set(SAMPLE.map((type) => type.kind)).size).toBe(Object.keys(KINDS).length - 1)
    const btf = build(SAMPLE).build()
    expect(withoutIds(btf)).toEqual(SAMPLE)
    expect([...btf.types()].map((type) => type.id)).toEqual(SAMPLE.map((_, i) => i + 1))
    expect(build(withoutIds(btf) as BtfDraft[]).encode()).toEqual(btf.encode())
  })

  test('from bytes at an odd place', () => {
    const bytes = build(SAMPLE).encode()
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect(withoutIds(Btf.parse(shifted.subarray(3)))).toEqual(SAMPLE)
  })

  test('names outside ASCII', () => {
    const btf = build([{ kind: 'fwd', name: 'größe', union: false }]).build()
    expect(btf.type(1).name).toBe('größe')
    expect(btf.find('größe')).toBe(1)
  })
})

test('names that contain a mark, each once, those of the base first', () => {
  const base = build([
    { kind: 'fwd', name: 'a___x___y', union: false },
    { kind: 'fwd', name: 'a__x', union: false },
  ]).build()
  expect(
    build([{ kind: 'fwd', name: 'b___z', union: false }], base)
      .build()
      .namesWith('___'),
  ).toEqual(['a___x___y', 'b___z'])
})

describe('reading', () => {
  const btf = build(SAMPLE).build()

  test('finds by name and kind', () => {
    expect(btf.find('event')).toBe(6)
    expect(btf.find('event', 'union', 'struct')).toBe(6)
    expect(btf.find('event', 'func')).toBe(0)
    expect(btf.find('event_')).toBe(0)
    expect(btf.find('')).toBe(0)
    expect(btf.findAll('low')).toEqual([12])
  })

  test('resolves modifiers and measures', () => {
    expect(btf.resolve(16)).toMatchObject({ kind: 'int', name: 'int' })
    const sizes = ['event', 'flags', 'state', 'wide', 'pid_t', 'counter', '.bss', 'double', 'sock', 'handle']
    expect(sizes.map((name) => btf.sizeOf(btf.find(name)))).toEqual([24, 4, 4, 8, 4, 4, 4, 8, -1, -1])
    expect(btf.sizeOf(5)).toBe(16)
    expect(btf.sizeOf(3)).toBe(8)
    expect(btf.sizeOf(0)).toBe(-1)
  })

  test('several types of one name, in the order of their ids', () => {
    const twice = build([
      { kind: 'fwd', name: 'x', union: false },
      { kind: 'fwd', name: 'y', union: false },
      { kind: 'typedef', name: 'x', type: 0 },
    ]).build()
    expect(twice.findAll('x')).toEqual([1, 3])
    expect(twice.find('x', 'typedef')).toBe(3)
  })
})

describe('a module’s BTF stands on its kernel’s', () => {
  const kernel = build(SAMPLE).build()
  const module: BtfDraft[] = [
    { kind: 'typedef', name: 'alias', type: 6 },
    { kind: 'ptr', name: '', type: kernel.count },
    {
      kind: 'struct',
      name: 'event',
      size: 8,
      bitfields: false,
      members: [{ name: 'to', type: kernel.count + 1, bitOffset: 0, bits: 0 }],
    },
  ]

  test('ids and strings go on where the base ends', () => {
    const btf = build(module, kernel).build()
    expect(btf.first).toBe(kernel.count)
    expect(btf.count).toBe(kernel.count + 3)
    expect(btf.type(6).name).toBe('event')
    expect(btf.find('alias')).toBe(kernel.count)
    expect(btf.resolve(btf.find('alias'))).toMatchObject({ name: 'event', size: 24 })
    expect(btf.findAll('event')).toEqual([6, kernel.count + 2])
    expect(withoutIds(btf)).toEqual(module)
  })

  test('a name taken from the base’s strings is found', () => {
    const builder = build(module, kernel)
    const bytes = builder.encode()
    new DataView(bytes.buffer).setUint32(24, 1, true)
    const btf = Btf.parse(bytes, kernel)
    expect(btf.type(kernel.count).name).toBe('int')
    expect(btf.findAll('int')).toEqual([1, kernel.count])
  })

  test('merged into one blob', () => {
    const merged = new BtfBuilder()
    merged.append(kernel)
    const map = merged.append(build(module, kernel).build())
    expect(map(6)).toBe(6)
    const btf = merged.build()
    expect(btf.count).toBe(kernel.count + 3)
    expect(withoutIds(btf).slice(kernel.count - 1)).toEqual(module)
  })
})

describe('damaged input is refused in one line that names the place', () => {
  const good = build(SAMPLE).encode()
  const edited = (edit: (dv: DataView) => void): Uint8Array => {
    const bytes = good.slice()
    edit(new DataView(bytes.buffer))
    return bytes
  }
  const types = (...list: BtfDraft[]): Uint8Array => build(list).encode()
  const record = (kind: 'typedef' | 'const', type: number): BtfDraft =>
    kind === 'typedef' ? { kind, name: 't', type } : { kind, name: '', type }

  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(), /0 bytes are less/],
    ['other magic', edited((dv) => dv.setUint16(0, 0x1234)), /not BTF: magic 0x3412 at byte 0/],
    ['big-endian', edited((dv) => dv.setUint16(0, 0xeb9f)), /big-endian BTF is not supported/],
    ['gzip', edited((dv) => dv.setUint16(0, 0x1f8b)), /unpack it first/],
    ['version', edited((dv) => dv.setUint8(2, 9)), /version 9 at byte 2/],
    ['header length', edited((dv) => dv.setUint32(4, 8, true)), /hdr_len 8/],
    ['cut off', good.subarray(0, good.length - 5), /truncated BTF: the string section ends at byte/],
    ['type section', edited((dv) => dv.setUint32(12, 0x7fffffff, true)), /truncated BTF: the type section/],
    ['half a record', edited((dv) => dv.setUint32(12, dv.getUint32(12, true) - 4, true)), /is cut off/],
    ['string end', edited((dv) => dv.setUint8(good.length - 1, 65)), /does not end with NUL/],
    ['kind', edited((dv) => dv.setUint32(28, 31 << 24, true)), /type \[1\] at byte 24 has unknown kind 31/],
    ['name', edited((dv) => dv.setUint32(24, 1e6, true)), /type \[1\] \(int\) at byte 24: name offset 1000000/],
    ['type id', types(record('const', 7)), /type \[1\] \(const\) at byte 24: refers to type \[7\], the last is \[1\]/],
    ['own modifier', types(record('const', 1)), /type \[1\] at byte 24 contains itself/],
    ['chain', types(record('typedef', 2), record('const', 1)), /contains itself/],
    ['pointer chain', types({ kind: 'ptr', name: '', type: 2 }, record('const', 1)), /contains itself/],
    [
      'struct',
      types(record('typedef', 2), {
        kind: 'struct',
        name: 's',
        size: 4,
        bitfields: false,
        members: [{ name: 'm', type: 1, bitOffset: 0, bits: 0 }],
      }),
      /contains itself/,
    ],
    [
      'prototype that takes a pointer to itself',
      types(
        { kind: 'ptr', name: '', type: 2 },
        { kind: 'func_proto', name: '', returnType: 0, params: [{ name: '', type: 1 }] },
      ),
      /contains itself/,
    ],
    ['depth', types(...Array.from({ length: 200 }, (_, i) => record('typedef', i))), /nests deeper than 128 types/],
    ['func', types({ kind: 'func', name: 'f', type: 0, linkage: 'static' }), /no function prototype/],
  ]
  test.each(cases)('%s', (_, bytes, message) => {
    const parse = (): unknown => Btf.parse(bytes, undefined, 'vmlinux.btf')
    expect(parse).toThrow(UserError)
    expect(parse).toThrow(message)
    expect(parse).toThrow(/^vmlinux\.btf: [^\n]+$/)
  })

  test('a struct may point to itself', () => {
    const btf = build([
      {
        kind: 'struct',
        name: 'list_head',
        size: 8,
        bitfields: false,
        members: [{ name: 'next', type: 2, bitOffset: 0, bits: 0 }],
      },
      { kind: 'ptr', name: '', type: 1 },
    ]).build()
    expect(btf.sizeOf(1)).toBe(8)
  })

  test('law: whatever bytes are changed, it is refused so or can be read', () => {
    const change = fc.tuple(fc.nat(good.length - 1), fc.constantFrom(0, 1, 2, 7, 0x7f, 0x80, 0xff))
    const survives = fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const bytes = good.slice()
      for (const [at, value] of changes) bytes[at] = value
      let btf: Btf
      try {
        btf = Btf.parse(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(UserError)
        return
      }
      for (const type of btf.types()) btf.sizeOf(type.id)
      expect(dumpRaw(btf)).toContain('[1]')
      expect(dumpC(btf)).toContain('__VMLINUX_H__')
    })
    fc.assert(survives, { numRuns: 2000 })
  })
})
