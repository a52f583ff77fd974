import { expect, test } from 'vitest'
import { BtfBuilder } from '../../base/btf/encode.ts'
import { Layouts } from '../../base/layouts.ts'

const builder = new BtfBuilder()
const int = builder.add({
  kind: 'int',
  name: 'int',
  size: 4,
  signed: true,
  char: false,
  bool: false,
  bitOffset: 0,
  bits: 32,
})
const member = (name: string, type: number, bitOffset: number, bits = 0) => ({ name, type, bitOffset, bits })
const either = builder.add({
  kind: 'union',
  name: '',
  size: 4,
  bitfields: false,
  members: [member('on', int, 0), member('off', int, 0)],
})
const entity = builder.add({
  kind: 'struct',
  name: 'entity',
  size: 8,
  bitfields: false,
  members: [member('weight', int, 0), member('', either, 32)],
})
const alias = builder.add({ kind: 'typedef', name: 'entity_t', type: entity })
builder.add({
  kind: 'struct',
  name: 'task',
  size: 16,
  bitfields: true,
  members: [member('se', alias, 0), member('low', int, 64, 3), member('high', int, 70, 5), member('pid', int, 96)],
})
const layouts = new Layouts(builder.build())

test('members by path, through typedefs and anonymous members', () => {
  expect(layouts.field('task', 'pid')).toMatchObject({ offset: 12, size: 4, bits: 0 })
  expect(layouts.field('task', 'se.off')).toMatchObject({ offset: 4, size: 4 })
  expect(layouts.field('entity', 'weight')?.type).toBe(int)
  expect(layouts.sizeOf('task')).toBe(16)
})

test('a bitfield has its place within the integer that holds it', () => {
  expect(layouts.field('task', 'high')).toMatchObject({ offset: 8, size: 4, bitOffset: 6, bits: 5 })
})

test('what a version lacks is absent', () => {
  expect(layouts.field('task', 'tgid')).toBeUndefined()
  expect(layouts.field('task', 'pid.x')).toBeUndefined()
  expect(layouts.field('cred', 'uid')).toBeUndefined()
  expect(layouts.sizeOf('cred')).toBe(-1)
  expect(layouts.bind('task', { id: 'tgid|pid', off: 'se.off', none: 'none' })).toEqual({ id: 12, off: 4, none: -1 })
})
