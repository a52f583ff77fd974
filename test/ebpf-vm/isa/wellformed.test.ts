import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../../ebpf-vm/bare.ts'
import { ENGINES } from '../../../ebpf-vm/engines.ts'
import { decode, type Insn } from '../../../ebpf-vm/isa/insn.ts'
import { malformed } from '../../../ebpf-vm/isa/wellformed.ts'
import { anyInsn } from '../instructions.ts'

const EXIT: Insn = { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 }
const wide = assemble('r1 = 5 ll').insns

describe('well-formed programs', () => {
  test.each<[string, Insn[], string]>([
    ['nothing', [], 'the program is empty'],
    [
      'an unknown opcode',
      [{ ...EXIT, code: 0xff }],
      'instruction 0 does not exist, or a field that it does not use is not zero',
    ],
    [
      'a reserved field',
      [{ ...EXIT, imm: 1 }],
      'instruction 0 does not exist, or a field that it does not use is not zero',
    ],
    ['a register too many', [{ ...EXIT, code: 0xb7, dst: 11 }, EXIT], 'instruction 0 names a register above r10'],
    ['half a wide load', wide.slice(0, 1), 'instruction 0 is a wide load that is cut off'],
    [
      'a wide load with a strange second half',
      [wide[0]!, EXIT],
      'instruction 0 is a wide load whose second half holds more than an immediate',
    ],
    [
      'a jump into a wide load',
      [...assemble('goto +1').insns, ...wide, EXIT],
      'instruction 0 goes to 2, where no instruction starts',
    ],
    [
      'a jump out of the program',
      assemble('goto +1\nexit').insns,
      'instruction 0 goes to 2, where no instruction starts',
    ],
    [
      'a jump before the program',
      assemble('goto -2\nexit').insns,
      'instruction 0 goes to -1, where no instruction starts',
    ],
    [
      'a call out of the program',
      assemble('call pc+1\nexit').insns,
      'instruction 0 goes to 2, where no instruction starts',
    ],
    ['no end', assemble('r0 = 1').insns, 'the program runs over its end behind instruction 0'],
  ])('%s is none', (_, insns, message) => {
    expect(malformed(insns)).toBe(message)
    expect(() => unverified(insns)).toThrow(expect.objectContaining({ name: 'UserError', message: `prog: ${message}` }))
  })

  test('whatever bytes come, the answer is a UserError or a program that loads', () => {
    const anyBytes = fc.uint8Array({ maxLength: 64 }).map((bytes) => decode(bytes.slice(0, bytes.length & ~7)))
    const anyInsns = fc.array(anyInsn, { maxLength: 8 }).map((parts) => [...parts.flat(), EXIT])
    fc.assert(
      fc.property(fc.oneof(anyBytes, anyInsns), (insns) => {
        if (malformed(insns)) return
        for (const engine of Object.values(ENGINES)) {
          // Helpers, kernel functions and references to what is not there are the verifier's to refuse.
          try {
            engine.load(bareMachine({ memoryBytes: 1 << 20 }), unverified(insns)).free()
          } catch (error) {
            expect(String(error)).toMatch(/is not implemented|unresolved|no packets|without an arena/)
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})
