// One instruction as the log prints it: `(b7) r0 = 1`.

import { insnText } from '../disasm/disasm.ts'
import { PSEUDO } from '../isa/opcodes.ts'
import type { Env } from './env.ts'
import { hex } from './scalar/words.ts'

const KERNEL_HI = 0xffff8880 | 0

export function instructionText(env: Env, index: number): string {
  const { code } = env.insns[index]!
  const text = insnText(env.insns, index, {
    call: (insn) => {
      if (insn.src !== 2) return undefined
      return env.kfuncCalls.get(`${insn.imm}:${insn.off}`)?.name ?? (insn.imm === 0 ? '' : undefined)
    },
    wide: (insn, slot) => {
      const high = env.insns[slot + 1]?.imm ?? 0
      const found = env.immediates.get(slot)
      if (insn.src === PSEUDO.func || insn.src === PSEUDO.btf_id || insn.src === 0) return hex(insn.imm, high)
      if (!env.allowPtrLeaks) return '0x0'
      if (found?.kind === 'map') return hex(found.map.address, found.map.address ? KERNEL_HI : 0)
      if (found?.kind === 'map_value') {
        const at = found.map.directValue
        return hex(at + found.offset, at ? KERNEL_HI : 0)
      }
      return hex(insn.imm, high)
    },
  })
  return `(${code.toString(16).padStart(2, '0')}) ${text}`
}
