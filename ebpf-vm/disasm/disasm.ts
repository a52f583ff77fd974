// Instructions as text: what the verifier's log and `bpftool prog dump xlated` print, to the letter.

import { helperName } from '../helpers/names.ts'
import { classify, type Form, nearestForm } from '../isa/forms.ts'
import { decode, type Insn } from '../isa/insn.ts'
import { CALL } from '../isa/opcodes.ts'
import { linuxSyntax } from '../isa/syntax.ts'

/** What a caller knows of the numbers in instructions; undefined leaves Linux's text without that knowledge. */
export interface Names {
  /** For `call NAME#imm`: kfuncs, and helpers that Linux does not have. For a local call, what follows `pc`. */
  call?(insn: Insn, slot: number): string | undefined
  /** What a 64-bit immediate load loads, in place of its number or `map[id:…]`. */
  wide?(insn: Insn, slot: number): string | undefined
}

const BUG: Record<number, string> = { 0: 'BUG_ld_', 1: 'BUG_ldx_', 2: 'BUG_st_' }
const hex2 = (code: number): string => code.toString(16).padStart(2, '0')
const signed = (value: number): string => (value < 0 ? `${value}` : `+${value}`)

/** The text of the instruction at a slot, without the opcode that Linux prints before it. */
export function insnText(insns: readonly Insn[], slot: number, names: Names = {}): string {
  const insn = insns[slot]!
  const form = nearestForm(insn)
  if (!form || (form.kind === 'atomic' && form.layout.imm !== insn.imm)) {
    return `${BUG[insn.code & 7] ?? 'BUG_'}${hex2(insn.code)}`
  }
  if (form.kind === 'call') return callText(insn, slot, names)
  if (form.kind === 'ld_imm64') {
    const text = names.wide?.(insn, slot)
    if (text !== undefined) return `r${insn.dst} = ${text}`
  }
  const template = linuxSyntax(form)
  // A byte swap of a width that there is not prints that width.
  const text = form.kind === 'end' ? template.replace(`${form.bits}`, '{imm}') : template
  return fill(text, form, insn, insns[slot + 1]?.imm ?? 0)
}

function callText(insn: Insn, slot: number, names: Names): string {
  if (insn.src === CALL.local) return `call pc${names.call?.(insn, slot) ?? signed(insn.imm)}`
  const known = insn.src === CALL.helper ? helperName(insn.imm) : undefined
  const name = known ?? names.call?.(insn, slot) ?? (insn.src === CALL.kfunc ? 'kernel-function' : 'unknown')
  // Linux leaves the module of a kfunc out.
  const module = insn.src === CALL.kfunc && insn.off !== 0 ? `@${insn.off}` : ''
  return `call ${name}#${insn.imm}${module}`
}

function fill(template: string, form: Form, insn: Insn, next: number): string {
  return template.replace(/\{(\w+)\}/g, (_, field: string) => {
    switch (field) {
      case 'dst':
        return `${insn.dst}`
      case 'src':
        return `${insn.src}`
      case 'off':
        return signed(insn.off)
      case 'hex':
        return `0x${(insn.imm >>> 0).toString(16)}`
      case 'to':
        return `pc${signed(form.kind === 'gotol' ? insn.imm : insn.off)}`
      case 'uimm':
        return `${insn.imm >>> 0}`
      case 'next':
        return `+${next >>> 0}`
      case 'rel':
        return signed(insn.imm)
      case 'wide':
        return `0x${((BigInt(next >>> 0) << 32n) | BigInt(insn.imm >>> 0)).toString(16)}`
      default:
        return `${insn.imm}`
    }
  })
}

/**
 * A program as `bpftool prog dump xlated` lists it, one instruction a line: `   0: (b7) r0 = 5`. assemble() reads it back to the
 * same bytes.
 */
export function disassemble(program: Uint8Array | readonly Insn[], names: Names = {}): string {
  const insns = program instanceof Uint8Array ? decode(program) : program
  const lines: string[] = []
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot]!
    lines.push(`${String(slot).padStart(4)}: (${hex2(insn.code)}) ${insnText(insns, slot, names)}\n`)
    if (classify(insn)?.kind === 'ld_imm64') slot++
  }
  return lines.join('')
}
