import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { disassemble } from '../../../ebpf-vm/disasm/disasm.ts'
import { FORMS } from '../../../ebpf-vm/isa/forms.ts'
import { anyInsn, insnOf } from '../instructions.ts'

describe('assembling what was disassembled', () => {
  test('gives the same instructions, for every form', () => {
    for (const form of FORMS)
      fc.assert(
        fc.property(insnOf(form), (insns) => {
          const text = disassemble(insns)
          expect(assemble(text).insns, text).toEqual(insns)
        }),
        { numRuns: 10 },
      )
  })

  test('gives the same instructions, for whole programs', () => {
    fc.assert(
      fc.property(fc.array(anyInsn, { maxLength: 30 }), (parts) => {
        const insns = parts.flat()
        expect(assemble(disassemble(insns)).insns).toEqual(insns)
      }),
    )
  })
})
