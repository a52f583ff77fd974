// Conditional jumps: which ways are possible, and what each of them teaches about registers.

import type { Insn } from '../isa/insn.ts'
import { CLASS, JMP, SRC_X } from '../isa/opcodes.ts'
import { MAP_TYPE } from '../uapi.ts'
import { isTrusted } from './access/btf.ts'
import { isSecret } from './access/mem.ts'
import { readReg } from './check-reg.ts'
import type { Env } from './env.ts'
import { widenImprecise } from './loops.ts'
import { fieldsOfMap, fieldsOfType } from './map-fields.ts'
import { pushBranch } from './paths.ts'
import { markPrecise, pushHistory } from './precision.ts'
import {
  ADD_CONST,
  ALLOC,
  BASE_MASK,
  BTF_PTR,
  copyReg,
  isPointer,
  MAP_KEY,
  MAP_PTR,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  NON_OWN,
  PACKET,
  PACKET_END,
  PACKET_META,
  RCU,
  type Reg,
  SCALAR,
  SOCK_COMMON,
  SOCKET,
  scalarReg,
  TCP_SOCK,
  UNTRUSTED,
  XDP_SOCK,
} from './reg.ts'
import { dropRef, mapRegs } from './resources/refs.ts'
import { alu } from './scalar/alu.ts'
import { FLIPPED, outcome, refineFallThrough, refineTaken, type Test } from './scalar/branch.ts'
import * as S from './scalar/scalar.ts'
import { toUnsigned } from './scalar/words.ts'
import { walkMispredicted } from './speculation.ts'
import { byteType, SPILL, type State } from './state.ts'

const TESTS = new Map<number, Test>(
  (Object.keys(JMP) as (keyof typeof JMP)[])
    .filter((name) => name !== 'ja' && name !== 'call' && name !== 'exit' && name !== 'jcond')
    .map((name) => [JMP[name].code, name as Test]),
)

const AT_END = -1
const BEYOND_END = -2
const MAX_PACKET = 0xffff

const isAnyPacket = (reg: Reg): boolean => reg.type === PACKET || reg.type === PACKET_META || reg.type === PACKET_END

/** Walk a conditional jump; env.insnIdx becomes the next instruction. */
export function checkJump(env: Env, insn: Insn): void {
  const op = insn.code & 0xf0
  const at = env.insnIdx
  const is32 = (insn.code & 7) === CLASS.jmp32
  if (op === JMP.jcond.code) {
    mayGoto(env, insn)
    return
  }
  const test = TESTS.get(op)
  if (!test) env.fail('EINVAL', `invalid BPF_JMP/JMP32 opcode ${op.toString(16)}`)
  const isX = (insn.code & SRC_X) !== 0
  const { frame } = env.state
  const dst = readReg(env, insn.dst)
  let src: Reg
  if (isX) {
    if (insn.imm !== 0) env.fail('EINVAL', 'BPF_JMP/JMP32 uses reserved fields')
    src = readReg(env, insn.src)
    if (!(isAnyPacket(dst) && isAnyPacket(src)) && isSecret(env, insn.src))
      env.fail('EACCES', `R${insn.src} pointer comparison prohibited`)
  } else {
    if (insn.src !== 0) env.fail('EINVAL', 'BPF_JMP/JMP32 uses reserved fields')
    src = scalarReg(S.knownInt(insn.imm))
  }
  const decided = branchTaken(dst, src, test, is32)
  if (decided >= 0) {
    if (!isPointer(dst)) markPrecise(env, insn.dst)
    if (isX && !isPointer(src)) markPrecise(env, insn.src)
    walkMispredicted(env, insn, decided === 1 ? at + 1 : at + 1 + insn.off)
    if (env.log.insns) env.printInsnState(env.state, env.state.curframe)
    env.insnIdx = decided === 1 ? at + 1 + insn.off : at + 1
    return
  }
  const linked: number[] = []
  if (isX && src.type === SCALAR && src.id) collectLinked(env, src.id, linked)
  if (dst.type === SCALAR && dst.id) collectLinked(env, dst.id, linked)
  if (linked.length > 2) pushHistory(env, env.state, undefined, linked)

  const other = pushBranch(env, at + 1 + insn.off, at, false)
  const otherFrame = other.frame
  const dstNow = frame.regs[insn.dst]!
  const srcNow = isX ? frame.regs[insn.src]! : src
  if (dstNow.type === SCALAR && srcNow.type === SCALAR) {
    if (!(isX && insn.dst === insn.src)) {
      const fall = refineFallThrough(dstNow.s, srcNow.s, test, is32)
      const taken = refineTaken(dstNow.s, srcNow.s, test, is32)
      checkConsistent(env, fall.a, fall.b, taken.a, taken.b)
      frame.regs[insn.dst] = withScalar(dstNow, fall.a)
      otherFrame.regs[insn.dst] = withScalar(dstNow, taken.a)
      if (isX) {
        frame.regs[insn.src] = withScalar(srcNow, fall.b)
        otherFrame.regs[insn.src] = withScalar(srcNow, taken.b)
      }
    }
    if (isX && frame.regs[insn.src]!.id) {
      syncLinked(env.state, frame.regs[insn.src]!, linked)
      syncLinked(other, otherFrame.regs[insn.src]!, linked)
    }
    if (frame.regs[insn.dst]!.id) {
      syncLinked(env.state, frame.regs[insn.dst]!, linked)
      syncLinked(other, otherFrame.regs[insn.dst]!, linked)
    }
  } else {
    // A pointer and a scalar: only the scalars' copies may still be linked.
    if (isX && srcNow.type === SCALAR && srcNow.id) {
      syncLinked(env.state, srcNow, linked)
      syncLinked(other, srcNow, linked)
    }
    if (dstNow.type === SCALAR && dstNow.id) {
      syncLinked(env.state, dstNow, linked)
      syncLinked(other, dstNow, linked)
    }
  }
  learnNullness(env, insn, test, is32, isX, dst, src, other)
  if (env.log.insns) env.printInsnState(env.state, env.state.curframe)
  env.insnIdx = at + 1
}

function withScalar(reg: Reg, s: S.Scalar): Reg {
  const r = copyReg(reg)
  r.s = s
  return r
}

function checkConsistent(env: Env, ...scalars: S.Scalar[]): void {
  if (!env.testRegInvariants) return
  for (const s of scalars)
    if (!S.isConsistent(s)) {
      // Linux reports a contradiction and goes on with an unknown value unless asked to stop.
      env.fail('EFAULT', 'REG INVARIANTS VIOLATION (jump)')
    }
}

function mayGoto(env: Env, insn: Insn): void {
  const at = env.insnIdx
  if (insn.code !== (CLASS.jmp | JMP.jcond.code) || insn.src !== 0 || insn.dst || insn.imm)
    env.fail('EINVAL', `invalid may_goto imm ${insn.imm}`)
  // The parent is the checkpoint of this very visit.
  let previous: State | undefined = env.state.parent?.parent
  while (previous && !(previous.insnIdx === at && sameFrames(previous, env.state))) previous = previous.parent
  const queued = pushBranch(env, at + 1, at, false)
  queued.mayGotoDepth++
  if (previous) widenImprecise(previous, queued)
  env.insnIdx = at + 1 + insn.off
}

function sameFrames(a: State, b: State): boolean {
  if (a.frames.length !== b.frames.length) return false
  return a.frames.every((frame, i) => frame.callsite === b.frames[i]!.callsite)
}

/** 1: always, 0: never, -1: both. */
function branchTaken(a: Reg, b: Reg, test: Test, is32: boolean): -1 | 0 | 1 {
  if (isAnyPacket(a) && isAnyPacket(b) && !is32) return packetBranch(a, b, test)
  if (isPointer(a) || isPointer(b)) {
    const isConstant = (reg: Reg): boolean => reg.type === SCALAR && (is32 ? S.isConst32(reg.s) : S.isConst(reg.s))
    if (!isConstant(b)) {
      test = FLIPPED[test]
      ;[a, b] = [b, a]
    }
    if (!isConstant(b) || !isNotNull(a)) return -1
    const value = is32 ? b.s.tnum.vL : b.s.tnum.vL | b.s.tnum.vH
    if (value !== 0) return -1
    return test === 'jeq' ? 0 : test === 'jne' ? 1 : -1
  }
  return outcome(a.s, b.s, test, is32)
}

function isNotNull(reg: Reg): boolean {
  if (reg.type & MAYBE_NULL) return false
  switch (reg.type & BASE_MASK) {
    case SOCKET:
    case TCP_SOCK:
    case MAP_VALUE:
    case MAP_KEY:
    case SOCK_COMMON:
    case MAP_PTR:
      return true
    case BTF_PTR:
      return isTrusted(reg)
    case MEM:
      return !(reg.type & UNTRUSTED)
    default:
      return false
  }
}

function packetBranch(a: Reg, b: Reg, test: Test): -1 | 0 | 1 {
  let packet: Reg
  if (b.type === PACKET_END) packet = a
  else if (a.type === PACKET_END) {
    packet = b
    test = FLIPPED[test]
  } else return -1
  if (packet.n >= 0) return -1
  if ((test === 'jle' || test === 'jgt') && packet.n === BEYOND_END) return test === 'jgt' ? 1 : 0
  if ((test === 'jlt' || test === 'jge') && (packet.n === BEYOND_END || packet.n === AT_END))
    return test === 'jge' ? 1 : 0
  return -1
}

// ---- Copies of a scalar that a jump teaches something about ----

const MAX_LINKED = 6

/** Live registers and slots with this id, as pairs: frame, register or -1 - slot. Those beyond six lose their id. */
function collectLinked(env: Env, id: number, linked: number[]): void {
  const { state } = env
  const wanted = id & ~ADD_CONST
  const add = (frame: number, where: number): boolean => {
    if (linked.length >= MAX_LINKED * 2) return false
    linked.push(frame, where)
    return true
  }
  for (let f = state.frames.length - 1; f >= 0; f--) {
    const frame = state.frames[f]!
    const live = env.aux.liveRegs[state.frameInsn(f)]!
    for (let i = 0; i < 10; i++) {
      if (!(live & (1 << i))) continue
      const reg = frame.regs[i]!
      if (reg.type !== SCALAR || (reg.id & ~ADD_CONST) !== wanted) continue
      if (!add(f, i)) frame.regs[i] = unlinked(reg)
    }
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i]!
      if (byteType(slot.types, 7) !== SPILL) continue
      if (slot.reg.type !== SCALAR || (slot.reg.id & ~ADD_CONST) !== wanted) continue
      if (!add(f, -1 - i)) frame.stack[i] = { types: slot.types, reg: unlinked(slot.reg) }
    }
  }
}

function unlinked(reg: Reg): Reg {
  const r = copyReg(reg)
  r.id = 0
  return r
}

function syncLinked(state: State, known: Reg, linked: readonly number[]): void {
  for (let i = 0; i < linked.length; i += 2) {
    const frame = state.frames[linked[i]!]!
    const where = linked[i + 1]!
    const reg = where >= 0 ? frame.regs[where]! : frame.stack[-1 - where]!.reg
    if (reg.type !== SCALAR || reg === known) continue
    if ((reg.id & ~ADD_CONST) !== (known.id & ~ADD_CONST)) continue
    let made: Reg
    if ((!(reg.id & ADD_CONST) && !(known.id & ADD_CONST)) || reg.off === known.off) made = known
    else {
      made = copyReg(known)
      made.off = reg.off
      made.id = reg.id
      const delta = reg.off - (known.id & ADD_CONST ? known.off : 0)
      made.s = alu('add', known.s, S.known(delta | 0, Math.floor(delta / 0x1_0000_0000)), false)
    }
    if (where >= 0) frame.regs[where] = made
    else frame.stack[-1 - where] = { types: frame.stack[-1 - where]!.types, reg: made }
  }
}

// ---- Pointers: NULL or not, and the packet's end ----

function learnNullness(
  env: Env,
  insn: Insn,
  test: Test,
  is32: boolean,
  isX: boolean,
  dst: Reg,
  src: Reg,
  other: State,
): void {
  const here = env.state
  if (
    !is32 &&
    isX &&
    isPointer(src) &&
    isPointer(dst) &&
    (src.type & MAYBE_NULL) !== (dst.type & MAYBE_NULL) &&
    (src.type & BASE_MASK) !== BTF_PTR &&
    (dst.type & BASE_MASK) !== BTF_PTR
  ) {
    const equal = test === 'jeq' ? other : test === 'jne' ? here : undefined
    if (equal) {
      const regno = src.type & MAYBE_NULL ? insn.src : insn.dst
      equal.frame.regs[regno] = notNull(env, equal.frame.regs[regno]!)
    }
  }
  if (!is32 && !isX && insn.imm === 0 && (test === 'jeq' || test === 'jne') && dst.type & MAYBE_NULL) {
    markNullOrNot(env, here, insn.dst, test === 'jne')
    markNullOrNot(env, other, insn.dst, test === 'jeq')
  } else if (!matchPacket(insn, test, is32, isX, dst, src, here, other) && isSecret(env, insn.dst))
    env.fail('EACCES', `R${insn.dst} pointer comparison prohibited`)
}

/** All copies of the pointer are NULL in this branch, or none is. */
export function markNullOrNot(env: Env, state: State, regno: number, isNull: boolean): void {
  const { id, refId } = state.frame.regs[regno]!
  if (refId && refId === id && isNull) dropRef(state, id)
  mapRegs(state, (reg) => {
    if (!(reg.type & MAYBE_NULL) || reg.id !== id) return reg
    if (isNull) return scalarReg(S.KNOWN_ZERO)
    return notNull(env, reg)
  })
}

function notNull(env: Env, reg: Reg): Reg {
  const r = copyReg(reg)
  if ((reg.type & BASE_MASK) === MAP_VALUE) {
    const map = reg.map!
    if (map.inner) {
      r.type = MAP_PTR
      r.map = map.inner
      if (fieldsOfMap(map.inner, env.facts.btf).some((f) => f.kind === 'bpf_timer' || f.kind === 'bpf_wq'))
        r.mapUid = reg.id
    } else if (map.type === MAP_TYPE.xskmap) r.type = XDP_SOCK
    else if (map.type === MAP_TYPE.sockmap || map.type === MAP_TYPE.sockhash) r.type = SOCKET
    else r.type = MAP_VALUE
  } else r.type &= ~MAYBE_NULL
  if (!mayHoldLock(env, r)) r.id = 0
  return r
}

/** Pointers to things with a spin lock keep their id: it tells one lock from another. */
export function mayHoldLock(env: Env, reg: Reg): boolean {
  const isLock = (f: { kind: string }): boolean => f.kind === 'bpf_spin_lock' || f.kind === 'bpf_res_spin_lock'
  if (reg.type === MAP_VALUE) return fieldsOfMap(reg.map!, env.facts.btf).some(isLock)
  if ((reg.type & BASE_MASK) === BTF_PTR && reg.type & (ALLOC | NON_OWN) && !(reg.type & RCU))
    return fieldsOfType(reg.btf!, reg.btfId, env.facts.btf).some(isLock)
  return false
}

/** The bytes before a packet pointer that was compared with the packet's end are readable in the right branch. */
function matchPacket(
  insn: Insn,
  test: Test,
  is32: boolean,
  isX: boolean,
  dst: Reg,
  src: Reg,
  here: State,
  other: State,
): boolean {
  if (!isX || is32) return false
  const isStart = (reg: Reg): boolean =>
    reg.type === PACKET && reg.off === 0 && S.isConst(reg.s) && (reg.s.tnum.vL | reg.s.tnum.vH) === 0
  const left = (dst.type === PACKET && src.type === PACKET_END) || (dst.type === PACKET_META && isStart(src))
  const right = (dst.type === PACKET_END && src.type === PACKET) || (isStart(dst) && src.type === PACKET_META)
  if (!left && !right) return false
  switch (test) {
    case 'jgt':
      if (left) {
        findGood(here, dst, false)
        markEnd(other, insn.dst, true)
      } else {
        findGood(other, src, true)
        markEnd(here, insn.src, false)
      }
      return true
    case 'jlt':
      if (left) {
        findGood(other, dst, true)
        markEnd(here, insn.dst, false)
      } else {
        findGood(here, src, false)
        markEnd(other, insn.src, true)
      }
      return true
    case 'jge':
      if (left) {
        findGood(here, dst, true)
        markEnd(other, insn.dst, false)
      } else {
        findGood(other, src, false)
        markEnd(here, insn.src, true)
      }
      return true
    case 'jle':
      if (left) {
        findGood(other, dst, false)
        markEnd(here, insn.dst, true)
      } else {
        findGood(here, src, true)
        markEnd(other, insn.src, false)
      }
      return true
    default:
      return false
  }
}

function findGood(state: State, pointer: Reg, rightOpen: boolean): void {
  if (pointer.off < 0 || (pointer.off === 0 && rightOpen)) return
  const umax = toUnsigned(pointer.s.umaxL, pointer.s.umaxH)
  if (umax > MAX_PACKET || umax + pointer.off > MAX_PACKET) return
  const range = pointer.off + (rightOpen ? 1 : 0)
  mapRegs(state, (reg) => {
    if (reg.type !== pointer.type || reg.id !== pointer.id || reg.n >= range) return reg
    const r = copyReg(reg)
    r.n = range
    return r
  })
}

function markEnd(state: State, regno: number, open: boolean): void {
  const reg = state.frame.regs[regno]!
  if (reg.type !== PACKET) return
  const r = copyReg(reg)
  r.n = open ? BEYOND_END : AT_END
  state.frame.regs[regno] = r
}
