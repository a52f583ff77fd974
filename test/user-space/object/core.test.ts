// Every kind of CO-RE relocation, resolved against the types of kernel.bpf.c. The values are those that libbpf 1.1.2 patches in when
// it is given the same object and the same BTF; Debian's 52 objects are compared in test/debian.

import { describe, expect, test } from 'vitest'
import { BtfBuilder } from '../../../base/btf/encode.ts'
import { CandidateFinder } from '../../../user-space/object/core/candidates.ts'
import { essentialName } from '../../../user-space/object/core/names.ts'
import { POISON_CALL } from '../../../user-space/object/core/patch.ts'
import { describeRelocation } from '../../../user-space/object/core/resolve.ts'
import { explainLog } from '../../../user-space/object/explain.ts'
import { linkProgram } from '../../../user-space/object/link.ts'
import { readTestObject } from './support.ts'

const spec = readTestObject('core')
const kernel = readTestObject('kernel').btf!
const context = {
  spec,
  finder: new CandidateFinder(spec.btf!, { btf: kernel, modules: [] }),
  externs: new Map(),
  mapFd: () => undefined,
  moduleFd: () => ({ fd: 0, index: 0 }),
}
const link = (name: string) => linkProgram(spec.programs[name]!, context)

/** The value a program returns: its first instruction loads it. */
function relocated(name: string): bigint | 'poison' {
  const [first, second] = link(name).insns
  if (first!.imm === POISON_CALL) return 'poison'
  const wide = first!.code === 0x18
  return wide ? (BigInt(second!.imm) << 32n) | BigInt(first!.imm >>> 0) : BigInt(first!.imm)
}

test.each<[string, bigint | 'poison']>([
  ['byte_offset', 36n],
  ['byte_offset_anonymous', 32n],
  ['byte_offset_element', 60n],
  ['byte_offset_flavour', 36n],
  ['byte_offset_flexible', 20n],
  ['byte_offset_gone', 'poison'],
  ['byte_size', 24n],
  ['field_exists', 1n],
  ['field_exists_not', 0n],
  ['field_signed', 0n],
  ['bits_offset', 80n],
  ['bits_lshift', 58n],
  ['bits_rshift', 58n],
  ['bits_signed', 1n],
  ['type_exists', 1n],
  ['type_exists_not', 0n],
  ['type_exists_pointer', 1n],
  ['type_size', 88n],
  ['type_matches', 1n],
  ['type_matches_not', 0n],
  ['type_id_local', BigInt(spec.btf!.find('thing', 'struct'))],
  ['type_id_target', BigInt(kernel.find('thing', 'struct'))],
  ['enumval_exists', 1n],
  ['enumval_exists_not', 0n],
  ['enumval_value', 6n],
  ['enumval_flavour', 6n],
  ['enumval_wide', BigInt.asIntN(64, 0x9234567800000002n)],
  ['enumval_value_not', 'poison'],
])('%s is %s', (name, value) => {
  expect(relocated(name)).toBe(value)
})

describe('loads', () => {
  test('move to where the kernel has the member', () => {
    expect(link('load').insns[0]).toMatchObject({ off: 36 })
  })
  test('of an unsigned integer that is narrower there take its size', () => {
    expect(link('load_narrower').insns[0]).toMatchObject({ off: 82, code: 0x69 })
  })
  test('of a member that is not there become a call that the verifier refuses', () => {
    expect(link('load_gone').insns[0]).toEqual({ code: 0x85, dst: 0, src: 0, off: 0, imm: POISON_CALL })
  })
  test('leave the spec as it was', () => {
    link('load_gone')
    expect(spec.programs['load_gone']!.code.insns[0]!.imm).not.toBe(POISON_CALL)
  })
})

test('the log of a refused program names the field, in libbpf’s words', () => {
  const linked = link('load_gone')
  const log = '0: R1=ctx() R10=fp0\n0: (85) call unknown#195896080\ninvalid func unknown#195896080\nprocessed 1 insns\n'
  expect(explainLog(log, linked, spec.btf)).toBe(
    '0: R1=ctx() R10=fp0\n0: <invalid CO-RE relocation>\n' +
      'failed to resolve CO-RE relocation <byte_off> [2] struct thing.gone (0:8 @ offset 56)\nprocessed 1 insns\n',
  )
})

test('candidates that disagree are refused', () => {
  const builder = new BtfBuilder()
  builder.append(kernel)
  const moved = { kind: 'struct', name: 'thing___again', size: 8, bitfields: false } as const
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
  builder.add({ ...moved, members: [{ name: 'moved', type: int, bitOffset: 32, bits: 0 }] })
  const finder = new CandidateFinder(spec.btf!, { btf: builder.build(), modules: [] })
  expect(() => linkProgram(spec.programs['byte_offset']!, { ...context, finder })).toThrow(
    "prog 'byte_offset': relo #0: field offset ambiguity: 32 != 288",
  )
})

test('modules are asked only for what the kernel itself does not have', () => {
  const module = new BtfBuilder(kernel)
  module.add({ kind: 'struct', name: 'absent', size: 4, bitfields: false, members: [] })
  module.add({ kind: 'struct', name: 'thing', size: 4, bitfields: false, members: [] })
  const finder = new CandidateFinder(spec.btf!, { btf: kernel, modules: [{ name: 'extra', btf: module.build() }] })
  const value = (name: string) => linkProgram(spec.programs[name]!, { ...context, finder }).insns[0]!.imm
  expect([value('type_exists_not'), value('type_size')]).toEqual([1, 88])
})

test('a relocation as libbpf prints it', () => {
  const text = (name: string): string => describeRelocation(spec.btf!, spec.programs[name]!.code.core[0]!)
  expect(text('byte_offset_element')).toBe('<byte_off> [2] struct thing.inner[1].b (0:4:1:1 @ offset 44)')
  expect(text('enumval_value')).toMatch(/^<enumval_value> \[\d+\] enum color::GREEN = 2$/)
  expect(text('type_exists_pointer')).toMatch(/^<type_exists> \[\d+\] typedef callback$/)
})

test.each([
  ['task_struct', 'task_struct'],
  ['task_struct___old', 'task_struct'],
  ['a___b___c', 'a___b'],
  ['a____b', 'a____b'],
  ['___b', '___b'],
  ['a___', 'a___'],
])('%s is a flavour of %s', (name, essential) => {
  expect(essentialName(name)).toBe(essential)
})
