// Every instruction that exists, one row each: what it does (its form) and what each of its fields may hold.
// classify() finds the row of an instruction; decoder, assembler, disassembler, engines, verifier and compiler switch over its `kind`
// and take registers, offset and immediate from the instruction itself. A form is one object per row, so it may be compared and cached.

import type { Insn } from './insn.ts'
import {
  ALU,
  type AluName,
  ATOMIC,
  type AtomicName,
  CALL,
  CLASS,
  JMP,
  type JmpName,
  MODE,
  PSEUDO,
  SIZE,
  type SizeName,
  SRC_K,
  SRC_X,
} from './opcodes.ts'

/** The second operand: `imm`, sign-extended to the width of the operation, or the register `src`. */
export type Source = 'imm' | 'reg'
export type Width = 32 | 64
/** dst = dst op source */
export type AluOp = Exclude<AluName, 'neg' | 'end' | 'mov'>
/** Conditional jumps: if dst op source goto off */
export type Comparison = Exclude<JmpName, 'ja' | 'call' | 'exit' | 'jcond'>
export type PseudoName = 'value' | keyof typeof PSEUDO
export type CallName = keyof typeof CALL

/** What a field holds: anything (`free`), or the one number that belongs to this form (0 for reserved fields). */
export type Field = 'free' | number

export interface Layout {
  readonly code: number
  readonly dst: Field
  readonly src: Field
  readonly off: Field
  readonly imm: Field
}

/** What an instruction does. A 32-bit operation works on low halves and clears the upper half of its destination. */
export type Meaning =
  /** `signed`: division and modulo of cpu v4 */
  | {
      readonly kind: 'alu'
      readonly op: AluOp
      readonly width: Width
      readonly source: Source
      readonly signed: boolean
    }
  | { readonly kind: 'mov'; readonly width: Width; readonly source: Source }
  /** dst = the low `bits` of src, sign-extended to `width` */
  | { readonly kind: 'movsx'; readonly width: Width; readonly bits: 8 | 16 | 32 }
  | { readonly kind: 'neg'; readonly width: Width }
  /** dst = its low `bits` in that byte order (or swapped), upper bits cleared */
  | { readonly kind: 'end'; readonly order: 'le' | 'be' | 'swap'; readonly bits: 16 | 32 | 64 }
  /** dst = src, converted between the arena's user addresses (1) and kernel addresses (0) */
  | { readonly kind: 'addr_space_cast'; readonly to: 'kernel' | 'user' }
  /** dst = address of this CPU's copy of the per-CPU datum src; only the verifier's rewriting makes it */
  | { readonly kind: 'mov_percpu' }
  /** two slots; `value`: dst = imm of the second : imm of the first */
  | { readonly kind: 'ld_imm64'; readonly pseudo: PseudoName }
  /** r0 = packet[imm], big endian; leaves the program with r0 = 0 outside of the packet. r6 is the context */
  | { readonly kind: 'ld_abs'; readonly size: SizeName }
  /** r0 = packet[src + imm] */
  | { readonly kind: 'ld_ind'; readonly size: SizeName }
  /** dst = *(src + off), `signed`: sign-extended to 64 bits */
  | { readonly kind: 'ldx'; readonly size: SizeName; readonly signed: boolean }
  /** *(dst + off) = imm */
  | { readonly kind: 'st'; readonly size: SizeName }
  /** *(dst + off) = src */
  | { readonly kind: 'stx'; readonly size: SizeName }
  /**
   * *(dst + off) op= src; fetch forms leave the old value in src, cmpxchg compares with r0 and leaves it in r0.
   * load_acquire: dst = *(src + off). store_release: *(dst + off) = src.
   */
  | { readonly kind: 'atomic'; readonly op: AtomicName; readonly size: SizeName }
  /** goto off (`ja`), or goto imm (`gotol`); counted from the next slot */
  | { readonly kind: 'ja' }
  | { readonly kind: 'gotol' }
  /** goes to off once the program's budget is spent, else on */
  | { readonly kind: 'may_goto' }
  | { readonly kind: 'jmp'; readonly op: Comparison; readonly width: Width; readonly source: Source }
  /** helper: imm is its id; local: the callee starts at the next slot + imm; kfunc: imm is its BTF id, off its module */
  | { readonly kind: 'call'; readonly target: CallName }
  | { readonly kind: 'exit' }

export type Form = Meaning & { readonly layout: Layout }
export type FormKind = Form['kind']
export type FormOf<K extends FormKind> = Extract<Form, { kind: K }>

const rows: Form[] = []

function row(code: number, fields: Partial<Omit<Layout, 'code'>>, meaning: Meaning): void {
  const layout: Layout = { code, dst: 0, src: 0, off: 0, imm: 0, ...fields }
  rows.push({ ...meaning, layout })
}

const SOURCES = [
  ['imm', SRC_K, { imm: 'free' }],
  ['reg', SRC_X, { src: 'free' }],
] as const
const ALU_WIDTHS = [
  [32, CLASS.alu],
  [64, CLASS.alu64],
] as const
const JMP_WIDTHS = [
  [32, CLASS.jmp32],
  [64, CLASS.jmp],
] as const
const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[]

const ALU_OPS = keys(ALU).filter((op): op is AluOp => op !== 'neg' && op !== 'end' && op !== 'mov')
const COMPARISONS = keys(JMP).filter(
  (op): op is Comparison => op !== 'ja' && op !== 'call' && op !== 'exit' && op !== 'jcond',
)
const SIZES = keys(SIZE)

for (const [width, cls] of ALU_WIDTHS) {
  for (const [source, bit, operand] of SOURCES) {
    for (const op of ALU_OPS) {
      const code = cls | ALU[op].code | bit
      row(code, { dst: 'free', ...operand }, { kind: 'alu', op, width, source, signed: false })
      if (op !== 'div' && op !== 'mod') continue
      row(code, { dst: 'free', ...operand, off: 1 }, { kind: 'alu', op, width, source, signed: true })
    }
    row(cls | ALU.mov.code | bit, { dst: 'free', ...operand }, { kind: 'mov', width, source })
  }
  for (const bits of [8, 16, 32] as const) {
    if (bits === width) continue
    row(cls | ALU.mov.code | SRC_X, { dst: 'free', src: 'free', off: bits }, { kind: 'movsx', width, bits })
  }
  row(cls | ALU.neg.code, { dst: 'free' }, { kind: 'neg', width })
}
for (const bits of [16, 32, 64] as const) {
  row(CLASS.alu | ALU.end.code | SRC_K, { dst: 'free', imm: bits }, { kind: 'end', order: 'le', bits })
  row(CLASS.alu | ALU.end.code | SRC_X, { dst: 'free', imm: bits }, { kind: 'end', order: 'be', bits })
  row(CLASS.alu64 | ALU.end.code | SRC_K, { dst: 'free', imm: bits }, { kind: 'end', order: 'swap', bits })
}
const MOV64 = CLASS.alu64 | ALU.mov.code | SRC_X
row(MOV64, { dst: 'free', src: 'free', off: 1, imm: 1 }, { kind: 'addr_space_cast', to: 'kernel' })
row(MOV64, { dst: 'free', src: 'free', off: 1, imm: 0x10000 }, { kind: 'addr_space_cast', to: 'user' })
row(MOV64, { dst: 'free', src: 'free', off: -1 }, { kind: 'mov_percpu' })

const LD_IMM64 = CLASS.ld | MODE.imm | SIZE.dw.code
row(LD_IMM64, { dst: 'free', imm: 'free' }, { kind: 'ld_imm64', pseudo: 'value' })
for (const pseudo of keys(PSEUDO)) {
  row(LD_IMM64, { dst: 'free', src: PSEUDO[pseudo], imm: 'free' }, { kind: 'ld_imm64', pseudo })
}
for (const size of SIZES) {
  const code = SIZE[size].code
  if (size !== 'dw') {
    row(CLASS.ld | MODE.abs | code, { imm: 'free' }, { kind: 'ld_abs', size })
    row(CLASS.ld | MODE.ind | code, { src: 'free', imm: 'free' }, { kind: 'ld_ind', size })
    row(CLASS.ldx | MODE.memsx | code, { dst: 'free', src: 'free', off: 'free' }, { kind: 'ldx', size, signed: true })
  }
  row(CLASS.ldx | MODE.mem | code, { dst: 'free', src: 'free', off: 'free' }, { kind: 'ldx', size, signed: false })
  row(CLASS.st | MODE.mem | code, { dst: 'free', off: 'free', imm: 'free' }, { kind: 'st', size })
  row(CLASS.stx | MODE.mem | code, { dst: 'free', src: 'free', off: 'free' }, { kind: 'stx', size })
  for (const op of keys(ATOMIC)) {
    const narrow = op === 'load_acquire' || op === 'store_release'
    if (!narrow && size !== 'w' && size !== 'dw') continue
    const fields = { dst: 'free', src: 'free', off: 'free', imm: ATOMIC[op].imm } as const
    row(CLASS.stx | MODE.atomic | code, fields, { kind: 'atomic', op, size })
  }
}

for (const [width, cls] of JMP_WIDTHS) {
  for (const [source, bit, operand] of SOURCES) {
    for (const op of COMPARISONS) {
      row(cls | JMP[op].code | bit, { dst: 'free', off: 'free', ...operand }, { kind: 'jmp', op, width, source })
    }
  }
}
row(CLASS.jmp | JMP.ja.code, { off: 'free' }, { kind: 'ja' })
row(CLASS.jmp32 | JMP.ja.code, { imm: 'free' }, { kind: 'gotol' })
row(CLASS.jmp | JMP.jcond.code, { off: 'free' }, { kind: 'may_goto' })
for (const target of keys(CALL)) {
  const off = target === 'kfunc' ? 'free' : 0
  row(CLASS.jmp | JMP.call.code, { src: CALL[target], off, imm: 'free' }, { kind: 'call', target })
}
row(CLASS.jmp | JMP.exit.code, {}, { kind: 'exit' })

/** Every form there is. */
export const FORMS: readonly Form[] = rows

const byCode: readonly (readonly Form[])[] = Array.from({ length: 256 }, (_, code) =>
  rows.filter((form) => form.layout.code === code),
)

const holds = (field: Field, value: number): boolean => field === 'free' || field === value

/** Whether any instruction has this opcode byte. (The second slot of a wide load has 0, which is none.) */
export const isOpcode = (code: number): boolean => byCode[code]!.length > 0

/**
 * The form of `insn`, undefined when no instruction has this opcode or a field holds what none allows (a reserved field that is not
 * zero, an unknown atomic …). Register numbers above 10 and the second slot of a wide load are the caller's to check.
 */
export function classify(insn: Insn): Form | undefined {
  for (const form of byCode[insn.code]!) {
    const { dst, src, off, imm } = form.layout
    if (holds(imm, insn.imm) && holds(off, insn.off) && holds(src, insn.src) && holds(dst, insn.dst)) return form
  }
  return undefined
}

/**
 * The form that `insn` is, or the one it comes nearest to when fields hold what none allows; undefined for an unknown opcode. For
 * printing instructions that will be refused.
 */
export function nearestForm(insn: Insn): Form | undefined {
  const score = ({ layout }: Form): number =>
    (holds(layout.src, insn.src) ? 1 : 0) +
    (holds(layout.off, insn.off) ? 2 : 0) +
    (holds(layout.imm, insn.imm) ? 1 : 0)
  return classify(insn) ?? byCode[insn.code]!.toSorted((a, b) => score(b) - score(a))[0]
}

/** Slots that an instruction of this form takes. */
export const slotsOf = (form: Form): 1 | 2 => (form.kind === 'ld_imm64' ? 2 : 1)

/** Slot that the instruction at `at` may jump to (not calls), -1 when it never jumps. */
export function jumpTarget(form: Form, insn: Insn, at: number): number {
  switch (form.kind) {
    case 'ja':
    case 'may_goto':
    case 'jmp':
      return at + 1 + insn.off
    case 'gotol':
      return at + 1 + insn.imm
    default:
      return -1
  }
}

/** Whether control can go on to the next instruction. A call does: bpf_throw and tail calls that do not return are the callee's doing. */
export const fallsThrough = (form: Form): boolean => form.kind !== 'ja' && form.kind !== 'gotol' && form.kind !== 'exit'
