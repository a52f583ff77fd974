// Spectre v1: without CAP_PERFMON, arithmetic on pointers is masked to what was proved of its offset, and the paths that only
// speculation takes are walked as well. What cannot be masked is refused, in the words of Linux 6.12 (later kernels put a barrier
// there instead).

import type { Insn } from '../isa/insn.ts'
import { SRC_X } from '../isa/opcodes.ts'
import type { Env } from './env.ts'
import { pushBranch } from './paths.ts'
import { MAP_VALUE, type Reg, STACK, unknownScalar } from './reg.ts'
import { isConst } from './scalar/scalar.ts'
import { toNumber, toUnsigned } from './scalar/words.ts'

/** How an instruction is masked; two paths must agree on it. */
const NON_POINTER = 1
const SANITIZE_SRC = 2
const SANITIZE_DST = 4
const NEGATIVE = 8
const IMMEDIATE = 16

const STACK_BYTES = 512

type Reason = 'bounds' | 'type' | 'paths' | 'limit'

/** What the first of the two checks of an instruction found, for the second. */
export interface Masking {
  state: number
  limit: number
  maskLeft: boolean
}

const isSub = (insn: Insn): boolean => (insn.code & 0xf0) === 0x10
/** Only additions and subtractions of registers are masked. */
const isMasked = (env: Env, insn: Insn): boolean =>
  !env.bypassSpecV1 && (insn.code & 0xe0) === 0 && (insn.code & SRC_X) !== 0

function refuse(env: Env, insn: Insn, reason: Reason, offsetIsDst: boolean): never {
  const op = isSub(insn) ? 'sub' : 'add'
  const { dst, src } = insn
  const words: Record<Reason, string> = {
    bounds: `R${offsetIsDst ? dst : src} has unknown scalar with mixed signed bounds`,
    type: `R${offsetIsDst ? src : dst} has pointer with unsupported alu operation`,
    paths: `R${dst} tried to ${op} from different maps, paths or scalars`,
    limit: `R${dst} tried to ${op} beyond pointer bounds`,
  }
  env.fail('EACCES', `${words[reason]}, pointer arithmetic with it prohibited for !root`)
}

function agree(env: Env, insn: Insn, state: number, limit: number): void {
  const known = env.aluStates.get(env.insnIdx)
  if (known && (known.state !== state || known.limit !== limit)) refuse(env, insn, 'paths', false)
  env.aluStates.set(env.insnIdx, { state, limit })
}

/** An operation on two scalars. */
export function sanitizeScalar(env: Env, insn: Insn): void {
  if (isMasked(env, insn)) agree(env, insn, NON_POINTER, 0)
}

/** Bytes that the pointer may move in the direction of the mask. */
function limitOf(pointer: Reg, maskLeft: boolean): number | Reason {
  let limit: number
  let max: number
  if (pointer.type === STACK) {
    max = STACK_BYTES + (maskLeft ? 1 : 0)
    limit = -(toNumber(pointer.s.tnum.vL, pointer.s.tnum.vH) + pointer.off)
  } else if (pointer.type === MAP_VALUE) {
    const { s } = pointer
    max = pointer.map!.valueSize
    limit = (maskLeft ? toNumber(s.sminL, s.sminH) : toUnsigned(s.umaxL, s.umaxH)) + pointer.off
  } else return 'type'
  return limit < 0 || limit >= max ? 'limit' : limit
}

/** Before pointer += scalar is computed. Undefined where nothing is masked. */
export function beginPointerMask(env: Env, insn: Insn, pointer: Reg, offset: Reg): Masking | undefined {
  if (!isMasked(env, insn)) return undefined
  const { regs } = env.state.frame
  const offsetIsDst = regs[insn.dst] === offset
  const immediate = isConst(offset.s)
  const negative = offset.s.sminH < 0
  const masking: Masking = { state: 0, limit: 0, maskLeft: negative !== isSub(insn) }
  if (!env.state.speculative) {
    if (!immediate && negative !== offset.s.smaxH < 0) refuse(env, insn, 'bounds', offsetIsDst)
    const limit = limitOf(pointer, masking.maskLeft)
    if (typeof limit !== 'number') refuse(env, insn, limit, offsetIsDst)
    masking.limit = limit
    masking.state =
      (negative ? NEGATIVE : 0) | (immediate ? IMMEDIATE : 0) | (offsetIsDst ? SANITIZE_DST : SANITIZE_SRC)
    if (!immediate) env.exploreAluLimits = true
  }
  if (immediate) return masking
  // Speculation may see the offset masked to nothing: walk on with the pointer as it was.
  const kept = regs[insn.dst]!
  if (offsetIsDst) regs[insn.dst] = pointer
  pushBranch(env, env.insnIdx + 1, env.insnIdx, true)
  regs[insn.dst] = kept
  return masking
}

/** After it: the mask is as wide as the pointer was seen to move. */
export function commitPointerMask(env: Env, insn: Insn, moved: Reg, masking: Masking | undefined): void {
  if (!masking || env.state.speculative) return
  const limit = limitOf(moved, masking.maskLeft)
  if (typeof limit !== 'number') refuse(env, insn, limit, false)
  agree(env, insn, masking.state, Math.abs(masking.limit - limit))
}

/** The way that a decided jump does not take is walked too, as speculation may take it. */
export function walkMispredicted(env: Env, insn: Insn, next: number): void {
  if (env.bypassSpecV1) return
  const { regs } = pushBranch(env, next, env.insnIdx, true).frame
  regs[insn.dst] = unknownScalar()
  if (insn.code & SRC_X) regs[insn.src] = unknownScalar()
}
