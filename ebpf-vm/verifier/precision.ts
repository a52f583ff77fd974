// Precision: a scalar's value matters for pruning only if a decision used it. When one does, walk back through the jump history to
// where the value came from, marking it precise in every remembered state on the way.

import { InternalError } from '../../base/errors.ts'
import { isHelperCall, isKfuncCall, isLocalCall } from '../isa/insn.ts'
import { ATOMIC, CLASS, JMP, MODE, SRC_X } from '../isa/opcodes.ts'
import type { Env } from './env.ts'
import { formatSlots } from './live-stack.ts'
import { isSyncCallbackInsn } from './lookup.ts'
import { copyReg, type Reg, SCALAR } from './reg.ts'
import { byteType, type HistoryEntry, SPILL, type State } from './state.ts'

const ARGS = 0x3e

/** Registers and slots that are wanted precise, per frame. */
class Backtrack {
  frame = 0
  readonly regs = new Int32Array(9)
  readonly slotsL = new Int32Array(9)
  readonly slotsH = new Int32Array(9)

  get isEmpty(): boolean {
    for (let i = 0; i <= this.frame; i++) if (this.regs[i]! | this.slotsL[i]! | this.slotsH[i]!) return false
    return true
  }

  clear(): void {
    this.regs.fill(0)
    this.slotsL.fill(0)
    this.slotsH.fill(0)
  }

  hasReg(n: number, frame: number = this.frame): boolean {
    return (this.regs[frame]! & (1 << n)) !== 0
  }

  setReg(n: number, frame: number = this.frame): void {
    this.regs[frame] = this.regs[frame]! | (1 << n)
  }

  clearReg(n: number, frame: number = this.frame): void {
    this.regs[frame] = this.regs[frame]! & ~(1 << n)
  }

  hasSlot(frame: number, spi: number): boolean {
    return ((spi < 32 ? this.slotsL[frame]! >>> spi : this.slotsH[frame]! >>> (spi - 32)) & 1) !== 0
  }

  setSlot(frame: number, spi: number): void {
    if (spi < 32) this.slotsL[frame] = this.slotsL[frame]! | (1 << spi)
    else this.slotsH[frame] = this.slotsH[frame]! | (1 << (spi - 32))
  }

  clearSlot(frame: number, spi: number): void {
    if (spi < 32) this.slotsL[frame] = this.slotsL[frame]! & ~(1 << spi)
    else this.slotsH[frame] = this.slotsH[frame]! & ~(1 << (spi - 32))
  }
}

/** Record how the current instruction was reached (and what it did); once per instruction. */
export function pushHistory(
  env: Env,
  state: State,
  access?: { frame: number; spi: number },
  linked?: readonly number[],
): void {
  const known = env.historyEntry
  if (known) {
    if (access) {
      known.stackAccess = true
      known.frame = access.frame
      known.spi = access.spi
    }
    known.linked = linked
    return
  }
  const entry: HistoryEntry = {
    insn: env.insnIdx,
    previous: env.prevInsnIdx,
    spi: access ? access.spi : -1,
    frame: access ? access.frame : 0,
    stackAccess: access !== undefined,
    linked,
  }
  state.history.push(entry)
  env.historyEntry = entry
}

export function forgetPrecision(state: State): void {
  for (const frame of state.frames) {
    for (let i = 0; i < 10; i++) {
      const reg = frame.regs[i]!
      if (reg.precise && reg.type === SCALAR) frame.regs[i] = imprecise(reg)
    }
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i]!
      if (slot.reg.precise && byteType(slot.types, 7) === SPILL)
        frame.stack[i] = { types: slot.types, reg: imprecise(slot.reg) }
    }
  }
}

function imprecise(reg: Reg): Reg {
  const r = copyReg(reg)
  r.precise = false
  return r
}

function precise(reg: Reg): Reg {
  const r = copyReg(reg)
  r.precise = true
  return r
}

/** All scalars of all parents: when the way back is lost. */
function markAllPrecise(env: Env, from: State): void {
  if (env.log.verbose) env.print(`mark_precise: frame${from.curframe}: falling back to forcing all scalars precise\n`)
  for (let state = from.parent; state; state = state.parent) {
    state.frames.forEach((frame, f) => {
      for (let j = 0; j < 10; j++) {
        const reg = frame.regs[j]!
        if (reg.type !== SCALAR || reg.precise) continue
        frame.regs[j] = precise(reg)
        if (env.log.verbose) env.print(`force_precise: frame${f}: forcing r${j} to be precise\n`)
      }
      for (let j = 0; j < frame.stack.length; j++) {
        const slot = frame.stack[j]!
        if (byteType(slot.types, 7) !== SPILL || slot.reg.type !== SCALAR || slot.reg.precise) continue
        frame.stack[j] = { types: slot.types, reg: precise(slot.reg) }
        if (env.log.verbose) env.print(`force_precise: frame${f}: forcing fp${-8 * (j + 1)} to be precise\n`)
      }
    })
  }
}

/** The value of register `regno` of the current frame decides something: mark its origin precise. */
export function markPrecise(env: Env, regno: number): void {
  if (!env.caps.bpf) return
  const bt = new Backtrack()
  bt.setReg(regno, env.state.curframe)
  walkBack(env, env.state, bt)
}

/** What is precise in `old` becomes precise where `now`, which equals it, came from. True when something changed. */
export function propagatePrecision(env: Env, old: State, now: State): boolean {
  const bt = new Backtrack()
  for (let f = old.curframe; f >= 0; f--) {
    const frame = old.frames[f]!
    const parts: string[] = []
    for (let i = 0; i < 10; i++) {
      const reg = frame.regs[i]!
      if (reg.type !== SCALAR || !reg.precise) continue
      bt.setReg(i, f)
      parts.push(`r${i}`)
    }
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i]!
      if (byteType(slot.types, 7) !== SPILL || slot.reg.type !== SCALAR || !slot.reg.precise) continue
      bt.setSlot(f, i)
      parts.push(`fp${-8 * (i + 1)}`)
    }
    if (parts.length && env.log.verbose) env.print(`frame ${f}: propagating ${parts.join(',')}\n`)
  }
  return walkBack(env, now, bt)
}

export function markAllScalarsPrecise(env: Env, state: State): void {
  markAllPrecise(env, state)
}

const formatRegs = (mask: number): string => {
  const parts: string[] = []
  for (let i = 0; i < 32; i++) if (mask & (1 << i)) parts.push(`r${i}`)
  return parts.join(',')
}

function walkBack(env: Env, start: State, bt: Backtrack): boolean {
  let changed = false
  let state: State = start
  let first = state.firstInsn
  let last = start === env.state ? env.insnIdx : start.insnIdx
  let subsequent = -1
  let skip = true
  bt.frame = start.curframe
  if (!env.caps.bpf || bt.isEmpty) return false
  for (;;) {
    let history = state.history.length
    if (env.log.verbose)
      env.print(`mark_precise: frame${bt.frame}: last_idx ${last} first_idx ${first} subseq_idx ${subsequent} \n`)
    if (last < 0) {
      // The entry of a global function: only its arguments can be wanted.
      const frame = state.frames[0]!
      for (let i = 0; i < 10; i++) {
        const reg = frame.regs[i]!
        if (!bt.hasReg(i) || reg.type !== SCALAR) continue
        frame.regs[i] = precise(reg)
        changed = true
      }
      return changed
    }
    for (let i = last; ; ) {
      if (skip) skip = false
      else {
        const entry = history > 0 && state.history[history - 1]!.insn === i ? state.history[history - 1] : undefined
        if (!backtrackInsn(env, i, subsequent, entry, bt)) {
          markAllPrecise(env, start)
          return true
        }
      }
      if (bt.isEmpty) return changed
      subsequent = i
      const atStart = i === state.firstInsn && (history === 0 || (history === 1 && state.history[0]!.insn === i))
      if (atStart) break
      if (history > 0 && state.history[history - 1]!.insn === i) i = state.history[--history]!.previous
      else i--
      if (i < 0) throw new InternalError('precision tracking walked past the first instruction')
    }
    const parent = state.parent
    if (!parent) break
    state = parent
    if (markParent(env, state, bt)) changed = true
    if (bt.isEmpty) return changed
    subsequent = first
    last = state.lastInsn
    first = state.firstInsn
  }
  if (!bt.isEmpty) {
    markAllPrecise(env, start)
    return true
  }
  return changed
}

function markParent(env: Env, state: State, bt: Backtrack): boolean {
  let changed = false
  for (let f = bt.frame; f >= 0; f--) {
    const frame = state.frames[f]!
    for (let i = 0; i < 11; i++) {
      if (!bt.hasReg(i, f)) continue
      const reg = frame.regs[i]!
      if (reg.type !== SCALAR || reg.precise) bt.clearReg(i, f)
      else {
        frame.regs[i] = precise(reg)
        changed = true
      }
    }
    for (let i = 0; i < 64; i++) {
      if (!bt.hasSlot(f, i)) continue
      const slot = frame.stack[i]
      if (!slot || byteType(slot.types, 7) !== SPILL || slot.reg.type !== SCALAR || slot.reg.precise) bt.clearSlot(f, i)
      else {
        frame.stack[i] = { types: slot.types, reg: precise(slot.reg) }
        changed = true
      }
    }
    if (env.log.verbose) {
      env.print(
        `mark_precise: frame${f}: parent state regs=${formatRegs(bt.regs[f]!)} stack=${formatSlots(bt.slotsL[f]!, bt.slotsH[f]!)}: `,
      )
      env.printState(state, f, true)
    }
  }
  return changed
}

function syncLinked(bt: Backtrack, entry: HistoryEntry | undefined): void {
  const linked = entry?.linked
  if (!linked) return
  let some = false
  for (let i = 0; i < linked.length; i += 2) {
    const where = linked[i + 1]!
    if (where >= 0 ? bt.hasReg(where, linked[i]!) : bt.hasSlot(linked[i]!, -1 - where)) some = true
  }
  if (!some) return
  for (let i = 0; i < linked.length; i += 2) {
    const where = linked[i + 1]!
    if (where >= 0) bt.setReg(where, linked[i]!)
    else bt.setSlot(linked[i]!, -1 - where)
  }
}

/** Undo one instruction in `bt`; false when that is not possible. */
function backtrackInsn(
  env: Env,
  at: number,
  subsequent: number,
  entry: HistoryEntry | undefined,
  bt: Backtrack,
): boolean {
  const insn = env.insns[at]!
  if (insn.code === 0) return true
  if (env.log.verbose)
    env.print(
      `mark_precise: frame${bt.frame}: regs=${formatRegs(bt.regs[bt.frame]!)} stack=${formatSlots(bt.slotsL[bt.frame]!, bt.slotsH[bt.frame]!)} before ${at}: ${env.insnText(at)}\n`,
    )
  syncLinked(bt, entry)
  const { code, dst, src } = insn
  const isX = (code & SRC_X) !== 0
  const op = code & 0xf0
  const mode = code & 0xe0
  const isLoadAcquire = (code & 7) === CLASS.stx && mode === MODE.atomic && insn.imm === ATOMIC.load_acquire.imm
  switch (isLoadAcquire ? CLASS.ldx : code & 7) {
    case CLASS.alu:
    case CLASS.alu64:
      if (!bt.hasReg(dst)) return true
      if (op === 0xd0 || op === 0x80) return true
      if (op === 0xb0) {
        bt.clearReg(dst)
        if (isX && src !== 10) bt.setReg(src)
      } else if (isX && src !== 10) bt.setReg(src)
      break
    case CLASS.ldx:
      if (!bt.hasReg(dst)) return true
      bt.clearReg(dst)
      if (!entry?.stackAccess) return true
      bt.setSlot(entry.frame, entry.spi)
      break
    case CLASS.stx:
    case CLASS.st:
      if (bt.hasReg(dst)) return false
      if (!entry?.stackAccess) return true
      if (!bt.hasSlot(entry.frame, entry.spi)) return true
      bt.clearSlot(entry.frame, entry.spi)
      if ((code & 7) === CLASS.stx) bt.setReg(src)
      break
    case CLASS.jmp:
    case CLASS.jmp32:
      if (op === JMP.call.code) return backtrackCall(env, at, subsequent, bt)
      if (op === JMP.exit.code) {
        if (subsequent >= 0 && env.aux.callsCallback[subsequent]) bt.regs[bt.frame] = bt.regs[bt.frame]! & ~ARGS
        const before = env.insns[subsequent - 1]
        const wantsR0 = before !== undefined && isLocalCall(before) && bt.hasReg(0)
        bt.clearReg(0)
        if (bt.frame >= 8) return false
        bt.frame++
        if (wantsR0) bt.setReg(0)
        return true
      }
      if (op === JMP.ja.code || op === JMP.jcond.code) break
      if (isX) {
        if (!bt.hasReg(dst) && !bt.hasReg(src)) return true
        bt.setReg(src)
        bt.setReg(dst)
      }
      break
    default:
      if (!bt.hasReg(dst)) return true
      bt.clearReg(dst)
      if (mode === MODE.ind || mode === MODE.abs) return false
  }
  syncLinked(bt, entry)
  return true
}

function backtrackCall(env: Env, at: number, subsequent: number, bt: Backtrack): boolean {
  const insn = env.insns[at]!
  if (isLocalCall(insn)) {
    const index = env.findSubprog(at + insn.imm + 1)
    if (env.subprogs[index]!.isGlobal) {
      bt.clearReg(0)
      return true
    }
    for (let i = 1; i <= 5; i++) {
      if (!bt.hasReg(i)) continue
      bt.clearReg(i)
      bt.setReg(i, bt.frame - 1)
    }
    return leave(bt)
  }
  if ((isHelperCall(insn) || isKfuncCall(insn)) && isSyncCallbackInsn(env, insn) && at !== subsequent - 1) {
    bt.regs[bt.frame] = bt.regs[bt.frame]! & ~ARGS
    return leave(bt)
  }
  if (isKfuncCall(insn) && insn.imm === 0) return false
  bt.clearReg(0)
  return true
}

function leave(bt: Backtrack): boolean {
  if (bt.frame === 0) return false
  bt.regs[bt.frame] = 0
  bt.slotsL[bt.frame] = 0
  bt.slotsH[bt.frame] = 0
  bt.frame--
  return true
}

/** The same for a spilled register. */
export function markPreciseSlot(env: Env, frame: number, spi: number): void {
  if (!env.caps.bpf) return
  const bt = new Backtrack()
  bt.setSlot(frame, spi)
  walkBack(env, env.state, bt)
}
