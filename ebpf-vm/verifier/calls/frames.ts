// Calls between BPF functions: entering a frame, leaving it, and what stays in the caller's registers.

import type { Insn } from '../../isa/insn.ts'
import { MAX_CALL_FRAMES } from '../../isa/opcodes.ts'
import type { Env } from '../env.ts'
import { widenImprecise } from '../loops.ts'
import { markPrecise } from '../precision.ts'
import { Reg, SCALAR, STACK, scalarReg, UNSET } from '../reg.ts'
import { clearPacketPointers } from '../resources/refs.ts'
import * as S from '../scalar/scalar.ts'
import { INT_MAX, INT_MIN, signedDecimal, slt } from '../scalar/words.ts'
import { Frame, type RetRange, type State } from '../state.ts'
import { checkSubprogArgs } from './global.ts'

/** r0 to r5 do not survive a call. */
export function clearCallerSaved(env: Env, frame: Frame): void {
  for (let i = 0; i <= 5; i++) {
    frame.regs[i] = UNSET
    env.scratchReg(i)
  }
}

/** r10 of a frame. */
export function framePointer(frameno: number): Reg {
  const reg = new Reg()
  reg.type = STACK
  reg.s = S.KNOWN_ZERO
  reg.n = frameno
  return reg
}

/** Push a frame for `subprog`; `fill` sets its arguments. */
export function enterFrame(
  env: Env,
  state: State,
  subprog: number,
  callsite: number,
  fill: (caller: Frame, callee: Frame) => void,
): void {
  const depth = state.frames.length
  if (depth >= MAX_CALL_FRAMES) env.fail('E2BIG', `the call stack of ${depth + 1} frames is too deep`)
  const callee = new Frame(callsite, depth, subprog)
  callee.regs[10] = framePointer(depth)
  env.scratchAll()
  fill(state.frame, callee)
  state.frames.push(callee)
}

/** A call of a static function continues in it; a global one was or will be checked by itself. */
export function callSubprog(env: Env, insn: Insn): void {
  const at = env.insnIdx
  const index = env.findSubprog(at + insn.imm + 1)
  if (index < 0) env.fail('EFAULT', `verifier bug: no program starts at insn ${at + insn.imm + 1}`)
  const subprog = env.subprogs[index]!
  const caller = env.state.frame
  if (subprog.isGlobal) {
    if (env.state.activeLocks)
      env.fail('EINVAL', 'global function calls are not allowed while holding a lock,\nuse static function instead')
    if (subprog.mightSleep && !mayBlock(env))
      env.fail(
        'EINVAL',
        'global functions that may sleep are not allowed in non-sleepable context,\ni.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context',
      )
    checkSubprogArgs(env, index)
    if (env.log.insns) env.print(`Func#${index} ('${subprog.name}') is global and assumed valid.\n`)
    if (subprog.changesPacket) clearPacketPointers(env)
    subprog.called = true
    clearCallerSaved(env, caller)
    caller.regs[0] = scalarReg(S.ANY)
    env.insnIdx = at + 1
    return
  }
  enterFrame(env, env.state, index, at, (from, callee) => {
    for (let i = 1; i <= 5; i++) callee.regs[i] = from.regs[i]!
  })
  clearCallerSaved(env, caller)
  env.insnIdx = subprog.start
  env.live.resetChain()
  if (env.log.insns) {
    env.print('caller:\n')
    env.printState(env.state, caller.frameno, true)
    env.print('callee:\n')
    env.printState(env.state, env.state.curframe, true)
  }
}

/** Sleepable, and in no section that forbids it. */
export function mayBlock(env: Env): boolean {
  const { state } = env
  return state.inSleepable && !state.rcuLocks && !state.preemptLocks && !state.irqId
}

/** Whether a scalar lies within a range; `is32` looks at its low word. */
export function isWithin(range: RetRange, reg: Reg, is32: boolean): boolean {
  if (is32) return range.min <= reg.s.smin32 && reg.s.smax32 <= range.max
  const { s } = reg
  return !slt(s.sminL, s.sminH, range.min, range.min >> 31) && !slt(range.max, range.max >> 31, s.smaxL, s.smaxH)
}

export function printOutOfRange(env: Env, reg: Reg, range: RetRange, where: string, name: string): void {
  const { s } = reg
  let text = `${where} the register ${name} has`
  let unknown = true
  if (!(s.sminL === 0 && s.sminH === INT_MIN)) {
    text += ` smin=${signedDecimal(s.sminL, s.sminH)}`
    unknown = false
  }
  if (!(s.smaxL === -1 && s.smaxH === INT_MAX)) {
    text += ` smax=${signedDecimal(s.smaxL, s.smaxH)}`
    unknown = false
  }
  if (unknown) text += ' unknown scalar value'
  env.print(`${text} should have been in [${range.min}, ${range.max}]\n`)
}

/** Return from a function or a callback; env.insnIdx becomes where the caller goes on. */
export function leaveFrame(env: Env): void {
  env.live.update()
  const { state } = env
  const callee = state.frame
  const r0 = callee.regs[0]!
  if (r0.type === STACK) env.fail('EINVAL', 'cannot return stack pointer to the caller')
  const caller = state.frames[state.frames.length - 2]!
  if (callee.inCallback) {
    if (r0.type !== SCALAR) env.fail('EACCES', 'R0 not a scalar value')
    markPrecise(env, 0)
    const range = callee.callbackRange ?? { min: 0, max: 0 }
    if (!isWithin(range, callee.regs[0]!, false)) {
      printOutOfRange(env, callee.regs[0]!, range, 'At callback return', 'R0')
      env.fail('EINVAL')
    }
  } else caller.regs[0] = r0
  env.insnIdx = callee.inCallback ? callee.callsite : callee.callsite + 1
  if (env.log.insns) {
    env.print('returning from callee:\n')
    env.printState(state, callee.frameno, true)
    env.print(`to caller at ${env.insnIdx}:\n`)
    env.printState(state, caller.frameno, true)
  }
  state.frames.pop()
  env.live.resetChain()
  if (!callee.inCallback) return
  // Go back to the call: it decides whether the callback runs once more.
  let previous: State | undefined = state.parent
  while (previous && !isSameEntry(previous, state, env.insnIdx)) previous = previous.parent
  if (previous) widenImprecise(previous, state)
}

function isSameEntry(a: State, now: State, insn: number): boolean {
  return (
    a.insnIdx === insn &&
    a.frames.length === now.frames.length &&
    a.frames.every((frame, i) => frame.callsite === now.frames[i]!.callsite)
  )
}
