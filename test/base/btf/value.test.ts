import { describe, expect, test } from 'vitest'
import { BtfBuilder } from '../../../base/btf/encode.ts'
import { formatValue, parseValue } from '../../../base/btf/format-value.ts'
import { declare, typeName } from '../../../base/btf/type-name.ts'
import type { BtfDraft } from '../../../base/btf/types.ts'
import { BtfValues } from '../../../base/btf/value.ts'
import { UserError } from '../../../base/errors.ts'

const builder = new BtfBuilder()
const add = (type: BtfDraft): number => builder.add(type)
const int = (name: string, size: number, signed: boolean, bool = false): number =>
  add({ kind: 'int', name, size, signed, char: false, bool, bitOffset: 0, bits: size * 8 })

const s32 = int('int', 4, true)
const u64 = int('unsigned long', 8, false)
const char = int('char', 1, true)
const byte = int('unsigned char', 1, false)
const bool = int('_Bool', 1, false, true)
const u128 = int('unsigned __int128', 16, false)
const double = add({ kind: 'float', name: 'double', size: 8 })
const text = add({ kind: 'array', name: '', type: char, indexType: s32, length: 8 })
const bytes3 = add({ kind: 'array', name: '', type: byte, indexType: s32, length: 3 })
const rest = add({ kind: 'array', name: '', type: char, indexType: s32, length: 0 })
const state = add({
  kind: 'enum',
  name: 'state',
  size: 4,
  signed: true,
  values: [
    { name: 'GONE', value: -1 },
    { name: 'READY', value: 2 },
  ],
})
const wide = add({ kind: 'enum64', name: 'wide', size: 8, signed: false, values: [{ name: 'TOP', value: 2n ** 63n }] })
const ptr = add({ kind: 'ptr', name: '', type: 0 })
const member = (name: string, type: number, byteOffset: number) => ({ name, type, bitOffset: byteOffset * 8, bits: 0 })
const either = add({
  kind: 'union',
  name: '',
  size: 8,
  bitfields: false,
  members: [member('whole', u64, 0), member('half', s32, 0)],
})
const flags = add({
  kind: 'struct',
  name: 'flags',
  size: 8,
  bitfields: true,
  members: [
    { name: 'low', type: byte, bitOffset: 0, bits: 3 },
    { name: 'neg', type: s32, bitOffset: 3, bits: 5 },
    { name: 'across', type: u64, bitOffset: 8, bits: 40 },
  ],
})
const record = add({
  kind: 'struct',
  name: 'record',
  size: 80,
  bitfields: false,
  members: [
    member('pid', s32, 0),
    member('ok', bool, 4),
    member('comm', text, 8),
    member('mac', bytes3, 16),
    member('state', state, 20),
    member('', either, 24),
    member('next', ptr, 32),
    member('flags', flags, 40),
    member('load', double, 48),
    member('big', u128, 56),
    member('top', wide, 72),
    member('rest', rest, 80),
  ],
})
const counter = add({ kind: 'var', name: 'counter', type: u64, linkage: 'global' })
const section = add({ kind: 'datasec', name: '.bss', size: 16, vars: [{ type: counter, offset: 8, size: 8 }] })
const proto = add({ kind: 'func_proto', name: '', returnType: s32, params: [{ name: 'p', type: ptr }] })
const callback = add({ kind: 'ptr', name: '', type: proto })
const btf = builder.build()
const values = new BtfValues(btf)

const value = {
  pid: -7,
  ok: true,
  comm: 'größe',
  mac: [1, 2, 255],
  state: -1,
  whole: 0xffffffff00000001n,
  half: 1,
  next: 0xffff888000001000n,
  flags: { low: 5, neg: -3, across: 0x9876543210n },
  load: 1.5,
  big: 2n ** 127n + 5n,
  top: 2n ** 63n,
  rest: '',
}

test('a struct comes back as it went in', () => {
  const bytes = values.encode(record, value)
  expect(bytes).toHaveLength(80)
  expect(values.decode(record, bytes)).toEqual(value)
})

test('a data section is an object of its variables', () => {
  const bytes = values.encode(section, { counter: 5 })
  expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])
  expect(values.decode(section, bytes)).toEqual({ counter: 5n })
})

test('bytes that are no UTF-8 are Latin-1', () => {
  expect(values.decode(text, Uint8Array.of(0xff, 0x41, 0, 9, 9, 9, 9, 9))).toBe('ÿA')
})

test('an enum takes its names', () => {
  expect([...values.encode(state, 'GONE')]).toEqual([255, 255, 255, 255])
  expect(values.decode(wide, values.encode(wide, 'TOP'))).toBe(2n ** 63n)
})

describe('refusals name the member', () => {
  test.each([
    [record, { flags: { low: 9 } }, 'struct record.flags.low: 9 does not fit into 3 bits'],
    [record, { pdi: 1 }, /^struct record: no member pdi; there are pid, ok, comm/],
    [record, { state: 'DEAD' }, 'struct record.state: enum state has no DEAD'],
    [record, 5, /^struct record: needs an object/],
    [0, 5, 'void: a type without values'],
  ] as const)('%#', (type, given, message) => {
    expect(() => values.encode(type, given)).toThrow(message)
    expect(() => values.encode(type, given)).toThrow(UserError)
  })

  test('too few bytes', () => {
    expect(() => values.decode(record, new Uint8Array(10))).toThrow('struct record: 10 bytes, it takes 80')
  })
})

test('as text', () => {
  expect(formatValue(btf, record, values.decode(record, values.encode(record, value)))).toBe(
    '{ .pid = -7, .ok = true, .comm = "größe", .mac = { 1, 2, 255 }, .state = GONE, .whole = 18446744069414584321, ' +
      '.half = 1, .next = 0xffff888000001000, .flags = { .low = 5, .neg = -3, .across = 654820258320 }, .load = 1.5, ' +
      '.big = 170141183460469231731687303715884105733, .top = TOP, .rest = "" }',
  )
  expect(formatValue(btf, section, { counter: 3n })).toBe('{ .counter = 3 }')
})

test('from what a person writes', () => {
  const parse = (type: number, given: string): unknown => parseValue(btf, type, given, '--set x')
  expect(parse(s32, '-0x10')).toBe(-16n)
  expect(parse(counter, '12')).toBe(12n)
  expect(parse(byte, "'a'")).toBe(97n)
  expect(parse(bool, 'true')).toBe(true)
  expect(parse(state, 'READY')).toBe('READY')
  expect(parse(text, '12')).toBe('12')
  expect(parse(double, '0.5')).toBe(0.5)
  expect(parse(bytes3, '[1,2]')).toEqual([1, 2])
  expect(values.decode(flags, values.encode(flags, parse(flags, '{"low":2}')))).toEqual({ low: 2, neg: 0, across: 0n })
  expect(() => parse(s32, 'many')).toThrow(new UserError('--set x: many is no integer'))
  expect(() => parse(flags, 'low=2')).toThrow(/^--set x: low=2 is no JSON/)
})

test('types in C’s spelling', () => {
  expect(typeName(btf, record)).toBe('struct record')
  expect(typeName(btf, callback)).toBe('int (*)(void *p)')
  expect(declare(btf, callback, 'fn')).toBe('int (*fn)(void *p)')
  expect(declare(btf, text, 'comm')).toBe('char comm[8]')
  expect(declare(btf, ptr, 'data')).toBe('void *data')
})
