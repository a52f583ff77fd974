import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { classify, FORMS, isOpcode } from '../../../ebpf-vm/isa/forms.ts'
import { decode, encode } from '../../../ebpf-vm/isa/insn.ts'
import { anyInsn, insnOf } from '../instructions.ts'

const blank = { dst: 0, src: 0, off: 0, imm: 0 }

describe('instruction forms', () => {
  test('every instruction of a form is classified as that form, and no two forms share one', () => {
    for (const form of FORMS)
      fc.assert(
        fc.property(insnOf(form), ([insn]) => classify(insn!) === form),
        { numRuns: 20 },
      )
  })

  test('bytes and instructions are the same thing', () => {
    fc.assert(fc.property(anyInsn, (insns) => void expect(decode(encode(insns))).toEqual(insns)))
  })

  test('what Linux does not have is no instruction', () => {
    for (const code of [0x00, 0x06 | 0x80, 0x06 | 0x90, 0x8f, 0xdf, 0xf5, 0xe6, 0x38, 0x99])
      expect(isOpcode(code)).toBe(false)
    expect(classify({ ...blank, code: 0x07, src: 1 })).toBeUndefined() // r0 += imm with a source register
    expect(classify({ ...blank, code: 0x37, off: 2 })).toBeUndefined() // neither signed nor unsigned division
    expect(classify({ ...blank, code: 0xbc, off: 32 })).toBeUndefined() // w0 = (s32)r0
    expect(classify({ ...blank, code: 0xdb, imm: 2 })).toBeUndefined() // no such atomic
    expect(classify({ ...blank, code: 0xd3, imm: 0 })).toBeUndefined() // a byte-wide atomic add
    expect(classify({ ...blank, code: 0x95, imm: 1 })).toBeUndefined() // exit with a value
  })

  test('the number of forms is the instruction set as it stands', () => {
    expect(new Set(FORMS.map((form) => JSON.stringify(form))).size).toBe(FORMS.length)
    expect(new Set(FORMS.map((form) => form.layout.code)).size).toBe(128)
  })
})
