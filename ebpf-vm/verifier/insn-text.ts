// One instruction in Linux's text, without its `(b7) ` prefix's index: what the log prints for each step.

import type { Insn } from '../isa/insn.ts'
import { ALU, ATOMIC, CLASS, JMP, MODE, PSEUDO, SIZE, SRC_X } from '../isa/opcodes.ts'
import type { Env } from './env.ts'
import { helperById } from './lookup.ts'
import { hex } from './scalar/words.ts'

const SIGNS = new Map(Object.values(ALU).map((row) => [row.code, row.sign]))
const TESTS = new Map(Object.values(JMP).map((row) => [row.code, row.test]))
const TYPES = new Map(Object.values(SIZE).map((row) => [row.code, row.type]))
const SIGNED_TYPES = new Map([
  [SIZE.w.code, 's32'],
  [SIZE.h.code, 's16'],
  [SIZE.b.code, 's8'],
])
const ATOMIC_NAMES = new Map([
  [0x00, 'add'],
  [0x40, 'or'],
  [0x50, 'and'],
  [0xa0, 'xor'],
])

const plus = (n: number): string => (n < 0 ? String(n) : '+' + n)
const byte = (code: number): string => code.toString(16).padStart(2, '0')
const imm = (value: number): string => '0x' + (value >>> 0).toString(16)

/** `(b7) r0 = 1` */
export function disassemble(env: Env, index: number): string {
  const insn = env.insns[index]!
  return `(${byte(insn.code)}) ${text(env, insn, index)}`
}

function text(env: Env, insn: Insn, index: number): string {
  const { code, dst, src, off } = insn
  const size = code & 0x18
  const mode = code & 0xe0
  switch (code & 7) {
    case CLASS.alu:
    case CLASS.alu64:
      return aluText(insn)
    case CLASS.ldx:
      if (mode === MODE.mem) return `r${dst} = *(${TYPES.get(size)} *)(r${src} ${plus(off)})`
      if (mode === MODE.memsx) return `r${dst} = *(${SIGNED_TYPES.get(size)} *)(r${src} ${plus(off)})`
      return `BUG_ldx_${byte(code)}`.replace('BUG_ldx', 'BUG_ldx')
    case CLASS.st:
      if (mode === MODE.mem) return `*(${TYPES.get(size)} *)(r${dst} ${plus(off)}) = ${insn.imm}`
      return `BUG_st_${byte(code)}`
    case CLASS.stx:
      if (mode === MODE.mem) return `*(${TYPES.get(size)} *)(r${dst} ${plus(off)}) = r${src}`
      if (mode === MODE.atomic) return atomicText(insn)
      return `BUG_${byte(code)}`
    case CLASS.ld:
      if (mode === MODE.abs) return `r0 = *(${TYPES.get(size)} *)skb[${insn.imm}]`
      if (mode === MODE.ind) return `r0 = *(${TYPES.get(size)} *)skb[r${src} + ${insn.imm}]`
      if (mode === MODE.imm && size === SIZE.dw.code) return `r${dst} = ${immediate(env, insn, index)}`
      return `BUG_ld_${byte(code)}`
    default:
      return jumpText(env, insn)
  }
}

function immediate(env: Env, insn: Insn, index: number): string {
  const high = env.insns[index + 1]?.imm ?? 0
  const isMap =
    insn.src === PSEUDO.map_fd ||
    insn.src === PSEUDO.map_value ||
    insn.src === PSEUDO.map_idx ||
    insn.src === PSEUDO.map_idx_value
  if (isMap && !env.allowPtrLeaks) return '0x0'
  const found = isMap ? env.immediates.get(index) : undefined
  if (found?.kind === 'map') return hex(found.map.address | 0, found.map.address ? 0xffff8880 | 0 : 0)
  return hex(insn.imm, high)
}

function aluText(insn: Insn): string {
  const { code, dst, src, off } = insn
  const is32 = (code & 7) === CLASS.alu
  const w = is32 ? 'w' : 'r'
  const op = code & 0xf0
  if (op === ALU.end.code) {
    if (!is32) return `r${dst} = bswap${insn.imm} r${dst}`
    return `r${dst} = ${code & SRC_X ? 'be' : 'le'}${insn.imm} r${dst}`
  }
  if (op === ALU.neg.code) return `${w}${dst} = -${w}${dst}`
  let sign = SIGNS.get(op) ?? ''
  if ((op === ALU.div.code || op === ALU.mod.code) && off === 1) sign = 's' + sign
  if (code & SRC_X) {
    if (op === ALU.mov.code && !is32 && off === 1 && insn.imm !== 0)
      return `r${dst} = addr_space_cast(r${src}, ${insn.imm >>> 16}, ${insn.imm & 0xffff})`
    if (op === ALU.mov.code && !is32 && off === -1) return `r${dst} = &(void __percpu *)(r${src})`
    if (op === ALU.mov.code && off !== 0) return `${w}${dst} = (s${off})${w}${src}`
    return `${w}${dst} ${sign} ${w}${src}`
  }
  return `${w}${dst} ${sign} ${insn.imm}`
}

function atomicText(insn: Insn): string {
  const { code, dst, src, off } = insn
  const wide = (code & 0x18) === SIZE.dw.code
  const type = TYPES.get(code & 0x18)
  const at = `(${type} *)(r${dst} ${plus(off)})`
  const prefix = wide ? '64' : ''
  const plain = ATOMIC_NAMES.get(insn.imm)
  if (plain) {
    const sign = SIGNS.get(insn.imm)
    return `lock *${at} ${sign} r${src}`
  }
  const fetched = ATOMIC_NAMES.get(insn.imm & ~1)
  if (insn.imm & 1 && fetched && insn.imm < 0x100) return `r${src} = atomic${prefix}_fetch_${fetched}(${at}, r${src})`
  if (insn.imm === ATOMIC.cmpxchg.imm) return `r0 = atomic${prefix}_cmpxchg(${at}, r0, r${src})`
  if (insn.imm === ATOMIC.xchg.imm) return `r${src} = atomic${prefix}_xchg(${at}, r${src})`
  if (insn.imm === ATOMIC.load_acquire.imm) return `r${dst} = load_acquire((${type} *)(r${src} ${plus(off)}))`
  if (insn.imm === ATOMIC.store_release.imm) return `store_release(${at}, r${src})`
  return `BUG_${byte(code)}`
}

function jumpText(env: Env, insn: Insn): string {
  const { code, dst, src, off } = insn
  const is32 = (code & 7) === CLASS.jmp32
  const op = code & 0xf0
  if (op === JMP.call.code) {
    if (src === 1) return `call pc${plus(insn.imm)}`
    if (src === 2) {
      const call = env.kfuncCalls.get(`${insn.imm}:${off}`)
      return `call ${call ? call.name : 'kernel-function'}#${insn.imm}`
    }
    const name = src === 0 ? helperById(env, insn.imm) : undefined
    return name ? `call bpf_${name}#${insn.imm}` : `call unknown#${insn.imm}`
  }
  if (code === (CLASS.jmp | JMP.ja.code)) return `goto pc${plus(off)}`
  if (code === (CLASS.jmp32 | JMP.ja.code)) return `gotol pc${plus(insn.imm)}`
  if (code === (CLASS.jmp | JMP.jcond.code)) return src === 0 ? `may_goto pc${plus(off)}` : `BUG_${byte(code)}`
  if (code === (CLASS.jmp | JMP.exit.code)) return 'exit'
  const w = is32 ? 'w' : 'r'
  const test = TESTS.get(op) ?? ''
  const right = code & SRC_X ? `${w}${src}` : imm(insn.imm)
  return `if ${w}${dst} ${test} ${right} goto pc${plus(off)}`
}
