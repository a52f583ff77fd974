// The stack: slots of eight bytes that hold spilled registers, data, zeroes, or objects of the kernel. Offsets are from the frame's
// top: -8 is the first slot (spi 0).

import type { HelperMeta } from '../calls/meta.ts'
import type { Env } from '../env.ts'
import { markPrecise, pushHistory } from '../precision.ts'
import { ADD_CONST, copyReg, isPointer, type Reg, SCALAR, STACK, scalarReg, UNSET } from '../reg.ts'
import { destroyDynptr } from '../resources/slots.ts'
import * as S from '../scalar/scalar.ts'
import { fls, toNumber } from '../scalar/words.ts'
import {
  allBytes,
  byteType,
  DYNPTR,
  EMPTY_SLOT,
  type Frame,
  INVALID,
  MISC,
  type Slot,
  SPILL,
  withByte,
  ZERO,
} from '../state.ts'
import { type AccessType, formatTnum, MAX_VAR_OFF } from './region.ts'

const STACK_BYTES = 512

export const spiOf = (offset: number): number => Math.floor((-offset - 1) / 8)
const byteOf = (offset: number): number => (-offset - 1) & 7

export const isSpilled = (slot: Slot): boolean => byteType(slot.types, 7) === SPILL
export const isSpilledScalar = (slot: Slot): boolean => isSpilled(slot) && slot.reg.type === SCALAR

/** Frame that a stack pointer points into. */
export function frameOf(env: Env, reg: Reg): Frame {
  return env.state.frames[reg.n]!
}

export function growStack(env: Env, frame: Frame, bytes: number): void {
  const slots = Math.ceil(bytes / 8)
  while (frame.stack.length < slots) frame.stack.push(EMPTY_SLOT)
  const subprog = env.subprogs[frame.subprog]!
  if (subprog.stackDepth < slots * 8) subprog.stackDepth = slots * 8
}

/** The whole range of an access is stack, and allocated from here on. */
export function checkStackBounds(env: Env, regno: number, offset: number, size: number, type: AccessType): void {
  const reg = env.state.frame.regs[regno]!
  const frame = frameOf(env, reg)
  const extra = type === 'read' ? ' read from' : ' write to'
  const constant = S.isConst(reg.s)
  let min: number
  let max: number
  if (constant) {
    min = toNumber(reg.s.tnum.vL, reg.s.tnum.vH) + offset
    max = min + size
  } else {
    const smax = toNumber(reg.s.smaxL, reg.s.smaxH)
    const smin = toNumber(reg.s.sminL, reg.s.sminH)
    if (smax >= MAX_VAR_OFF || smin <= -MAX_VAR_OFF)
      env.fail('EACCES', `invalid unbounded variable-offset${extra} stack R${regno}`)
    min = smin + offset
    max = smax + offset + size
  }
  const lowest = type === 'write' || env.allowUninitStack ? -STACK_BYTES : -frame.stack.length * 8
  const bad = min < lowest || min > -1 ? 'EACCES' : max > 0 ? 'EINVAL' : undefined
  if (bad) {
    if (constant) env.fail(bad, `invalid${extra} stack R${regno} off=${min} size=${size}`)
    env.fail(
      bad,
      `invalid variable-offset${extra} stack R${regno} var_off=${formatTnum(reg.s.tnum)} off=${offset} size=${size}`,
    )
  }
  growStack(env, frame, -min)
}

/** Before a scalar is copied: give it an id, so that what is learnt of one copy holds for the other. */
export function withScalarId(env: Env, reg: Reg): Reg {
  if (reg.type !== SCALAR) return reg
  let r = reg
  if (reg.id & ADD_CONST) {
    r = copyReg(reg)
    r.id = 0
    r.off = 0
  }
  if (r.id === 0 && !S.isConst(r.s)) {
    if (r === reg) r = copyReg(reg)
    r.id = env.newId()
  }
  return r
}

const setSlot = (frame: Frame, spi: number, types: number, reg: Reg): void => {
  frame.stack[spi] = { types, reg }
}

const bitsOf = (reg: Reg): number => fls(reg.s.umaxL, reg.s.umaxH)

/** Uses of the stack outside the slots that clang's bpf_fastcall spills own forbid to remove them. */
function checkFastcall(env: Env, frame: Frame, insn: number, offset: number): void {
  const subprog = env.subprogs[frame.subprog]!
  if (subprog.fastcallStackOff <= offset || env.aux.fastcallPattern[insn]) return
  subprog.fastcallStackOff = -STACK_BYTES - 1
  subprog.keepFastcallStack = true
}

export function readStack(env: Env, regno: number, offset: number, size: number, into: number): void {
  const reg = env.state.frame.regs[regno]!
  const frame = frameOf(env, reg)
  const variable = !S.isConst(reg.s)
  if (into < 0 && variable)
    env.fail(
      'EACCES',
      `variable offset stack pointer cannot be passed into helper function; var_off=${formatTnum(reg.s.tnum)} off=${offset} size=${size}`,
    )
  if (!variable) {
    readFixed(env, frame, offset + toNumber(reg.s.tnum.vL, reg.s.tnum.vH), size, into)
    return
  }
  checkRangeInitialized(env, regno, offset, size, false, 'read', undefined)
  const min = toNumber(reg.s.sminL, reg.s.sminH) + offset
  const max = toNumber(reg.s.smaxL, reg.s.smaxH) + offset
  markRead(env, frame, min, max + size, into)
  checkFastcall(env, frame, env.insnIdx, min)
}

/** Data bytes become a register: zero if all are zero. */
function markRead(env: Env, frame: Frame, min: number, max: number, into: number): void {
  let zeros = 0
  for (let at = min; at < max; at++) {
    const slot = frame.stack[spiOf(at)] ?? EMPTY_SLOT
    if (byteType(slot.types, byteOf(at)) !== ZERO) break
    zeros++
  }
  env.state.frame.regs[into] = scalarReg(zeros === max - min ? S.KNOWN_ZERO : S.ANY)
}

function readFixed(env: Env, frame: Frame, offset: number, size: number, into: number): void {
  const spi = spiOf(offset)
  const slot = frame.stack[spi]!
  const { regs } = env.state.frame
  env.scratchSlot(spi)
  checkFastcall(env, frame, env.insnIdx, offset)
  env.live.read(frame.frameno, env.insnIdx, spi)
  let access: { frame: number; spi: number } | undefined = { frame: frame.frameno, spi }
  if (isSpilled(slot)) {
    let spillSize = 1
    for (let i = 7; i > 0 && byteType(slot.types, i - 1) === SPILL; i--) spillSize++
    if (size !== 8 || spillSize !== 8) {
      if (slot.reg.type !== SCALAR) {
        env.printLine(env.insnIdx, '; ')
        env.fail('EACCES', 'invalid size of register fill')
      }
      if (into < 0) return
      if (size <= spillSize && (offset & 7) === 0) {
        let reg = slot.reg
        if (env.caps.bpf && size === 4 && spillSize === 4 && bitsOf(reg) <= 32) {
          reg = withScalarId(env, reg)
          setSlot(frame, spi, slot.types, reg)
        }
        if (bitsOf(reg) > size * 8) {
          reg = copyReg(reg)
          reg.id = 0
          reg.off = 0
        }
        regs[into] = reg
      } else {
        const { spills, zeros } = countBytes(env, slot, offset, size)
        if (spills === size && S.isConst(slot.reg.s) && (slot.reg.s.tnum.vL | slot.reg.s.tnum.vH) === 0)
          regs[into] = scalarReg(S.KNOWN_ZERO)
        else {
          regs[into] = scalarReg(zeros === size ? S.KNOWN_ZERO : S.ANY)
          access = undefined
        }
      }
    } else if (into >= 0) {
      let { reg } = slot
      if (env.caps.bpf) {
        reg = withScalarId(env, reg)
        if (reg !== slot.reg) setSlot(frame, spi, slot.types, reg)
      }
      regs[into] = reg
    } else if (!env.allowPtrLeaks && isPointer(slot.reg)) env.fail('EACCES', `leaking pointer from stack off ${offset}`)
  } else {
    countBytes(env, slot, offset, size)
    if (into >= 0) markRead(env, frame, offset, offset + size, into)
    access = undefined
  }
  if (access) pushHistory(env, env.state, access)
}

/** Spilled and zero bytes of a read of part of a slot; refuses uninitialised and special ones. */
function countBytes(env: Env, slot: Slot, offset: number, size: number): { spills: number; zeros: number } {
  let spills = 0
  let zeros = 0
  const spilled = isSpilled(slot)
  for (let i = 0; i < size; i++) {
    const type = byteType(slot.types, byteOf(offset + i))
    if (type === SPILL && spilled) spills++
    else if (type === ZERO) zeros++
    else if (type !== MISC && !(type === INVALID && env.allowUninitStack))
      env.fail('EACCES', `invalid read from stack off ${offset}+${i} size ${size}`)
  }
  return { spills, zeros }
}

const isNullScalar = (reg: Reg): boolean =>
  reg.type === SCALAR && S.isConst(reg.s) && (reg.s.tnum.vL | reg.s.tnum.vH) === 0

/** `value` is the register stored, -1 for an immediate or data of a helper (`imm` undefined). */
export function writeStack(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  value: number,
  imm: number | undefined,
): void {
  const reg = env.state.frame.regs[regno]!
  const frame = frameOf(env, reg)
  if (S.isConst(reg.s)) writeFixed(env, frame, offset + toNumber(reg.s.tnum.vL, reg.s.tnum.vH), size, value, imm)
  else writeVariable(env, frame, reg, offset, size, value, imm)
}

function writeFixed(
  env: Env,
  frame: Frame,
  offset: number,
  size: number,
  value: number,
  imm: number | undefined,
): void {
  const spi = spiOf(offset)
  const here = env.state.frame
  let slot = frame.stack[spi]!
  if (!env.allowPtrLeaks && isSpilled(slot) && slot.reg.type !== SCALAR && size !== 8)
    env.fail('EACCES', 'attempt to corrupt spilled pointer on stack')
  const reg = value >= 0 ? here.regs[value]! : undefined
  if (!env.bypassSpecV4) {
    let sanitize = reg !== undefined && reg.type !== SCALAR && reg.type !== 0
    for (let i = 0; i < size && !sanitize; i++) {
      const type = byteType(slot.types, byteOf(offset + i))
      if (type !== MISC && type !== ZERO) sanitize = true
    }
    if (sanitize) env.aux.nospecResult[env.insnIdx] = 1
  }
  destroyDynptr(env, frame, spi)
  slot = frame.stack[spi]!
  const aligned = (offset & 7) === 0
  if (aligned && size === 8) env.live.write(frame.frameno, spi)
  checkFastcall(env, frame, env.insnIdx, offset)
  env.scratchSlot(spi)
  if (reg && aligned && reg.type === SCALAR && env.caps.bpf) {
    const fits = bitsOf(reg) <= size * 8
    let spilled = reg
    if (fits) {
      spilled = withScalarId(env, reg)
      if (spilled !== reg) here.regs[value] = spilled
    } else if (reg.id !== 0) {
      spilled = copyReg(reg)
      spilled.id = 0
    }
    setSlot(frame, spi, spillTypes(env, slot.types, size), spilled)
  } else if (!reg && aligned && imm !== undefined && env.caps.bpf) {
    setSlot(frame, spi, spillTypes(env, slot.types, size), scalarReg(S.knownInt(imm)))
  } else if (reg && isPointer(reg)) {
    if (size !== 8) {
      env.printLine(env.insnIdx, '; ')
      env.fail('EACCES', 'invalid size of register spill')
    }
    if (frame !== here && reg.type === STACK)
      env.fail('EINVAL', 'cannot spill pointers to stack into stack frame of the caller')
    setSlot(frame, spi, spillTypes(env, slot.types, size), reg)
  } else {
    let { types } = slot
    if (isSpecial(types)) types = scrub(types)
    let type = MISC
    if (reg ? isNullScalar(reg) : imm === 0) {
      if (value >= 0) markPrecise(env, value)
      type = ZERO
    }
    for (let i = 0; i < size; i++) types = withByte(types, byteOf(offset + i), type)
    setSlot(frame, spi, types, UNSET)
    return
  }
  pushHistory(env, env.state, { frame: frame.frameno, spi })
}

/** A spill of `size` bytes: the bytes above it become data, unless they are zero or (privileged) uninitialised. */
function spillTypes(env: Env, types: number, size: number): number {
  if (size === 8) return allBytes(SPILL)
  for (let i = 7; i >= 0; i--) {
    if (i > 7 - size) types = withByte(types, i, SPILL)
    else {
      const type = byteType(types, i)
      if (type === ZERO || (env.allowPtrLeaks && type === INVALID)) continue
      types = withByte(types, i, MISC)
    }
  }
  return types
}

/** Spill, dynptr, iterator or interrupt flag. */
export function isSpecial(types: number): boolean {
  const type = byteType(types, 7)
  return type === SPILL || type >= DYNPTR
}

export function scrub(types: number): number {
  for (let i = 0; i < 8; i++) if (byteType(types, i) !== INVALID) types = withByte(types, i, MISC)
  return types
}

function writeVariable(
  env: Env,
  frame: Frame,
  pointer: Reg,
  offset: number,
  size: number,
  value: number,
  imm: number | undefined,
): void {
  const min = toNumber(pointer.s.sminL, pointer.s.sminH) + offset
  const max = toNumber(pointer.s.smaxL, pointer.s.smaxH) + offset + size
  const reg = value >= 0 ? env.state.frame.regs[value]! : undefined
  const writesZero = reg ? isNullScalar(reg) : imm === 0
  let zeroUsed = false
  for (let at = min; at < max; at++) destroyDynptr(env, frame, spiOf(at))
  checkFastcall(env, frame, env.insnIdx, min)
  for (let at = min; at < max; at++) {
    const spi = spiOf(at)
    const slot = frame.stack[spi]!
    const type = byteType(slot.types, byteOf(at))
    env.scratchSlot(spi)
    if (!env.allowPtrLeaks && type !== MISC && type !== ZERO) {
      env.print(`spilled ptr in range of var-offset stack write; insn ${env.insnIdx}, ptr off: ${at}`)
      env.fail('EINVAL')
    }
    if (writesZero && type === SPILL && isSpilledScalar(slot) && isNullScalar(slot.reg)) {
      zeroUsed = true
      continue
    }
    let now = MISC
    if (writesZero && type === ZERO) {
      now = ZERO
      zeroUsed = true
    }
    if (type === INVALID && !env.allowUninitStack) {
      env.print(`uninit stack in range of var-offset write prohibited for !root; insn ${env.insnIdx}, off: ${at}`)
      env.fail('EINVAL')
    }
    setSlot(frame, spi, withByte(slot.types, byteOf(at), now), UNSET)
  }
  if (zeroUsed && value >= 0) markPrecise(env, value)
}

/**
 * Memory on the stack that a helper reads (all of it initialised) or writes. In raw mode (`meta.rawMode`) it need not be initialised:
 * the call marks it as written afterwards.
 */
export function checkRangeInitialized(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  zeroAllowed: boolean,
  type: AccessType,
  meta: HelperMeta | undefined,
): void {
  const reg = env.state.frame.regs[regno]!
  const frame = frameOf(env, reg)
  if (size === 0 && !zeroAllowed) env.fail('EACCES', 'invalid zero-sized read')
  checkStackBounds(env, regno, offset, size, type)
  const constant = S.isConst(reg.s)
  let min: number
  let max: number
  if (constant) min = max = toNumber(reg.s.tnum.vL, reg.s.tnum.vH) + offset
  else {
    if (!env.bypassSpecV1)
      env.fail(
        'EACCES',
        `R${regno} variable offset stack access prohibited for !root, var_off=${formatTnum(reg.s.tnum)}`,
      )
    meta = undefined
    min = toNumber(reg.s.sminL, reg.s.sminH) + offset
    max = toNumber(reg.s.smaxL, reg.s.smaxH) + offset
  }
  if (meta?.rawMode) {
    for (let at = min; at < max + size; at++) {
      const slot = frame.stack[spiOf(at)]
      if (slot && byteType(slot.types, byteOf(at)) === DYNPTR)
        env.fail('EACCES', `potential write to dynptr at off=${at} disallowed`)
    }
    meta.accessSize = size
    meta.regno = regno
    return
  }
  for (let at = min; at < max + size; at++) {
    const spi = spiOf(at)
    const slot = frame.stack[spi]
    if (!slot) env.fail('EFAULT', 'allocated_stack too small')
    const byte = byteType(slot.types, byteOf(at))
    if (byte === MISC) {
      env.live.read(frame.frameno, env.insnIdx, spi)
      continue
    }
    if (byte === ZERO || (byte === INVALID && env.allowUninitStack)) {
      if (type === 'write') setSlot(frame, spi, withByte(slot.types, byteOf(at), MISC), slot.reg)
    } else if (isSpilled(slot) && (slot.reg.type === SCALAR || env.allowPtrLeaks)) {
      if (type === 'write') setSlot(frame, spi, scrub(slot.types), scalarReg(S.ANY))
    } else if (constant) env.fail('EACCES', `invalid read from stack R${regno} off ${min}+${at - min} size ${size}`)
    else
      env.fail('EACCES', `invalid read from stack R${regno} var_off ${formatTnum(reg.s.tnum)}+${at - min} size ${size}`)
    env.live.read(frame.frameno, env.insnIdx, spi)
  }
}
