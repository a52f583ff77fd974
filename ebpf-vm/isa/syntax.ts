// How instructions are written, one template per form. The disassembler fills Linux's template in, the assembler matches it, so
// both agree by construction; the mnemonic templates and further spellings are understood on input only.
//
// A template is text with fields of the instruction in braces:
//   r{dst} w{src}   a register by its number
//   {imm} {off}     decimal, {off} with its sign      {hex}   imm as unsigned hexadecimal
//   {to}            a jump's distance, pc+3 (off, or imm of gotol), on input also a label
//   {uimm} {next}   imm, and imm of the second slot with a plus, unsigned      {rel}   imm with its sign
//   {wide}          the 64-bit value of both slots, in hexadecimal; {imm64} the same in any base, on input also a symbol
//   {name}          a map by its name
// Calls are written in too many ways for templates: callText() and the assembler's parseCall() know them.

import type { Form, FormOf } from './forms.ts'
import { ALU, ATOMIC, JMP, SIZE, type SizeName } from './opcodes.ts'

/** Linux's word for the type of an access. */
export const typeOf = (size: SizeName, signed = false): string =>
  signed ? SIZE[size].type.replace('u', 's') : SIZE[size].type

const ATOMIC_CALL = /^(fetch_\w+|xchg|cmpxchg)$/

/** Linux's text (kernel/bpf/disasm.c, bpftool prog dump) of every form but calls. */
export function linuxSyntax(form: Exclude<Form, { kind: 'call' }>): string {
  switch (form.kind) {
    case 'alu': {
      const x = form.width === 32 ? 'w' : 'r'
      return `${x}{dst} ${form.signed ? 's' : ''}${ALU[form.op].sign} ${form.source === 'reg' ? `${x}{src}` : '{imm}'}`
    }
    case 'mov': {
      const x = form.width === 32 ? 'w' : 'r'
      return `${x}{dst} = ${form.source === 'reg' ? `${x}{src}` : '{imm}'}`
    }
    case 'movsx': {
      const x = form.width === 32 ? 'w' : 'r'
      return `${x}{dst} = (s${form.bits})${x}{src}`
    }
    case 'neg': {
      const x = form.width === 32 ? 'w' : 'r'
      return `${x}{dst} = -${x}{dst}`
    }
    case 'end':
      return `r{dst} = ${form.order === 'swap' ? 'bswap' : form.order}${form.bits} r{dst}`
    case 'addr_space_cast':
      return `r{dst} = addr_space_cast(r{src}, ${form.to === 'kernel' ? '0, 1' : '1, 0'})`
    case 'mov_percpu':
      return 'r{dst} = &(void __percpu *)(r{src})'
    case 'ld_imm64':
      return `r{dst} = ${WIDE[form.pseudo]}`
    case 'ld_abs':
      return `r0 = *(${typeOf(form.size)} *)skb[{imm}]`
    case 'ld_ind':
      return `r0 = *(${typeOf(form.size)} *)skb[r{src} + {imm}]`
    case 'ldx':
      return `r{dst} = *(${typeOf(form.size, form.signed)} *)(r{src} {off})`
    case 'st':
      return `*(${typeOf(form.size)} *)(r{dst} {off}) = {imm}`
    case 'stx':
      return `*(${typeOf(form.size)} *)(r{dst} {off}) = r{src}`
    case 'atomic':
      return atomicSyntax(form)
    case 'ja':
      return 'goto {to}'
    case 'gotol':
      return 'gotol {to}'
    case 'may_goto':
      return 'may_goto {to}'
    case 'jmp': {
      const x = form.width === 32 ? 'w' : 'r'
      return `if ${x}{dst} ${JMP[form.op].test} ${form.source === 'reg' ? `${x}{src}` : '{hex}'} goto {to}`
    }
    case 'exit':
      return 'exit'
  }
}

/** What a 64-bit immediate load loads. bpftool prints map_idx and btf_id as plain numbers, which would lose what they are. */
const WIDE: Record<FormOf<'ld_imm64'>['pseudo'], string> = {
  value: '{wide}',
  map_fd: 'map[id:{uimm}]',
  map_value: 'map[id:{uimm}][0]{next}',
  btf_id: 'btf_id[{uimm}]{next}',
  func: 'subprog[{rel}]',
  map_idx: 'map[idx:{uimm}]',
  map_idx_value: 'map[idx:{uimm}]{next}',
}

function atomicSyntax({ op, size }: FormOf<'atomic'>): string {
  const at = `(${typeOf(size)} *)(r{dst} {off})`
  const name = `atomic${size === 'dw' ? '64' : ''}_${op}`
  if (op === 'load_acquire') return `r{dst} = load_acquire((${typeOf(size)} *)(r{src} {off}))`
  if (op === 'store_release') return `store_release(${at}, r{src})`
  if (op === 'cmpxchg') return `r0 = ${name}(${at}, r0, r{src})`
  if (ATOMIC_CALL.test(op)) return `r{src} = ${name}(${at}, r{src})`
  return `lock *${at} ${ATOMIC[op].sign} r{src}`
}

/** Other spellings that the assembler accepts: LLVM's, and the mnemonics of the public bpf_conformance files. */
export function otherSyntax(form: Exclude<Form, { kind: 'call' }>): string[] {
  const spellings = [...llvmSyntax(form), ...mnemonics(form)]
  // An offset of zero may be left out.
  const bare = [linuxSyntax(form), ...spellings].filter((text) => text.includes('{off}'))
  return [...spellings, ...bare.map((text) => text.replace(/ ?\{off\}/, ''))]
}

function llvmSyntax(form: Exclude<Form, { kind: 'call' }>): string[] {
  switch (form.kind) {
    case 'ld_imm64':
      if (form.pseudo === 'value') return ['r{dst} = {imm64} ll']
      if (form.pseudo === 'map_fd') return ['r{dst} = map[{name}]']
      return form.pseudo === 'map_value' ? ['r{dst} = map[{name}][0]{next}'] : []
    case 'ldx':
      return form.size === 'dw' || form.signed ? [] : [linuxSyntax(form).replace('r{dst}', 'w{dst}')]
    case 'stx':
      return form.size === 'dw' ? [] : [linuxSyntax(form).replace('r{src}', 'w{src}')]
    case 'atomic': {
      const { op, size } = form
      const x = size === 'dw' ? 'r' : 'w'
      const suffix = size === 'dw' ? '_64' : '32_32'
      if (op === 'cmpxchg') return [`${x}0 = cmpxchg${suffix}(r{dst} {off}, ${x}0, ${x}{src})`]
      if (op === 'xchg') return [`${x}{src} = xchg${suffix}(r{dst} {off}, ${x}{src})`]
      const operand = op === 'load_acquire' ? 'dst' : 'src'
      return [linuxSyntax(form).replace('atomic64_', 'atomic_').replaceAll(`r{${operand}}`, `${x}{${operand}}`)]
    }
    default:
      return []
  }
}

/** `mov32 %r0, 5`, `ldxdw %r0, [%r1+8]`, `jeq %r1, %r2, label`; with an explicit 64 too where 32 is the other form. */
function mnemonics(form: Exclude<Form, { kind: 'call' }>): string[] {
  switch (form.kind) {
    case 'alu':
    case 'mov': {
      const name = form.kind === 'mov' ? 'mov' : `${form.signed ? 's' : ''}${form.op}`
      return widths(name, form.width).map((text) => `${text} %r{dst}, ${form.source === 'reg' ? '%r{src}' : '{imm}'}`)
    }
    case 'movsx':
      return [`movsx${form.bits}${form.width} %r{dst}, %r{src}`]
    case 'neg':
      return widths('neg', form.width).map((text) => `${text} %r{dst}`)
    case 'end':
      return (form.order === 'swap' ? ['bswap', 'swap'] : [form.order]).map((text) => `${text}${form.bits} %r{dst}`)
    case 'ld_imm64':
      return form.pseudo === 'value' ? ['lddw %r{dst}, {imm64}'] : []
    case 'ld_abs':
      return [`ldabs${form.size} {imm}`]
    case 'ld_ind':
      return [`ldind${form.size} %r{src}, {imm}`]
    case 'ldx':
      return (form.signed ? [`ldxs${form.size}`, `ldx${form.size}sx`] : [`ldx${form.size}`]).map(
        (text) => `${text} %r{dst}, [%r{src} {off}]`,
      )
    case 'st':
      return [`st${form.size} [%r{dst} {off}], {imm}`]
    case 'stx':
      return [`stx${form.size} [%r{dst} {off}], %r{src}`]
    case 'atomic':
      return form.size === 'w' || form.size === 'dw'
        ? widths(`lock ${form.op}`, form.size === 'w' ? 32 : 64).map((text) => `${text} [%r{dst} {off}], %r{src}`)
        : []
    case 'ja':
      return ['ja {to}']
    case 'gotol':
      return ['ja32 {to}']
    case 'jmp':
      return widths(form.op, form.width).map(
        (text) => `${text} %r{dst}, ${form.source === 'reg' ? '%r{src}' : '{imm}'}, {to}`,
      )
    case 'addr_space_cast':
    case 'mov_percpu':
    case 'may_goto':
    case 'exit':
      return []
  }
}

const widths = (name: string, width: 32 | 64): string[] => (width === 32 ? [`${name}32`] : [name, `${name}64`])
