// max_ctx_offset: how far a verified program reaches into its context, in bytes. What it attaches to must have that much.

import { classOf } from '../../ebpf-vm/isa/insn.ts'
import { SIZE } from '../../ebpf-vm/isa/opcodes.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'

const BYTES: Readonly<Record<number, number>> = Object.fromEntries(
  Object.values(SIZE).map(({ code, bytes }) => [code, bytes]),
)

/** The end of the furthest access by a constant offset; context accesses have no other. */
export function contextReach(program: VerifiedProgram): number {
  let reach = 0
  program.insns.forEach((insn, slot) => {
    if (program.access[slot] === 'ctx' && classOf(insn) <= 3)
      reach = Math.max(reach, insn.off + BYTES[insn.code & 0x18]!)
  })
  return reach
}
