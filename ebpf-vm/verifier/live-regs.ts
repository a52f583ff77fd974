// Which registers may still be read at each instruction. Registers that are not live do not count when states are compared.

import { isLdImm64 } from '../isa/insn.ts'
import { ATOMIC, CLASS, JMP, MODE, SIZE, SRC_X } from '../isa/opcodes.ts'
import { successors } from './cfg.ts'
import type { Env } from './env.ts'
import { callSummary } from './lookup.ts'

const CALLER_SAVED = 0x3f

/** Registers read and written by an instruction, as bit masks: use in the upper 16 bits, definition in the lower. */
function usesAndDefines(env: Env, index: number): number {
  const insn = env.insns[index]!
  const { code } = insn
  const src = 1 << insn.src
  const dst = 1 << insn.dst
  const isX = (code & SRC_X) !== 0
  const pack = (use: number, def: number): number => ((use & 0xffff) << 16) | (def & 0xffff)
  const mode = code & 0xe0
  const op = code & 0xf0
  switch (code & 7) {
    case CLASS.ld:
      return mode === MODE.imm && (code & 0x18) === SIZE.dw.code ? pack(0, dst) : pack(0xffff, 0)
    case CLASS.ldx:
      return mode === MODE.mem || mode === MODE.memsx ? pack(src, dst) : pack(0xffff, 0)
    case CLASS.st:
      return mode === MODE.mem ? pack(dst, 0) : pack(0xffff, 0)
    case CLASS.stx:
      if (mode === MODE.mem) return pack(dst | src, 0)
      if (mode !== MODE.atomic) return pack(0xffff, 0)
      if (insn.imm === ATOMIC.cmpxchg.imm) return pack(1 | dst | src, 1)
      if (insn.imm === ATOMIC.load_acquire.imm) return pack(src, dst)
      if (insn.imm === ATOMIC.store_release.imm) return pack(dst | src, 0)
      return pack(dst | src, insn.imm & 1 ? src : 0)
    case CLASS.alu:
    case CLASS.alu64:
      if (op === 0xd0) return pack(dst, dst)
      if (op === 0xb0) return pack(isX ? src : 0, dst)
      return pack(isX ? dst | src : dst, dst)
    default:
      if (op === JMP.ja.code || op === JMP.jcond.code) return pack(0, 0)
      if (op === JMP.exit.code) return pack(1, 0)
      if (op === JMP.call.code) {
        const parameters = callSummary(env, insn)?.parameters ?? 5
        return pack(((1 << (parameters + 1)) - 1) & ~1, CALLER_SAVED)
      }
      return pack(isX ? dst | src : dst, 0)
  }
}

/** Fill aux.liveRegs; at log level 2 print them with the program. */
export function computeLiveRegs(env: Env): void {
  const { insns, aux, postorder } = env
  const effects = new Int32Array(insns.length)
  const following: number[][] = []
  for (let i = 0; i < insns.length; i++) {
    effects[i] = usesAndDefines(env, i)
    following[i] = successors(env, i)
  }
  for (let changed = true; changed; ) {
    changed = false
    for (let i = 0; i < postorder.length; i++) {
      const at = postorder[i]!
      let out = 0
      for (const next of following[at]!) out |= aux.liveRegs[next]!
      const live = (out & ~(effects[at]! & 0xffff)) | (effects[at]! >>> 16)
      if (live === aux.liveRegs[at]) continue
      aux.liveRegs[at] = live
      changed = true
    }
  }
  if (!env.log.verbose) return
  env.print('Live regs before insn:\n')
  for (let i = 0; i < insns.length; i++) {
    const scc = aux.scc[i]!
    let text = scc ? `${String(scc).padStart(3)} ` : '    '
    text += `${String(i).padStart(3)}: `
    for (let r = 0; r < 10; r++) text += aux.liveRegs[i]! & (1 << r) ? String(r) : '.'
    env.print(`${text} ${env.insnText(i)}\n`)
    if (isLdImm64(insns[i]!)) i++
  }
}
