// One instruction in the current state.

import type { Insn } from '../isa/insn.ts'
import { ATOMIC, CALL, CLASS, JMP, MODE, PSEUDO, SIZE, SRC_X } from '../isa/opcodes.ts'
import { MAP_TYPE } from '../uapi.ts'
import { checkMemAccess, isSecret } from './access/mem.ts'
import { checkPtrOff } from './access/region.ts'
import { callSubprog, clearCallerSaved } from './calls/frames.ts'
import { callHelper } from './calls/helpers.ts'
import { spinAllowedKfunc } from './calls/kfunc-names.ts'
import { callKfunc } from './calls/kfuncs.ts'
import { checkAlu, checkInvariants } from './check-alu.ts'
import { checkJump } from './check-jump.ts'
import { readReg, writableReg } from './check-reg.ts'
import type { Env } from './env.ts'
import { checkLeaks, processExit } from './exit.ts'
import {
  ARENA,
  BASE_MASK,
  BTF_PTR,
  CTX,
  FLOW_KEYS,
  FUNC,
  MAP_PTR,
  MAP_VALUE,
  MEM,
  PACKET,
  PACKET_META,
  PERCPU,
  RDONLY,
  Reg,
  SCALAR,
  SOCK_COMMON,
  SOCKET,
  scalarReg,
  TCP_SOCK,
  typeName,
  UNTRUSTED,
  XDP_SOCK,
} from './reg.ts'
import * as S from './scalar/scalar.ts'

const BYTES = new Map<number, number>(Object.values(SIZE).map((row) => [row.code, row.bytes]))
export const sizeOf = (insn: Insn): number => BYTES.get(insn.code & 0x18)!

/** What comes after the instruction: env.insnIdx says where, or the path has ended. */
export type Outcome = 'next' | 'end' | 'returned'

export function checkInsn(env: Env): Outcome {
  const insn = env.insns[env.insnIdx]!
  const cls = insn.code & 7
  switch (cls) {
    case CLASS.alu:
    case CLASS.alu64:
      checkAlu(env, insn)
      break
    case CLASS.ldx:
      checkLoad(env, insn)
      break
    case CLASS.stx:
      checkStoreX(env, insn)
      break
    case CLASS.st:
      checkStore(env, insn)
      break
    case CLASS.jmp:
    case CLASS.jmp32:
      return checkJumpClass(env, insn)
    default:
      checkLd(env, insn)
      return 'next'
  }
  env.insnIdx++
  return 'next'
}

function checkLoad(env: Env, insn: Insn): void {
  const { regs } = env.state.frame
  const type = readReg(env, insn.src).type
  writableReg(env, insn.dst)
  checkMemAccess(env, {
    regno: insn.src,
    offset: insn.off,
    size: sizeOf(insn),
    type: 'read',
    value: insn.dst,
    signed: (insn.code & 0xe0) === MODE.memsx,
  })
  savePointerType(env, type, true)
  if (regs[insn.dst]!.type === SCALAR) checkInvariants(env, insn.dst)
}

function checkStoreX(env: Env, insn: Insn): void {
  const mode = insn.code & 0xe0
  if (mode === MODE.atomic) {
    checkAtomic(env, insn)
    return
  }
  if (mode !== MODE.mem || insn.imm !== 0) env.fail('EINVAL', 'BPF_STX uses reserved fields')
  readReg(env, insn.src)
  const { type } = readReg(env, insn.dst)
  checkMemAccess(env, { regno: insn.dst, offset: insn.off, size: sizeOf(insn), type: 'write', value: insn.src })
  savePointerType(env, type, false)
}

function checkStore(env: Env, insn: Insn): void {
  if ((insn.code & 0xe0) !== MODE.mem || insn.src !== 0) env.fail('EINVAL', 'BPF_ST uses reserved fields')
  const { type } = readReg(env, insn.dst)
  checkMemAccess(env, {
    regno: insn.dst,
    offset: insn.off,
    size: sizeOf(insn),
    type: 'write',
    value: -1,
    imm: insn.imm,
  })
  savePointerType(env, type, false)
}

/** Types whose accesses are rewritten in their own way: one instruction cannot serve two of them. */
const mismatchOk = (type: number): boolean => {
  switch (type & BASE_MASK) {
    case CTX:
    case SOCKET:
    case SOCK_COMMON:
    case TCP_SOCK:
    case XDP_SOCK:
    case BTF_PTR:
    case ARENA:
      return false
    default:
      return true
  }
}

function savePointerType(env: Env, type: number, allowTrust: boolean): void {
  const previous = env.aux.ptrType[env.insnIdx]!
  if (previous === 0) {
    env.aux.ptrType[env.insnIdx] = type
    return
  }
  if (type === previous || (mismatchOk(type) && mismatchOk(previous))) return
  const isMemOrBtf = (t: number): boolean => (t & BASE_MASK) === BTF_PTR || (t & BASE_MASK) === MEM
  if (allowTrust && isMemOrBtf(type) && isMemOrBtf(previous)) {
    const untrusted = (t: number): boolean => (t & BASE_MASK) === BTF_PTR || (t & (RDONLY | UNTRUSTED)) !== 0
    if (untrusted(type) || untrusted(previous)) {
      env.aux.ptrType[env.insnIdx] = BTF_PTR | UNTRUSTED
      return
    }
  }
  env.fail('EINVAL', 'same insn cannot be used with different pointers')
}

const ATOMICS: ReadonlySet<number> = new Set(Object.values(ATOMIC).map((row) => row.imm))

function checkAtomic(env: Env, insn: Insn): void {
  const size = sizeOf(insn)
  if (insn.imm === ATOMIC.load_acquire.imm) {
    if (!env.jits) env.fail('EOPNOTSUPP')
    const { type } = readReg(env, insn.src)
    writableReg(env, insn.dst)
    refuseAtomicPointer(env, insn.src)
    checkMemAccess(env, { regno: insn.src, offset: insn.off, size, type: 'read', value: insn.dst, strict: true })
    savePointerType(env, type, true)
    return
  }
  if (insn.imm === ATOMIC.store_release.imm) {
    readReg(env, insn.src)
    const { type } = readReg(env, insn.dst)
    refuseAtomicPointer(env, insn.dst)
    checkMemAccess(env, { regno: insn.dst, offset: insn.off, size, type: 'write', value: insn.src, strict: true })
    savePointerType(env, type, false)
    return
  }
  if (!ATOMICS.has(insn.imm))
    env.fail('EINVAL', `BPF_ATOMIC uses invalid atomic opcode ${(insn.imm >>> 0).toString(16).padStart(2, '0')}`)
  if (size !== 4 && size !== 8) env.fail('EINVAL', 'invalid atomic operand size')
  readReg(env, insn.src)
  const { type } = readReg(env, insn.dst)
  if (insn.imm === ATOMIC.cmpxchg.imm) {
    readReg(env, 0)
    if (isSecret(env, 0)) env.fail('EACCES', 'R0 leaks addr into mem')
  }
  if (isSecret(env, insn.src)) env.fail('EACCES', `R${insn.src} leaks addr into mem`)
  refuseAtomicPointer(env, insn.dst)
  let load = -1
  if (insn.imm & 1) {
    load = insn.imm === ATOMIC.cmpxchg.imm ? 0 : insn.src
    writableReg(env, load)
  }
  const isStackOrMem = { regno: insn.dst, offset: insn.off, size, strict: true } as const
  // A fetch loads the old value; a plain operation reads it too (checked without a destination).
  checkMemAccess(env, { ...isStackOrMem, type: 'read', value: -1 })
  if (load >= 0) checkMemAccess(env, { ...isStackOrMem, type: 'read', value: load })
  if ((type & BASE_MASK) === ARENA) savePointerType(env, type, false)
  checkMemAccess(env, { ...isStackOrMem, type: 'write', value: -1 })
}

function refuseAtomicPointer(env: Env, regno: number): void {
  const { type } = env.state.frame.regs[regno]!
  const base = type & BASE_MASK
  const refused =
    base === CTX ||
    type === PACKET ||
    type === PACKET_META ||
    type === FLOW_KEYS ||
    base === SOCKET ||
    base === SOCK_COMMON ||
    base === TCP_SOCK ||
    base === XDP_SOCK ||
    (base === ARENA && !env.jits)
  if (refused) {
    env.fail('EACCES', `BPF_ATOMIC stores into R${regno} ${typeName(type)} is not allowed`)
  }
}

function checkJumpClass(env: Env, insn: Insn): Outcome {
  env.jmpsProcessed++
  const { code } = insn
  const op = code & 0xf0
  const is32 = (code & 7) === CLASS.jmp32
  if (op === JMP.call.code) return checkCall(env, insn, is32)
  if (op === JMP.ja.code) {
    if (code & SRC_X || insn.src !== 0 || insn.dst !== 0 || (is32 ? insn.off !== 0 : insn.imm !== 0))
      env.fail('EINVAL', 'BPF_JA uses reserved fields')
    env.insnIdx += (is32 ? insn.imm : insn.off) + 1
    return 'next'
  }
  if (op === JMP.exit.code) {
    if (code & SRC_X || insn.imm !== 0 || insn.src !== 0 || insn.dst !== 0 || is32)
      env.fail('EINVAL', 'BPF_EXIT uses reserved fields')
    return processExit(env, false) ? 'end' : 'returned'
  }
  checkJump(env, insn)
  return 'next'
}

const SPIN_UNLOCK = 94
const KPTR_XCHG = 194

function checkCall(env: Env, insn: Insn, is32: boolean): Outcome {
  const { src, off, dst } = insn
  if (
    insn.code & SRC_X ||
    (src !== CALL.kfunc && off !== 0) ||
    (src !== CALL.helper && src !== CALL.local && src !== CALL.kfunc) ||
    dst !== 0 ||
    is32
  )
    env.fail('EINVAL', 'BPF_CALL uses reserved fields')
  if (env.state.activeLocks) {
    const helperRefused = src === CALL.helper && insn.imm !== SPIN_UNLOCK && insn.imm !== KPTR_XCHG
    const kfuncRefused = src === CALL.kfunc && (off !== 0 || !spinAllowedKfunc(env, insn))
    if (helperRefused || kfuncRefused) env.fail('EINVAL', 'function calls are not allowed while holding a lock')
  }
  if (src === CALL.local) callSubprog(env, insn)
  else if (src === CALL.kfunc) {
    if (callKfunc(env, insn) === 'throw') return processExit(env, true) ? 'end' : 'returned'
  } else callHelper(env, insn)
  env.scratchReg(0)
  return 'next'
}

function checkLd(env: Env, insn: Insn): void {
  const mode = insn.code & 0xe0
  if (mode === MODE.abs || mode === MODE.ind) {
    checkPacketLoad(env, insn, mode === MODE.ind)
    env.insnIdx++
    return
  }
  if (mode !== MODE.imm) env.fail('EINVAL', 'invalid BPF_LD mode')
  checkImmediate(env, insn)
  env.insnIdx += 2
}

function checkImmediate(env: Env, insn: Insn): void {
  if ((insn.code & 0x18) !== SIZE.dw.code) env.fail('EINVAL', 'invalid BPF_LD_IMM insn')
  if (insn.off !== 0) env.fail('EINVAL', 'BPF_LD_IMM64 uses reserved fields')
  writableReg(env, insn.dst)
  const { regs } = env.state.frame
  if (insn.src === 0) {
    regs[insn.dst] = scalarReg(S.known(insn.imm, env.insns[env.insnIdx + 1]!.imm))
    return
  }
  const reg = new Reg()
  reg.s = S.KNOWN_ZERO
  if (insn.src === PSEUDO.func) {
    const subprog = env.findSubprog(env.insnIdx + insn.imm + 1)
    if (!env.input.funcInfo?.length) env.fail('EINVAL', 'missing btf func_info')
    if (env.subprogs[subprog]!.isGlobal) env.fail('EINVAL', 'callback function not static')
    reg.type = FUNC
    reg.n = subprog
    regs[insn.dst] = reg
    return
  }
  const found = env.immediates.get(env.insnIdx)!
  switch (found.kind) {
    case 'map':
      reg.type = MAP_PTR
      reg.map = found.map
      break
    case 'map_value':
      if (found.map.type === MAP_TYPE.arena) {
        regs[insn.dst] = scalarReg(S.ANY)
        return
      }
      reg.type = MAP_VALUE
      reg.map = found.map
      reg.off = found.offset
      break
    case 'btf_var':
      if (found.memSize >= 0) {
        reg.type = MEM | RDONLY
        reg.n = found.memSize
      } else {
        reg.type = BTF_PTR | (found.percpu ? PERCPU : 0)
        reg.btf = found.btf
        reg.btfId = found.typeId
      }
      break
    case 'func':
      break
  }
  regs[insn.dst] = reg
}

/** LD_ABS and LD_IND: r6 must be the context; the program ends with 0 when the packet is too short. */
function checkPacketLoad(env: Env, insn: Insn, indirect: boolean): void {
  const { frame } = env.state
  if (!env.type.skbLoads) env.fail('EINVAL', 'BPF_LD_[ABS|IND] instructions not allowed for this program type')
  if (insn.dst !== 0 || insn.off !== 0 || (insn.code & 0x18) === SIZE.dw.code || (!indirect && insn.src !== 0))
    env.fail('EINVAL', 'BPF_LD_[ABS|IND] uses reserved fields')
  readReg(env, 6)
  checkLeaks(env, false, true, 'BPF_LD_[ABS|IND]')
  if (frame.regs[6]!.type !== CTX) env.fail('EINVAL', 'at the time of BPF_LD_ABS|IND R6 != pointer to skb')
  if (indirect) readReg(env, insn.src)
  checkPtrOff(env, frame.regs[6]!, 6, false, typeName(frame.regs[6]!.type))
  clearCallerSaved(env, frame)
  frame.regs[0] = scalarReg(S.ANY)
}
