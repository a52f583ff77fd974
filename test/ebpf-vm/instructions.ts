// Arbitrary instructions of every form, for laws over the whole instruction set.

import fc from 'fast-check'
import { type Field, FORMS, type Form } from '../../ebpf-vm/isa/forms.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'

const or = (field: Field, free: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  field === 'free' ? free : fc.constant(field)

const s32 = fc.oneof(
  fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000),
)
const s16 = fc.oneof(fc.integer({ min: -0x8000, max: 0x7fff }), fc.constantFrom(0, 1, -1, 0x7fff, -0x8000))
const register = fc.nat(10)

/** The slots of one valid instruction of this form: two for a wide load. */
export function insnOf(form: Form): fc.Arbitrary<Insn[]> {
  const { code, dst, src, off, imm } = form.layout
  const first = fc.record<Insn>({
    code: fc.constant(code),
    dst: or(dst, register),
    src: or(src, register),
    off: or(off, s16),
    imm: or(imm, s32),
  })
  if (form.kind !== 'ld_imm64') return first.map((insn) => [insn])
  const high = form.pseudo === 'value' || form.pseudo.endsWith('value') ? s32 : fc.constant(0)
  return fc.tuple(first, high).map(([insn, upper]) => [insn, { code: 0, dst: 0, src: 0, off: 0, imm: upper }])
}

/** Any valid instruction that a program may be loaded with. */
export const anyInsn: fc.Arbitrary<Insn[]> = fc
  .constantFrom(...FORMS.filter((form) => form.kind !== 'mov_percpu'))
  .chain(insnOf)
