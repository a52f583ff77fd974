// Arithmetic instructions: moves, scalar operations, and what may be done to pointers.

import type { Insn } from '../isa/insn.ts'
import { ALU, type AluName, CLASS, SRC_X } from '../isa/opcodes.ts'
import { checkMapAccess } from './access/map.ts'
import { isSecret } from './access/mem.ts'
import { formatTnum, MAX_VAR_OFF } from './access/region.ts'
import { withScalarId } from './access/stack.ts'
import { readReg, writableReg } from './check-reg.ts'
import type { Env } from './env.ts'
import { markPrecise } from './precision.ts'
import {
  ADD_CONST,
  ARENA,
  BASE_MASK,
  BTF_PTR,
  BUF,
  CTX,
  copyReg,
  DYNPTR_PTR,
  FLOW_KEYS,
  FUNC,
  isPacketPointer,
  MAP_KEY,
  MAP_PTR,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  PACKET,
  PACKET_META,
  Reg,
  SCALAR,
  STACK,
  scalarReg,
  TP_BUFFER,
  typeName,
  UNTRUSTED,
} from './reg.ts'
import { alu } from './scalar/alu.ts'
import * as S from './scalar/scalar.ts'
import * as T from './scalar/tnum.ts'
import {
  addH,
  addOverflows,
  fls,
  INT_MIN,
  signedDecimal,
  slt,
  subH,
  subOverflows,
  toNumber,
  ult,
} from './scalar/words.ts'
import { beginPointerMask, commitPointerMask, sanitizeScalar } from './speculation.ts'

const NAMES = new Map<number, AluName>((Object.keys(ALU) as AluName[]).map((name) => [ALU[name].code, name]))

export function checkAlu(env: Env, insn: Insn): void {
  const { code, dst, src, off, imm } = insn
  const name = NAMES.get(code & 0xf0)
  const isX = (code & SRC_X) !== 0
  const is64 = (code & 7) === CLASS.alu64
  const { frame } = env.state
  switch (name) {
    case 'neg':
    case 'end': {
      if (name === 'neg' ? isX || src || off || imm : badEnd(insn, is64, isX))
        env.fail('EINVAL', `BPF_${name.toUpperCase()} uses reserved fields`)
      const reg = readReg(env, dst)
      if (isSecret(env, dst)) env.fail('EACCES', `R${dst} pointer arithmetic prohibited`)
      writableReg(env, dst)
      if (name === 'neg' && reg.type === SCALAR) {
        sanitizeScalar(env, insn)
        frame.regs[dst] = withValue(reg, alu('neg', reg.s, reg.s, !is64))
      } else frame.regs[dst] = scalarReg(S.ANY)
      break
    }
    case 'mov':
      checkMove(env, insn, isX, is64)
      break
    case undefined:
      env.fail('EINVAL', `invalid BPF_ALU opcode ${(code & 0xf0).toString(16)}`)
      break
    default:
      checkOperation(env, insn, name, isX, is64)
  }
  checkInvariants(env, dst)
}

function badEnd(insn: Insn, is64: boolean, isX: boolean): boolean {
  const { src, off, imm } = insn
  return src !== 0 || off !== 0 || (imm !== 16 && imm !== 32 && imm !== 64) || (is64 && isX)
}

/** `reg` with another value; ids and precision stay as they are. */
function withValue(reg: Reg, s: S.Scalar): Reg {
  const r = copyReg(reg)
  r.s = s
  return r
}

function withoutId(reg: Reg): Reg {
  if (reg.id === 0 && reg.off === 0) return reg
  const r = copyReg(reg)
  r.id = 0
  r.off = 0
  return r
}

const bitsOf = (s: S.Scalar): number => fls(s.umaxL, s.umaxH)

function checkMove(env: Env, insn: Insn, isX: boolean, is64: boolean): void {
  const { dst, src, off, imm } = insn
  const { regs } = env.state.frame
  const reserved = (): never => env.fail('EINVAL', 'BPF_MOV uses reserved fields')
  if (!isX) {
    if (src || off) reserved()
    writableReg(env, dst)
    regs[dst] = scalarReg(is64 ? S.knownInt(imm) : S.known(imm, 0))
    return
  }
  if (!is64) {
    if ((off !== 0 && off !== 8 && off !== 16) || imm) reserved()
  } else if (off === 1) {
    if (imm !== 1 && imm !== 0x10000)
      env.fail('EINVAL', 'addr_space_cast insn can only convert between address space 1 and 0')
    if (!env.arena)
      env.fail('EINVAL', 'addr_space_cast insn can only be used in a program that has an associated arena')
  } else if ((off !== 0 && off !== 8 && off !== 16 && off !== 32) || imm) reserved()
  let from = readReg(env, src)
  writableReg(env, dst)
  if (is64) {
    if (off === 1) {
      const made = scalarReg(S.ANY)
      if (imm === 1) made.type = ARENA
      regs[dst] = made
      return
    }
    if (off === 0) {
      from = withScalarId(env, from)
      regs[src] = from
      regs[dst] = from
      return
    }
    if (isSecret(env, src)) env.fail('EACCES', `R${src} sign-extension part of pointer`)
    if (from.type !== SCALAR) {
      regs[dst] = scalarReg(S.ANY)
      return
    }
    const made = copyReg(movedScalar(env, src, from, bitsOf(from.s) < off))
    made.s = S.copy(made.s)
    S.signExtend64(made.s, off >> 3)
    regs[dst] = made
    return
  }
  if (isSecret(env, src)) env.fail('EACCES', `R${src} partial copy of pointer`)
  let made: Reg
  if (from.type === SCALAR) {
    made = copyReg(movedScalar(env, src, from, off === 0 ? bitsOf(from.s) <= 32 : bitsOf(from.s) < off))
    made.s = S.copy(made.s)
    if (off !== 0) S.signExtend32(made.s, off >> 3)
  } else {
    made = scalarReg(S.ANY)
    made.s = S.copy(made.s)
  }
  S.zeroExtend32(made.s)
  S.sync(made.s)
  regs[dst] = made
}

/** The moved scalar shares its origin's id when the move does not change the value. */
function movedScalar(env: Env, src: number, from: Reg, unchanged: boolean): Reg {
  if (!unchanged) return withoutId(from)
  const linked = withScalarId(env, from)
  env.state.frame.regs[src] = linked
  return linked
}

function checkOperation(env: Env, insn: Insn, name: AluName, isX: boolean, is64: boolean): void {
  const { dst, src, off, imm } = insn
  const signedOk = off === 0 || (off === 1 && (name === 'div' || name === 'mod'))
  if (isX ? imm !== 0 || !signedOk : src !== 0 || !signedOk) env.fail('EINVAL', 'BPF_ALU uses reserved fields')
  if (isX) readReg(env, src)
  readReg(env, dst)
  if ((name === 'mod' || name === 'div') && !isX && imm === 0) env.fail('EINVAL', 'div by zero')
  if ((name === 'lsh' || name === 'rsh' || name === 'arsh') && !isX && (imm < 0 || imm >= (is64 ? 64 : 32)))
    env.fail('EINVAL', `invalid shift ${imm}`)
  writableReg(env, dst)
  adjustReg(env, insn, name, isX, is64)
}

function adjustReg(env: Env, insn: Insn, name: AluName, isX: boolean, is64: boolean): void {
  const { dst, src } = insn
  const { regs } = env.state.frame
  const target = regs[dst]!
  if (target.type === ARENA) {
    if (is64) env.aux.needsZext[env.insnIdx] = 1
    return
  }
  let operand: Reg
  if (isX) {
    operand = regs[src]!
    if (operand.type !== SCALAR) {
      if (target.type !== SCALAR) {
        if (name === 'sub' && env.allowPtrLeaks) {
          regs[dst] = scalarReg(S.ANY)
          return
        }
        env.fail('EACCES', `R${dst} pointer ${ALU[name].sign} pointer prohibited`)
      }
      markPrecise(env, dst)
      adjustPointer(env, insn, name, is64, operand, target)
      return
    }
    if (target.type !== SCALAR) {
      markPrecise(env, src)
      adjustPointer(env, insn, name, is64, target, operand)
      return
    }
    if (target.precise) markPrecise(env, src)
  } else {
    operand = scalarReg(S.knownInt(insn.imm))
    if (target.type !== SCALAR) {
      adjustPointer(env, insn, name, is64, target, operand)
      return
    }
  }
  sanitizeScalar(env, insn)
  const made = withValue(target, alu(name, target.s, operand.s, !is64))
  if (env.caps.bpf && name === 'add' && is64 && target.id !== 0 && S.isConst(operand.s)) {
    const { vL, vH } = operand.s.tnum
    if (target.id & ADD_CONST || vH !== 0 || vL < 0) {
      made.off = 0
      made.id = 0
    } else {
      made.id |= ADD_CONST
      made.off = vL
    }
  } else made.id = 0
  regs[dst] = made
}

/** Offsets that are safe to calculate with. */
function checkSaneOffset(env: Env, reg: Reg, type: number): void {
  const { s } = reg
  const { vL, vH } = s.tnum
  const name = typeName(type)
  const value = toNumber(vL, vH)
  if (S.isConst(s) && (value >= MAX_VAR_OFF || value <= -MAX_VAR_OFF))
    env.fail('EINVAL', `math between ${name} pointer and ${signedDecimal(vL, vH)} is not allowed`)
  if (reg.off >= MAX_VAR_OFF || reg.off <= -MAX_VAR_OFF)
    env.fail('EINVAL', `${name} pointer offset ${reg.off} is not allowed`)
  if (s.sminL === 0 && s.sminH === INT_MIN)
    env.fail('EINVAL', `math between ${name} pointer and register with unbounded min value is not allowed`)
  const smin = toNumber(s.sminL, s.sminH)
  if (smin >= MAX_VAR_OFF || smin <= -MAX_VAR_OFF)
    env.fail('EINVAL', `value ${signedDecimal(s.sminL, s.sminH)} makes ${name} pointer be out of bounds`)
}

function adjustPointer(env: Env, insn: Insn, name: AluName, is64: boolean, pointer: Reg, offset: Reg): void {
  const { dst } = insn
  const { regs } = env.state.frame
  const o = offset.s
  const p = pointer.s
  const known = S.isConst(o)
  if (
    (known && (o.sminL !== o.smaxL || o.sminH !== o.smaxH || o.uminL !== o.umaxL || o.uminH !== o.umaxH)) ||
    slt(o.smaxL, o.smaxH, o.sminL, o.sminH) ||
    ult(o.umaxL, o.umaxH, o.uminL, o.uminH)
  ) {
    // Bounds of a branch that cannot be taken.
    regs[dst] = scalarReg(S.ANY)
    return
  }
  if (!is64) {
    if (name === 'sub' && env.allowPtrLeaks) {
      regs[dst] = scalarReg(S.ANY)
      return
    }
    env.fail('EACCES', `R${dst} 32-bit pointer arithmetic prohibited`)
  }
  if (pointer.type & MAYBE_NULL)
    env.fail('EACCES', `R${dst} pointer arithmetic on ${typeName(pointer.type)} prohibited, null-check it first`)
  const base = pointer.type & BASE_MASK
  if (base === MEM && pointer.type & UNTRUSTED) return
  checkArithmeticAllowed(env, dst, base, pointer, o, known, name)
  const made = copyReg(pointer)
  checkSaneOffset(env, offset, pointer.type)
  checkSaneOffset(env, pointer, pointer.type)
  const masking = beginPointerMask(env, insn, pointer, offset)
  const by = toNumber(o.sminL, o.sminH)
  const s = S.copy(p)
  S.unbound32(s)
  switch (name) {
    case 'add':
      if (known && pointer.off + by === ((pointer.off + by) | 0)) {
        made.off = pointer.off + by
        break
      }
      addVariable(s, p, o)
      made.off = pointer.off
      if (isPacketPointer(pointer.type)) {
        made.id = env.newId()
        made.n = 0
      }
      break
    case 'sub':
      if (regs[dst] === offset) env.fail('EACCES', `R${dst} tried to subtract pointer from scalar`)
      if (pointer.type === STACK) env.fail('EACCES', `R${dst} subtraction from stack pointer prohibited`)
      if (known && pointer.off - by === ((pointer.off - by) | 0)) {
        made.off = pointer.off - by
        break
      }
      subVariable(s, p, o)
      if (isPacketPointer(pointer.type)) {
        made.id = env.newId()
        if (o.sminH < 0) made.n = 0
      }
      break
    case 'and':
    case 'or':
    case 'xor':
      env.fail('EACCES', `R${dst} bitwise operator ${ALU[name].sign} on pointer prohibited`)
      break
    default:
      env.fail('EACCES', `R${dst} pointer arithmetic with ${ALU[name].sign} operator prohibited`)
  }
  made.s = s
  checkSaneOffset(env, made, pointer.type)
  S.sync(s)
  regs[dst] = made
  checkSpeculativeBounds(env, dst, made)
  commitPointerMask(env, insn, made, masking)
}

function checkArithmeticAllowed(
  env: Env,
  dst: number,
  base: number,
  pointer: Reg,
  o: S.Scalar,
  known: boolean,
  name: AluName,
): void {
  switch (base) {
    case CTX:
    case MAP_VALUE:
    case MAP_KEY:
    case STACK:
    case PACKET_META:
    case PACKET:
    case TP_BUFFER:
    case BTF_PTR:
    case MEM:
    case BUF:
    case FUNC:
    case DYNPTR_PTR:
      return
    case FLOW_KEYS:
      if (known) return
      break
    case MAP_PTR:
      break
    default:
  }
  const isZeroAdd = known && (o.sminL | o.sminH) === 0 && name === 'add'
  if ((base === MAP_PTR || base === FLOW_KEYS) && isZeroAdd) return
  env.fail('EACCES', `R${dst} pointer arithmetic on ${typeName(pointer.type)} prohibited`)
}

function addVariable(s: S.Scalar, p: S.Scalar, o: S.Scalar): void {
  const sminH = addH(p.sminL, p.sminH, o.sminL, o.sminH)
  const smaxH = addH(p.smaxL, p.smaxH, o.smaxL, o.smaxH)
  if (addOverflows(p.sminH, o.sminH, sminH) || addOverflows(p.smaxH, o.smaxH, smaxH)) S.unboundSigned(s)
  else {
    s.sminL = (p.sminL + o.sminL) | 0
    s.sminH = sminH
    s.smaxL = (p.smaxL + o.smaxL) | 0
    s.smaxH = smaxH
  }
  const minL = (p.uminL + o.uminL) | 0
  const minH = addH(p.uminL, p.uminH, o.uminL, o.uminH)
  const maxL = (p.umaxL + o.umaxL) | 0
  const maxH = addH(p.umaxL, p.umaxH, o.umaxL, o.umaxH)
  if (ult(minL, minH, p.uminL, p.uminH) || ult(maxL, maxH, p.umaxL, p.umaxH)) S.unboundUnsigned(s)
  else {
    s.uminL = minL
    s.uminH = minH
    s.umaxL = maxL
    s.umaxH = maxH
  }
  s.tnum = T.add(p.tnum, o.tnum)
}

function subVariable(s: S.Scalar, p: S.Scalar, o: S.Scalar): void {
  const sminH = subH(p.sminL, p.sminH, o.smaxL, o.smaxH)
  const smaxH = subH(p.smaxL, p.smaxH, o.sminL, o.sminH)
  if (subOverflows(p.sminH, o.smaxH, sminH) || subOverflows(p.smaxH, o.sminH, smaxH)) S.unboundSigned(s)
  else {
    s.sminL = (p.sminL - o.smaxL) | 0
    s.sminH = sminH
    s.smaxL = (p.smaxL - o.sminL) | 0
    s.smaxH = smaxH
  }
  if (ult(p.uminL, p.uminH, o.umaxL, o.umaxH)) S.unboundUnsigned(s)
  else {
    s.uminL = (p.uminL - o.umaxL) | 0
    s.uminH = subH(p.uminL, p.uminH, o.umaxL, o.umaxH)
    s.umaxL = (p.umaxL - o.uminL) | 0
    s.umaxH = subH(p.umaxL, p.umaxH, o.uminL, o.uminH)
  }
  s.tnum = T.sub(p.tnum, o.tnum)
}

/** Without CAP_PERFMON a pointer may not even be computed out of bounds. */
function checkSpeculativeBounds(env: Env, dst: number, reg: Reg): void {
  if (env.bypassSpecV1) return
  if (reg.type === STACK) {
    const offset = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
    if (!S.isConst(reg.s))
      env.fail(
        'EACCES',
        `R${dst} variable stack access prohibited for !root, var_off=${formatTnum(reg.s.tnum)} off=${offset}`,
      )
    if (offset >= 0 || offset < -512)
      env.fail('EACCES', `R${dst} stack pointer arithmetic goes out of range, prohibited for !root; off=${offset}`)
  } else if (reg.type === MAP_VALUE) {
    try {
      checkMapAccess(env, dst, reg.off, 1, false, false)
    } catch (error) {
      env.print(`R${dst} pointer arithmetic of map value goes out of range, prohibited for !root\n`)
      throw error
    }
  }
}

/** Bounds that contradict each other: a bug of the domains that Linux's test flag turns into an error. */
export function checkInvariants(env: Env, regno: number): void {
  const reg = env.state.frame.regs[regno]!
  if (reg.type !== SCALAR || S.isConsistent(reg.s)) return
  if (env.testRegInvariants) env.fail('EFAULT', 'REG INVARIANTS VIOLATION (alu)')
  const r = new Reg()
  r.type = SCALAR
  env.state.frame.regs[regno] = r
}
