// Every load and store of a program, and every piece of memory that a helper reads or writes: find out what the pointer is and ask
// the rules of that kind.

import type { HelperMeta } from '../calls/meta.ts'
import type { Env } from '../env.ts'
import { markPrecise } from '../precision.ts'
import {
  ARENA,
  BASE_MASK,
  BTF_PTR,
  BUF,
  CTX,
  copyReg,
  FLOW_KEYS,
  isPacketPointer,
  isSocketType,
  MAP_KEY,
  MAP_PTR,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  PACKET,
  PACKET_META,
  RDONLY,
  type Reg,
  SCALAR,
  STACK,
  scalarReg,
  TP_BUFFER,
  typeName,
  UNTRUSTED,
} from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { signedDecimal, toNumber, toUnsigned } from '../scalar/words.ts'
import { isNull } from '../values.ts'
import { checkBtfAccess } from './btf.ts'
import { accessContext } from './ctx.ts'
import { accessKptr, checkMapAccess, checkMapAccessType, kptrFieldAt, readConstant } from './map.ts'
import { checkMapPtrAccess } from './map-ptr.ts'
import { mayAccessPacket } from './packet-rules.ts'
import {
  type AccessType,
  checkAlignment,
  checkPacket,
  checkPtrOff,
  checkRegion,
  formatTnum,
  MAX_VAR_OFF,
} from './region.ts'
import { checkFlowKeys, checkSocket } from './sock.ts'
import { checkRangeInitialized, checkStackBounds, readStack, writeStack } from './stack.ts'

export interface Access {
  readonly regno: number
  readonly offset: number
  readonly size: number
  readonly type: AccessType
  /** Register loaded or stored; -1: none. */
  readonly value: number
  /** Stored immediate of a BPF_ST. */
  readonly imm?: number
  readonly signed?: boolean
  /** Strict alignment for this access (atomics, contexts). */
  readonly strict?: boolean
}

/** A pointer that this program must not leak. */
export function isSecret(env: Env, regno: number): boolean {
  const reg = env.state.frame.regs[regno]!
  return !env.allowPtrLeaks && reg.type !== SCALAR && reg.type !== 0
}

export function checkMemAccess(env: Env, access: Access): void {
  const { regno, size, type, value } = access
  const { regs } = env.state.frame
  const reg = regs[regno]!
  checkAlignment(env, reg, access.offset, size, access.strict ?? false)
  const offset = access.offset + reg.off
  const writesPointer = type === 'write' && value >= 0 && isSecret(env, value)
  const load = (made: Reg): void => {
    if (type === 'read' && value >= 0) regs[value] = made
  }
  const base = reg.type & BASE_MASK
  if (reg.type === MAP_KEY) {
    if (type === 'write') env.fail('EACCES', `write to change key R${regno} not allowed`)
    checkRegion(env, regno, offset, size, reg.map!.keySize, false)
    load(scalarReg(S.ANY))
    env.prove('mem')
  } else if (reg.type === MAP_VALUE) {
    if (writesPointer) env.fail('EACCES', `R${value} leaks addr into map`)
    checkMapAccessType(env, regno, access.offset, size, type)
    checkMapAccess(env, regno, offset, size, false, true)
    const field = kptrFieldAt(env, reg, offset)
    if (field) accessKptr(env, field, value)
    else if (type === 'read' && value >= 0) {
      const constant = S.isConst(reg.s)
        ? readConstant(reg.map!, offset + toNumber(reg.s.tnum.vL, reg.s.tnum.vH), size, access.signed ?? false)
        : undefined
      regs[value] = scalarReg(constant ?? S.ANY)
    }
    env.prove('map_value')
  } else if (base === MEM) {
    const rdonly = (reg.type & RDONLY) !== 0
    const probed = rdonly && (reg.type & UNTRUSTED) !== 0
    if (reg.type & MAYBE_NULL) env.fail('EACCES', `R${regno} invalid mem access '${typeName(reg.type)}'`)
    if (type === 'write' && rdonly) env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
    if (writesPointer) env.fail('EACCES', `R${value} leaks addr into mem`)
    if (!probed) checkRegion(env, regno, offset, size, reg.n, false)
    load(scalarReg(S.ANY))
    env.prove(probed ? 'probe' : 'mem')
  } else if (reg.type === CTX) {
    if (writesPointer) env.fail('EACCES', `R${value} leaks addr into ctx`)
    checkPtrOff(env, reg, regno, env.contextOffsetAllowed, typeName(reg.type))
    const made = accessContext(env, offset, size, type)
    env.noteContextAccess(offset, size)
    if (type === 'read' && value >= 0) {
      if (made.type === SCALAR && env.returnValueLoad(offset)) regs[value] = scalarReg(env.returnValueRange())
      else regs[value] = made
    }
    env.prove('ctx')
  } else if (reg.type === STACK) {
    checkStackBounds(env, regno, offset, size, type)
    if (type === 'read') readStack(env, regno, offset, size, value)
    else writeStack(env, regno, offset, size, value, access.imm)
    env.prove('stack')
  } else if (isPacketPointer(reg.type)) {
    if (type === 'write' && !mayAccessPacket(env, undefined, 'write')) env.fail('EACCES', 'cannot write into packet')
    if (writesPointer) env.fail('EACCES', `R${value} leaks addr into packet`)
    checkPacketAccess(env, regno, offset, size, false)
    load(scalarReg(S.ANY))
    env.prove('packet')
  } else if (reg.type === FLOW_KEYS) {
    if (writesPointer) env.fail('EACCES', `R${value} leaks addr into flow keys`)
    checkFlowKeys(env, offset, size)
    load(scalarReg(S.ANY))
    env.prove('mem')
  } else if (isSocketType(base) && !(reg.type & MAYBE_NULL)) {
    if (type === 'write') env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
    checkSocket(env, regno, offset, size)
    load(scalarReg(S.ANY))
    env.prove('btf')
  } else if (reg.type === TP_BUFFER) {
    checkBuffer(env, reg, regno, offset, size)
    load(scalarReg(S.ANY))
    env.prove('mem')
  } else if (base === BTF_PTR && !(reg.type & MAYBE_NULL)) {
    checkBtfAccess(env, regno, offset, size, type, value)
    env.prove('btf')
  } else if (reg.type === MAP_PTR) {
    checkMapPtrAccess(env, regno, offset, size, type, value)
    env.prove('btf')
  } else if (base === BUF && !(reg.type & MAYBE_NULL)) {
    if (type === 'write' && reg.type & RDONLY) env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
    checkBuffer(env, reg, regno, offset, size)
    load(scalarReg(S.ANY))
    env.prove('mem')
  } else if (reg.type === ARENA) {
    load(scalarReg(S.ANY))
    env.prove('arena')
  } else env.fail('EACCES', `R${regno} invalid mem access '${typeName(reg.type)}'`)
  if (size < 8 && value >= 0 && type === 'read' && regs[value]!.type === SCALAR) {
    const made = copyReg(regs[value]!)
    made.s = S.copy(made.s)
    if (access.signed) {
      S.signExtend64(made.s, size)
    } else S.coerce(made.s, size)
    regs[value] = made
  }
}

/** A packet access within the verified range; remembers how far packets are read. */
export function checkPacketAccess(env: Env, regno: number, offset: number, size: number, zeroAllowed: boolean): void {
  checkPacket(env, regno, offset, size, zeroAllowed)
}

function checkBuffer(env: Env, reg: Reg, regno: number, offset: number, size: number): void {
  const name = typeName(reg.type)
  const kind = reg.type === TP_BUFFER ? 'tp_buffer' : name
  if (offset < 0) env.fail('EACCES', `R${regno} invalid ${kind} buffer access: off=${offset}, size=${size}`)
  if (!S.isConst(reg.s) || (reg.s.tnum.vL | reg.s.tnum.vH) !== 0)
    env.fail('EACCES', `R${regno} invalid variable buffer offset: off=${offset}, var_off=${formatTnum(reg.s.tnum)}`)
}

/** Memory handed to a helper. */
export function checkHelperMem(
  env: Env,
  regno: number,
  size: number,
  type: AccessType,
  zeroAllowed: boolean,
  meta: HelperMeta | undefined,
): void {
  const reg = env.state.frame.regs[regno]!
  switch (reg.type & BASE_MASK) {
    case PACKET:
    case PACKET_META:
      checkPacketAccess(env, regno, reg.off, size, zeroAllowed)
      return
    case MAP_KEY:
      if (type === 'write') env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
      checkRegion(env, regno, reg.off, size, reg.map!.keySize, false)
      return
    case MAP_VALUE:
      if (reg.type & MAYBE_NULL) break
      checkMapAccessType(env, regno, 0, size, type)
      checkMapAccess(env, regno, reg.off, size, zeroAllowed, false)
      return
    case MEM:
      if (reg.type & RDONLY && type === 'write') env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
      checkRegion(env, regno, reg.off, size, reg.n, zeroAllowed)
      return
    case BUF:
      if (reg.type & RDONLY && type === 'write') env.fail('EACCES', `R${regno} cannot write into ${typeName(reg.type)}`)
      checkBuffer(env, reg, regno, reg.off, size)
      return
    case STACK:
      checkRangeInitialized(env, regno, reg.off, size, zeroAllowed, type, meta)
      return
    case BTF_PTR:
      checkBtfAccess(env, regno, reg.off, size, type, -1)
      return
    case CTX:
      if (env.type.context.kind === 'bytes' && env.contextOffsetAllowed) {
        if (size === 0) {
          if (zeroAllowed) return
          env.fail('EACCES')
        }
        checkMemAccess(env, { regno, offset: size - 1, size: 1, type, value: -1 })
        return
      }
      break
    default:
  }
  if (zeroAllowed && size === 0 && isNull(reg)) return
  env.fail('EACCES', `R${regno} type=${typeName(reg.type)} expected=${typeName(STACK)}`)
}

/** Memory in `regno - 1`, its size in `regno`. */
export function checkMemSize(env: Env, regno: number, type: AccessType, zeroAllowed: boolean, meta: HelperMeta): void {
  const { s } = env.state.frame.regs[regno]!
  meta.maxSizeL = s.umaxL
  meta.maxSizeH = s.umaxH
  const raw = S.isConst(s) ? meta : undefined
  if (s.sminH < 0) env.fail('EACCES', `R${regno} min value is negative, either use unsigned or 'var &= const'`)
  if ((s.uminL | s.uminH) === 0 && !zeroAllowed)
    env.fail(
      'EACCES',
      `R${regno} invalid zero-sized read: u64=[${signedDecimal(s.uminL, s.uminH)},${signedDecimal(s.umaxL, s.umaxH)}]`,
    )
  const max = toUnsigned(s.umaxL, s.umaxH)
  if (max >= MAX_VAR_OFF)
    env.fail('EACCES', `R${regno} unbounded memory access, use 'var &= const' or 'if (var < const)'`)
  checkHelperMem(env, regno - 1, max, type, zeroAllowed, raw)
  markPrecise(env, regno)
}
