// Small damage to a lowered program: what a verifier should mostly refuse, and sometimes must not.

import fc from 'fast-check'
import { classify } from '../../ebpf-vm/isa/forms.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import type { Lowered } from './programs.ts'

export interface Mutation {
  /** Which instruction, modulo their number. */
  readonly at: number
  readonly change: 'dst' | 'src' | 'off' | 'imm' | 'pointer' | 'operation'
  readonly value: number
}

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    at: fc.nat(10_000),
    change: fc.constantFrom(
      'dst' as const,
      'src' as const,
      'off' as const,
      'imm' as const,
      'pointer' as const,
      'operation' as const,
    ),
    value: fc.nat(63),
  }),
  { minLength: 1, maxLength: 2 },
)

/** add, sub, mov of registers; add, mov, and of immediates; 32-bit add */
const OPERATIONS = [0x0f, 0x1f, 0xbf, 0x07, 0xb7, 0x57, 0x0c]

/** The program with its instructions changed; those that would be none any more, and wide loads, stay as they are. */
export function mutate(program: Lowered, changes: readonly Mutation[]): Lowered {
  const insns = [...program.insns]
  for (const { at, change, value } of changes) {
    const slot = at % insns.length
    const old = insns[slot]!
    if (old.code === 0x18 || old.code === 0) continue
    const changed = mutated(old, change, value)
    if (classify(changed)) insns[slot] = changed
  }
  return { ...program, insns }
}

function mutated(insn: Insn, change: Mutation['change'], value: number): Insn {
  switch (change) {
    case 'dst':
      return { ...insn, dst: value % 11 }
    case 'src':
      return { ...insn, src: value % 11 }
    case 'off':
      return { ...insn, off: insn.off + value - 32 }
    case 'imm':
      return { ...insn, imm: (insn.imm + (value % 9) - 4) | 0 }
    case 'pointer':
      return { ...insn, dst: [10, 8, 1][value % 3]! }
    case 'operation': {
      const code = OPERATIONS[value % OPERATIONS.length]!
      return { code, dst: insn.dst, src: code & 8 ? insn.src : 0, off: 0, imm: code & 8 ? 0 : insn.imm }
    }
  }
}
