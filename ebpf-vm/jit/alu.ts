// Arithmetic, moves and comparisons. A 64-bit operation is made in 32 bits where only its low half is used, or where the operands'
// kinds say that the upper halves cannot matter.

import type { Comparison, FormOf } from '../isa/forms.ts'
import type { Emitter } from './emitter.ts'
import { kindOfConstant, SIGNED } from './kinds.ts'
import { isLowClosed } from './values.ts'
import { I32, I64, type OpName, type ValueType } from './wasm.ts'

type AluOp = FormOf<'alu'>['op']

/** WebAssembly's operation, without its type. */
const PLAIN: Record<Exclude<AluOp, 'div' | 'mod'>, string> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  or: 'or',
  and: 'and',
  lsh: 'shl',
  rsh: 'shr_u',
  xor: 'xor',
  arsh: 'shr_s',
}
const TEST: Record<Exclude<Comparison, 'jset'>, { signed: string; unsigned: string }> = {
  jeq: { signed: 'eq', unsigned: 'eq' },
  jne: { signed: 'ne', unsigned: 'ne' },
  jgt: { signed: 'gt_u', unsigned: 'gt_u' },
  jge: { signed: 'ge_u', unsigned: 'ge_u' },
  jlt: { signed: 'lt_u', unsigned: 'lt_u' },
  jle: { signed: 'le_u', unsigned: 'le_u' },
  jsgt: { signed: 'gt_s', unsigned: 'gt_u' },
  jsge: { signed: 'ge_s', unsigned: 'ge_u' },
  jslt: { signed: 'lt_s', unsigned: 'lt_u' },
  jsle: { signed: 'le_s', unsigned: 'le_u' },
}

const typed = (type: ValueType, name: string): OpName => `${type === I32 ? 'i32' : 'i64'}_${name}` as OpName

export function emitAlu(e: Emitter, slot: number, form: FormOf<'alu'>): void {
  const { code, values } = e
  const insn = e.insn(slot)
  const def = values.def[slot]!
  if (e.isImplicit(def)) return
  const a = values.dst[slot]!
  const b = values.src[slot]!
  const kind = values.kinds[def]!
  const kindA = values.kinds[a]!
  const immediate = form.source === 'imm'
  const pushA = (type: ValueType): void => e.get(a, type)
  const pushB = (type: ValueType): void => {
    if (!immediate) e.get(b, type)
    else if (type === I32) code.i32(insn.imm)
    else code.i64(insn.imm, insn.imm >> 31)
  }

  if (form.op === 'div' || form.op === 'mod') {
    const kindB = immediate ? kindOfConstant(insn.imm, insn.imm >> 31) : values.kinds[b]!
    const type = form.width === 32 || (!form.signed && kindA <= 32 && kindB <= 32) ? I32 : I64
    const constant = immediate || values.isConstant(b)
    const lo = immediate ? insn.imm : constant ? values.constantLo(b) : 0
    const hi = immediate ? insn.imm >> 31 : constant ? values.constantHi(b) : 0
    const isZero = constant && lo === 0 && (type === I32 || hi === 0)
    const isMinusOne = constant && lo === -1 && (type === I32 || hi === -1)
    emitDivision(e, form.op, form.signed, type, pushA, pushB, constant ? { isZero, isMinusOne } : undefined)
    e.put(def, type, form.width === 32 ? 32 : kindA)
    return
  }
  const shift = immediate ? insn.imm & (form.width - 1) : -1
  if (form.width === 32) {
    pushA(I32)
    if (shift >= 0 && isShift(form.op)) code.i32(shift)
    else pushB(I32)
    code.op(typed(I32, PLAIN[form.op]))
    e.put(def, I32, 32)
    return
  }
  const sum = values.sumOf(def)
  if (sum) {
    e.get32(sum.index)
    if (values.isInFrame(sum.base)) {
      e.unit.usesStack = true
      code.get(e.unit.sp)
      code.op('i32_add')
    }
    e.put(def, I32, kind)
    return
  }
  if (isLowClosed(form.op)) {
    const type = e.typeOf(def)
    pushA(type)
    pushB(type)
    code.op(typed(type, PLAIN[form.op]))
    e.put(def, type, kind)
    return
  }
  // Shifts by a constant of what 32 bits hold.
  if (shift >= 0 && form.op === 'lsh' && e.typeOf(def) === I32) {
    if (shift >= 32) code.i32(0)
    else shiftBy(e, pushA, shift, 'i32_shl')
    e.put(def, I32, kind)
    return
  }
  if (shift >= 0 && form.op !== 'lsh' && kindA <= 32) {
    if (shift >= 32) code.i32(0)
    else shiftBy(e, pushA, shift, 'i32_shr_u')
    e.put(def, I32, 32)
    return
  }
  if (shift >= 0 && form.op === 'arsh' && kindA === SIGNED) {
    shiftBy(e, pushA, Math.min(shift, 31), 'i32_shr_s')
    e.put(def, I32, SIGNED)
    return
  }
  pushA(I64)
  if (shift >= 0) code.i64(shift, 0)
  else {
    e.get32(b)
    code.op('i64_extend_i32_u')
  }
  code.op(typed(I64, PLAIN[form.op]))
  e.put(def, I64, kind)
}

const isShift = (op: AluOp): boolean => op === 'lsh' || op === 'rsh' || op === 'arsh'

function shiftBy(e: Emitter, pushA: (type: ValueType) => void, shift: number, op: OpName): void {
  pushA(I32)
  if (shift === 0) return
  e.code.i32(shift)
  e.code.op(op)
}

/** Division as BPF defines it: by zero gives 0, modulo zero leaves the dividend, INT_MIN / -1 is INT_MIN. WebAssembly's would trap. */
function emitDivision(
  e: Emitter,
  op: 'div' | 'mod',
  isSigned: boolean,
  type: ValueType,
  pushA: (type: ValueType) => void,
  pushB: (type: ValueType) => void,
  constant: { isZero: boolean; isMinusOne: boolean } | undefined,
): void {
  const { code } = e
  const zero = (): void => (type === I32 ? code.i32(0) : code.i64(0, 0))
  const byZero = (): void => (op === 'div' ? zero() : pushA(type))
  const byMinusOne = (): void => {
    zero()
    if (op === 'mod') return
    pushA(type)
    code.op(typed(type, 'sub'))
  }
  const divide = (): void => {
    pushA(type)
    pushB(type)
    code.op(typed(type, `${op === 'div' ? 'div' : 'rem'}_${isSigned ? 's' : 'u'}`))
  }
  if (constant) {
    if (constant.isZero) byZero()
    else if (constant.isMinusOne && isSigned) byMinusOne()
    else divide()
    return
  }
  pushB(type)
  code.op(typed(type, 'eqz'))
  code.openIf(type)
  byZero()
  code.else()
  if (isSigned) {
    pushB(type)
    if (type === I32) code.i32(-1)
    else code.i64(-1, -1)
    code.op(typed(type, 'eq'))
    code.openIf(type)
    byMinusOne()
    code.else()
    divide()
    code.end()
  } else {
    divide()
  }
  code.end()
}

export function emitMov(e: Emitter, slot: number, form: FormOf<'mov'>): void {
  const def = e.values.def[slot]!
  if (e.isImplicit(def)) return
  const insn = e.insn(slot)
  if (form.source === 'imm') {
    if (e.typeOf(def) === I32) e.code.i32(insn.imm)
    else e.code.i64(insn.imm, form.width === 32 ? 0 : insn.imm >> 31)
    e.code.set(e.localOf(def))
    return
  }
  const src = e.values.src[slot]!
  if (form.width === 32) {
    e.get32(src)
    e.put(def, I32, 32)
  } else {
    e.get(src, e.typeOf(def))
    e.code.set(e.localOf(def))
  }
}

export function emitMovsx(e: Emitter, slot: number, form: FormOf<'movsx'>): void {
  const def = e.values.def[slot]!
  e.get32(e.values.src[slot]!)
  if (form.bits !== 32) e.code.op(form.bits === 8 ? 'i32_extend8_s' : 'i32_extend16_s')
  e.put(def, I32, form.width === 64 ? SIGNED : 32)
}

export function emitNeg(e: Emitter, slot: number, form: FormOf<'neg'>): void {
  const { code, values } = e
  const def = values.def[slot]!
  const type = form.width === 32 ? I32 : e.typeOf(def)
  if (type === I32) code.i32(0)
  else code.i64(0, 0)
  e.get(values.dst[slot]!, type)
  code.op(typed(type, 'sub'))
  e.put(def, type, 32)
}

export function emitEnd(e: Emitter, slot: number, form: FormOf<'end'>): void {
  const { code, values } = e
  const def = values.def[slot]!
  const src = values.dst[slot]!
  if (form.bits === 64) {
    e.get64(src)
    if (form.order !== 'le') swap64(e)
    e.put(def, I64, 64)
    return
  }
  e.get32(src)
  if (form.order !== 'le') swap32(e)
  if (form.bits === 16) {
    if (form.order === 'le') {
      code.i32(0xffff)
      code.op('i32_and')
    } else {
      code.i32(16)
      code.op('i32_shr_u')
    }
  }
  e.put(def, I32, form.bits)
}

/** Swap the bytes of the i32 on the stack. */
function swap32(e: Emitter): void {
  const { code } = e
  const value = e.scratch('swap', I32)
  code.tee(value)
  code.i32(8)
  code.op('i32_rotl')
  code.i32(0x00ff00ff)
  code.op('i32_and')
  code.get(value)
  code.i32(24)
  code.op('i32_rotl')
  code.i32(0xff00ff00 | 0)
  code.op('i32_and')
  code.op('i32_or')
}

/** Swap the bytes of the i64 on the stack: bytes within 16 bits, those within 32, then the halves. */
function swap64(e: Emitter): void {
  const { code } = e
  const value = e.scratch('swap', I64)
  for (const [shift, mask] of [
    [8, 0x00ff00ff],
    [16, 0x0000ffff],
  ] as const) {
    code.tee(value)
    code.i64(mask, mask)
    code.op('i64_and')
    code.i64(shift, 0)
    code.op('i64_shl')
    code.get(value)
    code.i64(shift, 0)
    code.op('i64_shr_u')
    code.i64(mask, mask)
    code.op('i64_and')
    code.op('i64_or')
  }
  code.i64(32, 0)
  code.op('i64_rotl')
}

/** Push the condition of a jump, as an i32. */
export function emitCondition(e: Emitter, slot: number, form: FormOf<'jmp'>): void {
  const { code, values } = e
  const insn = e.insn(slot)
  const flag = e.nullFlag(slot)
  if (flag >= 0) {
    code.get(flag)
    if (form.op === 'jne') code.op('i32_eqz')
    return
  }
  const a = values.dst[slot]!
  const b = values.src[slot]!
  const immediate = form.source === 'imm'
  const how = form.width === 32 ? 'same32' : values.comparisonAt(slot)
  const small = how !== 'whole' || (form.op === 'jset' && immediate && insn.imm >= 0)
  const type = small ? I32 : I64
  const isZero = immediate && insn.imm === 0
  if (isZero && (form.op === 'jeq' || form.op === 'jne')) {
    e.get(a, type)
    if (form.op === 'jeq') code.op(typed(type, 'eqz'))
    else if (type === I64) {
      code.i64(0, 0)
      code.op('i64_ne')
    }
    return
  }
  e.get(a, type)
  if (!immediate) e.get(b, type)
  else if (type === I32) code.i32(insn.imm)
  else code.i64(insn.imm, insn.imm >> 31)
  if (form.op === 'jset') {
    code.op(typed(type, 'and'))
    if (type === I32) return
    code.i64(0, 0)
    code.op('i64_ne')
    return
  }
  code.op(typed(type, TEST[form.op][how === 'unsigned32' ? 'unsigned' : 'signed']))
}
