// Kernel objects that live in stack slots: dynptrs (two slots), open-coded iterators, interrupt flags.

import type { Env } from '../env.ts'
import { BASE_MASK, DYNPTR_PTR, MAYBE_NULL, MEM, Reg, type SlotObject, STACK } from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber } from '../scalar/words.ts'
import { allBytes, byteType, DYNPTR, EMPTY_SLOT, type Frame, IRQ, ITER } from '../state.ts'
import { acquireRef, invalid, mapRegs, releaseRef } from './refs.ts'
import { readAlive } from './spans.ts'

const OUT_OF_RANGE = -1
const BAD_PLACE = -2

/** First slot of an object of `count` slots that `reg` points to; OUT_OF_RANGE beyond the stack in use, BAD_PLACE (logged) elsewhere. */
export function objectSlot(env: Env, reg: Reg, what: string, count: number): number {
  if (!S.isConst(reg.s)) {
    env.print(`${what} has to be at a constant offset\n`)
    return BAD_PLACE
  }
  const offset = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  const spi = Math.floor((-offset - 1) / 8)
  if (offset % 8 || spi + 1 < count) {
    env.print(`cannot pass in ${what} at an offset=${offset}\n`)
    return BAD_PLACE
  }
  return spi < env.state.frames[reg.n]!.stack.length ? spi : OUT_OF_RANGE
}

const isRefcounted = (kind: SlotObject['dynptr']): boolean => kind === 'ringbuf'

// ---- Dynptrs ----

/** A write into one of a dynptr's slots destroys it whole. */
export function destroyDynptr(env: Env, frame: Frame, spi: number): void {
  const slot = frame.stack[spi]
  if (!slot || byteType(slot.types, 0) !== DYNPTR) return
  if (!slot.reg.object?.first) spi++
  const main = frame.stack[spi]!.reg
  if (isRefcounted(main.object?.dynptr)) env.fail('EINVAL', 'cannot overwrite referenced dynptr')
  env.scratchSlot(spi)
  env.scratchSlot(spi - 1)
  frame.stack[spi] = EMPTY_SLOT
  frame.stack[spi - 1] = EMPTY_SLOT
  dropSlices(env, main.id)
  env.live.write(frame.frameno, spi)
  env.live.write(frame.frameno, spi - 1)
}

/** Memory obtained from a dynptr goes with it. */
export function dropSlices(env: Env, dynptrId: number): void {
  mapRegs(env.state, (reg) =>
    (reg.type & BASE_MASK) === MEM && (reg.type & ~(BASE_MASK | MAYBE_NULL)) === 0 && reg.dynptrId === dynptrId
      ? invalid(env)
      : reg,
  )
}

function invalidate(env: Env, frame: Frame, spi: number): void {
  frame.stack[spi] = EMPTY_SLOT
  frame.stack[spi - 1] = EMPTY_SLOT
  env.live.write(frame.frameno, spi)
  env.live.write(frame.frameno, spi - 1)
}

export function createDynptr(
  env: Env,
  reg: Reg,
  dynptr: NonNullable<SlotObject['dynptr']>,
  insn: number,
  cloneRefId: number,
  rdonly: boolean,
): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'dynptr', 2)
  if (spi < 0) env.fail('EINVAL')
  destroyDynptr(env, frame, spi)
  destroyDynptr(env, frame, spi - 1)
  const id = env.newId()
  const refId = isRefcounted(dynptr) ? cloneRefId || acquireRef(env, insn) : 0
  for (const [at, first] of [
    [spi, true],
    [spi - 1, false],
  ] as const) {
    const main = new Reg()
    main.type = DYNPTR_PTR
    main.s = S.KNOWN_ZERO
    main.id = id
    main.refId = refId
    main.object = { kind: 'dynptr', dynptr, first, rdonly }
    frame.stack[at] = { types: allBytes(DYNPTR), reg: main }
    env.live.write(frame.frameno, at)
    env.scratchSlot(at)
  }
}

/** The dynptr is submitted or discarded: it, its clones and its slices are gone. */
export function destroyReleasedDynptr(env: Env, reg: Reg): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'dynptr', 2)
  const main = frame.stack[spi]!.reg
  if (!isRefcounted(main.object?.dynptr)) {
    invalidate(env, frame, spi)
    return
  }
  const { refId } = main
  releaseRef(env, refId)
  for (let i = 1; i < frame.stack.length; i++) {
    const slot = frame.stack[i]!
    if (byteType(slot.types, 0) !== DYNPTR || slot.reg.refId !== refId || !slot.reg.object?.first) continue
    invalidate(env, frame, i)
  }
}

export function canHoldDynptr(env: Env, reg: Reg): boolean {
  if ((reg.type & BASE_MASK) === DYNPTR_PTR) return false
  return objectSlot(env, reg, 'dynptr', 2) !== BAD_PLACE
}

export function isDynptr(env: Env, reg: Reg): boolean {
  if ((reg.type & BASE_MASK) === DYNPTR_PTR) return true
  const spi = objectSlot(env, reg, 'dynptr', 2)
  if (spi < 0) return false
  const { stack } = env.state.frames[reg.n]!
  const dynptr = allBytes(DYNPTR)
  return stack[spi]!.types === dynptr && stack[spi - 1]!.types === dynptr && stack[spi]!.reg.object?.first === true
}

/** The main slot's register, or the register itself when it is a pointer to a dynptr. */
export function dynptrOf(env: Env, reg: Reg): Reg {
  if ((reg.type & BASE_MASK) === DYNPTR_PTR) return reg
  return env.state.frames[reg.n]!.stack[objectSlot(env, reg, 'dynptr', 2)]!.reg
}

export function markDynptrRead(env: Env, reg: Reg): void {
  if (reg.type !== STACK) return
  readAlive(env, env.state.frames[reg.n]!, objectSlot(env, reg, 'dynptr', 2), 2)
}

// ---- Iterators ----

export function isUninitIter(env: Env, reg: Reg, count: number): boolean {
  const spi = objectSlot(env, reg, 'iter', count)
  if (spi < 0) return spi === OUT_OF_RANGE
  const { stack } = env.state.frames[reg.n]!
  for (let i = 0; i < count; i++) {
    const { types } = stack[spi - i]!
    for (let j = 0; j < 8; j++) if (byteType(types, j) === ITER) return false
  }
  return true
}

export function createIter(
  env: Env,
  reg: Reg,
  object: Omit<SlotObject, 'kind' | 'first'>,
  insn: number,
  count: number,
  flags: number,
): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'iter', count)
  const id = acquireRef(env, insn)
  for (let i = 0; i < count; i++) {
    const slot = new Reg()
    slot.type = STACK | flags
    slot.s = S.KNOWN_ZERO
    slot.refId = i === 0 ? id : 0
    slot.object = { ...object, kind: 'iter', first: i === 0 }
    frame.stack[spi - i] = { types: allBytes(ITER), reg: slot }
    env.live.write(frame.frameno, spi - i)
    env.scratchSlot(spi - i)
  }
}

/** 0: an iterator of that type; EPROTO: it belongs to an RCU section that ended; EINVAL: none. */
export function iterProblem(env: Env, reg: Reg, name: string, count: number): 'EINVAL' | 'EPROTO' | undefined {
  const spi = objectSlot(env, reg, 'iter', count)
  if (spi < 0) return 'EINVAL'
  const { stack } = env.state.frames[reg.n]!
  for (let i = 0; i < count; i++) {
    const slot = stack[spi - i]!
    if (slot.reg.object?.kind === 'iter' && slot.reg.type & (1 << 11)) return 'EPROTO'
    if (i === 0 && slot.reg.refId === 0) return 'EINVAL'
    if (i !== 0 && slot.reg.refId !== 0) return 'EINVAL'
    if (slot.reg.object?.kind !== 'iter' || slot.reg.object.iterName !== name) return 'EINVAL'
    if (slot.types !== allBytes(ITER)) return 'EINVAL'
  }
  return undefined
}

export function destroyIter(env: Env, reg: Reg, count: number): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'iter', count)
  releaseRef(env, frame.stack[spi]!.reg.refId)
  for (let i = 0; i < count; i++) {
    frame.stack[spi - i] = EMPTY_SLOT
    env.live.write(frame.frameno, spi - i)
    env.scratchSlot(spi - i)
  }
}

export function markIterRead(env: Env, reg: Reg, spi: number, count: number): void {
  readAlive(env, env.state.frames[reg.n]!, spi, count)
}

// ---- Interrupt flags ----

export function createIrqFlag(env: Env, reg: Reg, insn: number, irqLock: boolean): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'irq_flag', 1)
  const id = env.newId()
  env.state.refs = [...env.state.refs, { kind: 'irq', id, insn }]
  env.state.irqId = id
  const slot = new Reg()
  slot.type = STACK
  slot.s = S.KNOWN_ZERO
  slot.refId = id
  slot.object = { kind: 'irq', first: true, irqLock }
  frame.stack[spi] = { types: allBytes(IRQ), reg: slot }
  env.live.write(frame.frameno, spi)
  env.scratchSlot(spi)
}

export function isIrqUninit(env: Env, reg: Reg): boolean {
  const spi = objectSlot(env, reg, 'irq_flag', 1)
  if (spi < 0) return spi === OUT_OF_RANGE
  const { types } = env.state.frames[reg.n]!.stack[spi]!
  for (let j = 0; j < 8; j++) if (byteType(types, j) === IRQ) return false
  return true
}

export function isIrqInit(env: Env, reg: Reg): boolean {
  const spi = objectSlot(env, reg, 'irq_flag', 1)
  if (spi < 0) return false
  const slot = env.state.frames[reg.n]!.stack[spi]!
  return slot.types === allBytes(IRQ) && slot.reg.refId !== 0
}

export function restoreIrqFlag(env: Env, reg: Reg, irqLock: boolean): void {
  const frame = env.state.frames[reg.n]!
  const spi = objectSlot(env, reg, 'irq_flag', 1)
  const slot = frame.stack[spi]!
  if ((slot.reg.object?.irqLock ?? false) !== irqLock) {
    const flag = slot.reg.object?.irqLock ? 'lock' : 'native'
    const used = irqLock ? 'lock' : 'native'
    env.fail('EINVAL', `irq flag acquired by ${flag} kfuncs cannot be restored with ${used} kfuncs`)
  }
  const { state } = env
  const id = slot.reg.refId
  if (id !== state.irqId) {
    let insn = -1
    for (const ref of state.refs) if (ref.id === state.irqId) insn = ref.insn
    env.fail('EACCES', `cannot restore irq state out of order, expected id=${state.irqId} acquired at insn_idx=${insn}`)
  }
  state.refs = state.refs.filter((ref) => !(ref.kind === 'irq' && ref.id === id))
  let previous = 0
  for (const ref of state.refs) if (ref.kind === 'irq') previous = ref.id
  state.irqId = previous
  frame.stack[spi] = EMPTY_SLOT
  env.live.write(frame.frameno, spi)
  env.scratchSlot(spi)
}
