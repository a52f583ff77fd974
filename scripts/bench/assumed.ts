// What the verifier would say of the benchmark programs, said by hand: their accesses are proved (but for probes there are none), their
// one map is known at every call, fields of xdp_md become loads from xdp_buff.

import { KERNEL_HI } from '../../base/memory.ts'
import { unverified } from '../../ebpf-vm/bare.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import { isHelperCall, isLdImm64 } from '../../ebpf-vm/isa/insn.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import type { AccessKind, CallFacts, VerifiedProgram } from '../../ebpf-vm/program.ts'

export function assumed(name: string, input: readonly Insn[], maps: readonly BpfMap[]): VerifiedProgram {
  const insns = input.map((insn) => ({ ...insn }))
  const calls = new Map<number, CallFacts>()
  insns.forEach((insn, slot) => {
    if (isLdImm64(insn) && insn.src === 1) {
      const map = maps[insn.imm]!
      insn.src = 0
      insn.imm = map.address
      insns[slot + 1]!.imm = KERNEL_HI
    }
    // r1 is the context until overwritten: data and data_end of xdp_md are pointers of xdp_buff.
    if (insn.code === 0x61 && insn.src === 1 && (insn.off === 0 || insn.off === 4) && slot < 12) {
      insn.code = 0x79
      insn.off *= 2
    }
    if (isHelperCall(insn)) calls.set(slot, { map: maps[0]! })
  })
  const plain = unverified(insns, name)
  return {
    ...plain,
    calls,
    maps,
    access: insns.map((): AccessKind => 'map_value'),
    subprograms: plain.subprograms.map((s) => ({ ...s, stackBytes: 256 })),
  }
}
