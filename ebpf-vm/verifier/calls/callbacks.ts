// Functions that helpers call back: with which registers they start, and how often they are walked.

import type { MapFacts } from '../../program.ts'
import type { Env } from '../env.ts'
import { pushBranch } from '../paths.ts'
import { BTF_PTR, DYNPTR_PTR, MAP_KEY, MAP_PTR, MAP_VALUE, Reg, scalarReg, UNSET } from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { Frame, type RetRange, type State } from '../state.ts'
import { enterFrame, framePointer } from './frames.ts'

type Fill = (caller: Frame, callee: Frame) => void

const ZERO_RANGE: RetRange = { min: 0, max: 0 }
const BOOL_RANGE: RetRange = { min: 0, max: 1 }

function mapReg(type: number, map: MapFacts, uid: number): Reg {
  const reg = new Reg()
  reg.type = type
  reg.s = S.KNOWN_ZERO
  reg.map = map
  reg.mapUid = uid
  return reg
}

const clear = (callee: Frame, from: number): void => {
  for (let i = from; i <= 5; i++) callee.regs[i] = UNSET
}

/** bpf_for_each_map_elem(map, callback, ctx): callback(map, key, value, ctx) */
export function forEachMapElem(): Fill {
  return (caller, callee) => {
    const { map } = caller.regs[1]!
    callee.regs[1] = mapReg(MAP_PTR, map!, 0)
    callee.regs[2] = mapReg(MAP_KEY, map!, 0)
    callee.regs[3] = mapReg(MAP_VALUE, map!, 0)
    callee.regs[4] = caller.regs[3]!
    clear(callee, 5)
    callee.inCallback = true
    callee.callbackRange = BOOL_RANGE
  }
}

/** bpf_loop(count, callback, ctx): callback(index, ctx) */
export function loop(): Fill {
  return (caller, callee) => {
    callee.regs[1] = scalarReg(S.ANY)
    callee.regs[2] = caller.regs[3]!
    clear(callee, 3)
    callee.inCallback = true
    callee.callbackRange = BOOL_RANGE
  }
}

/** bpf_find_vma(task, address, callback, ctx): callback(task, vma, ctx) */
export function findVma(env: Env): Fill {
  return (caller, callee) => {
    callee.regs[1] = caller.regs[1]!
    const vma = new Reg()
    vma.type = BTF_PTR
    vma.s = S.KNOWN_ZERO
    vma.btf = env.facts.btf
    vma.btfId = env.facts.btf?.find('vm_area_struct', 'struct') ?? 0
    callee.regs[2] = vma
    callee.regs[3] = caller.regs[4]!
    clear(callee, 4)
    callee.inCallback = true
    callee.callbackRange = BOOL_RANGE
  }
}

/** bpf_user_ringbuf_drain(map, callback, ctx): callback(dynptr, ctx) */
export function userRingbufDrain(env: Env): Fill {
  return (caller, callee) => {
    const dynptr = new Reg()
    dynptr.type = DYNPTR_PTR
    dynptr.s = S.KNOWN_ZERO
    dynptr.id = env.newId()
    dynptr.object = { kind: 'dynptr', dynptr: 'local', first: true }
    callee.regs[1] = dynptr
    callee.regs[2] = caller.regs[3]!
    clear(callee, 3)
    callee.inCallback = true
    callee.callbackRange = BOOL_RANGE
  }
}

/** bpf_timer_set_callback(timer, callback), bpf_wq_set_callback: callback(map, key, value) */
export function timerCallback(): Fill {
  return (caller, callee) => {
    const { map } = caller.regs[1]!
    callee.regs[1] = mapReg(MAP_PTR, map!, 0)
    callee.regs[2] = mapReg(MAP_KEY, map!, 0)
    callee.regs[3] = mapReg(MAP_VALUE, map!, 0)
    clear(callee, 4)
    callee.inAsyncCallback = true
    callee.callbackRange = ZERO_RANGE
  }
}

/** A callback that the call runs before it returns: walk it, and the path on which it does not run (again). */
export function pushCallback(env: Env, subprog: number, fill: Fill): void {
  const target = env.subprogs[subprog]!
  target.isCallback = true
  const at = env.insnIdx
  const state = pushBranch(env, target.start, at, false)
  enterFrame(env, state, subprog, at, fill)
  state.callbackUnrollDepth++
  state.frames[state.frames.length - 2]!.callbackDepth++
  env.state.frame.callbackDepth = 0
}

/** A callback that runs some time later: a path of its own, with an empty stack. */
export function pushAsyncCallback(env: Env, subprog: number, sleepable: boolean, fill: Fill): void {
  const target = env.subprogs[subprog]!
  target.isCallback = true
  target.isAsyncCallback = true
  const state = pushAsync(env, target.start, env.insnIdx, subprog, sleepable)
  const callee = state.frame
  callee.asyncEntry = env.state.frame.asyncEntry + 1
  fill(env.state.frame, callee)
}

function pushAsync(env: Env, insn: number, previous: number, subprog: number, sleepable: boolean): State {
  const state = pushBranch(env, insn, previous, false)
  // Only the queue's place is shared with the current path.
  if (state.parent) state.parent.branches--
  state.parent = undefined
  state.firstInsn = 0
  state.history = []
  state.refs = []
  state.activeLocks = 0
  state.lockId = 0
  state.lockPointer = undefined
  state.irqId = 0
  state.preemptLocks = 0
  state.rcuLocks = 0
  state.inSleepable = sleepable
  state.mayGotoDepth = 0
  state.callbackUnrollDepth = 0
  const frame = new Frame(-1, 0, subprog)
  frame.regs[10] = framePointer(0)
  state.frames = [frame]
  return state
}
