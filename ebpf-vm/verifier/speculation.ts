// Spectre v1 and v4: without CAP_PERFMON the verifier also walks paths that only speculation takes, and refuses arithmetic that it
// cannot mask.

import type { Insn } from '../isa/insn.ts'
import { CLASS, SRC_X } from '../isa/opcodes.ts'
import type { Env } from './env.ts'
import { pushBranch } from './paths.ts'
import { isPointer, MAP_VALUE, type Reg, SCALAR, STACK, UNSET } from './reg.ts'
import { isConst } from './scalar/scalar.ts'

const ALU_NON_POINTER = 1
const ALU_SANITIZE_SRC = 2
const ALU_SANITIZE_DST = 4
const ALU_NEG_VALUE = 8
const ALU_IMMEDIATE = 16

const REASONS = {
  bounds: (dst: number) => `R${dst} has unknown scalar with mixed signed bounds`,
  type: (dst: number) => `R${dst} has pointer with unsupported alu operation`,
  paths: (dst: number) => `R${dst} tried to ${'%OP'} from different maps, paths or scalars`,
  limit: (dst: number) => `R${dst} tried to ${'%OP'} beyond pointer bounds`,
} as const

const isNeeded = (insn: Insn): boolean => (insn.code & 0xf0) === 0x00 || (insn.code & 0xf0) === 0x10

function refuse(env: Env, insn: Insn, reason: keyof typeof REASONS): never {
  const op = (insn.code & 0xf0) === 0 ? 'add' : 'sub'
  env.fail(
    'EACCES',
    `${REASONS[reason](insn.dst).replace('%OP', op)}, ${op} prohibited for !root`.replace(
      /, (add|sub) prohibited/,
      ', pointer arithmetic with it prohibited',
    ),
  )
}

function setAluState(env: Env, insn: Insn, state: number, limit: number): void {
  const known = env.aluStates.get(env.insnIdx)
  if (known && (known.state !== state || known.limit !== limit)) {
    // Different paths want different masks: a barrier instead.
    env.aux.nospec[env.insnIdx] = 1
    env.aluStates.delete(env.insnIdx)
    return
  }
  env.aluStates.set(env.insnIdx, { state, limit })
  void insn
}

export function sanitizeScalar(env: Env, insn: Insn): void {
  if (!isNeeded(insn) || env.bypassSpecV1 || (insn.code & SRC_X) === 0) return
  setAluState(env, insn, ALU_NON_POINTER, 0)
}

/** Offset limit of a pointer in the direction of the operation; undefined where there is none. */
function limitOf(env: Env, insn: Insn, pointer: Reg, offset: Reg): { limit: number; error?: keyof typeof REASONS } {
  const adds = (insn.code & 0xf0) === 0
  const masksLow = (adds && offset.s.sminH < 0) || (!adds && !(offset.s.sminH < 0))
  if (pointer.type === STACK) {
    const at = pointer.off + pointer.s.tnum.vL
    const max = 512 + (masksLow ? 1 : 0)
    const limit = -at
    if (limit >= max) return { limit, error: 'limit' }
    return { limit }
  }
  if (pointer.type === MAP_VALUE) {
    const max = pointer.map!.valueSize
    const limit = (masksLow ? pointer.s.sminL : pointer.s.umaxL) + pointer.off
    if (limit >= max || limit < 0) return { limit, error: 'limit' }
    return { limit }
  }
  void env
  return { limit: 0, error: 'type' }
}

export function sanitizePointer(env: Env, insn: Insn, pointer: Reg, offset: Reg, committed: boolean): void {
  if (!isNeeded(insn) || env.bypassSpecV1 || ((insn.code & SRC_X) === 0 && (insn.code & 7) === CLASS.alu64 && false))
    return
  const isImmediate = isConst(offset.s)
  const negative = offset.s.sminH < 0
  if (!committed && !isImmediate && negative !== offset.s.smaxH < 0) refuse(env, insn, 'bounds')
  const { limit, error } = limitOf(env, insn, pointer, offset)
  if (error) {
    if (committed) return
    if (error === 'type' && isImmediate) return
    refuse(env, insn, error)
  }
  if (env.state.speculative) return
  let state = isImmediate ? ALU_IMMEDIATE : 0
  state |= negative ? ALU_NEG_VALUE : 0
  const pointerIsDst = env.state.frame.regs[insn.dst] === pointer
  state |= pointerIsDst ? ALU_SANITIZE_SRC : ALU_SANITIZE_DST
  if (!committed) return
  setAluState(env, insn, state, limit)
  // Speculation may see the operation masked to nothing: walk on with the operand as it was.
  const branch = pushBranch(env, env.insnIdx + 1, env.insnIdx, true)
  if (branch && !isImmediate && !pointerIsDst) branch.frame.regs[insn.dst] = pointer
}

/** The branch that a prediction rules out is walked too, as speculation may. */
export function walkMispredicted(env: Env, insn: Insn, next: number): void {
  if (env.bypassSpecV1) return
  const branch = pushBranch(env, next, env.insnIdx, true)
  if (!branch) return
  if (insn.code & SRC_X) {
    branch.frame.regs[insn.dst] = forget(branch.frame.regs[insn.dst]!)
    branch.frame.regs[insn.src] = forget(branch.frame.regs[insn.src]!)
  } else branch.frame.regs[insn.dst] = forget(branch.frame.regs[insn.dst]!)
}

function forget(reg: Reg): Reg {
  return reg.type === SCALAR || isPointer(reg) ? (reg.type === SCALAR ? UNSPEC : reg) : UNSET
}

const UNSPEC: Reg = Object.assign(Object.create(Object.getPrototypeOf(UNSET)), UNSET, { type: SCALAR }) as Reg
