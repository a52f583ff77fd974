import { describe, expect, test } from 'vitest'
import { bareMachine, unverified } from '../../../ebpf-vm/bare.ts'
import { interpreter } from '../../../ebpf-vm/interpreter/interpreter.ts'
import type { Insn } from '../../../ebpf-vm/isa/insn.ts'

const i = (code: number, dst = 0, src = 0, off = 0, imm = 0): Insn => ({ code, dst, src, off, imm })
const EXIT = i(0x95)

describe('interpreter', () => {
  test('counts to ten', () => {
    const machine = bareMachine()
    const program = interpreter.load(
      machine,
      unverified([i(0xb7, 0), i(0x07, 0, 0, 0, 1), i(0xa5, 0, 0, -2, 10), EXIT]),
    )
    expect(program.run(0)).toBe(10)
    expect(program.runWide(0)).toBe(10n)
  })

  test('an access outside of kernel memory names the program, the instruction and the address', () => {
    const machine = bareMachine()
    const program = interpreter.load(machine, unverified([i(0xb7, 1, 0, 0, -8), i(0x61, 0, 1, 4), EXIT]))
    expect(() => program.run(0)).toThrow(
      /prog, instruction 1, .*: 4 bytes at 0xfffffffffffffffc are not in kernel memory/,
    )
  })
})
