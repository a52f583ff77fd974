// Map values: bounds, the map's own rules for programs, special fields that only helpers may touch, kernel pointers in values.

import { CLASS, MODE } from '../../isa/opcodes.ts'
import type { MapFacts } from '../../program.ts'
import { MAP_TYPE } from '../../uapi.ts'
import type { Env } from '../env.ts'
import { fieldName, fieldsOfMap, isKptr, type MapField } from '../map-fields.ts'
import { BTF_PTR, MAYBE_NULL, MEM, PERCPU, RCU, Reg, UNTRUSTED } from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber, toUnsigned } from '../scalar/words.ts'
import { isNull } from '../values.ts'
import { inRcu, isRcuProtected } from './btf.ts'
import { kptrMatches } from './kptr.ts'
import { type AccessType, checkRegion } from './region.ts'

const RDONLY_PROG = 1 << 7
const WRONLY_PROG = 1 << 8

export function checkMapAccessType(env: Env, regno: number, offset: number, size: number, type: AccessType): void {
  const reg = env.state.frame.regs[regno]!
  const map = reg.map!
  const at = reg.off + offset
  if (type === 'write' && map.mapFlags & RDONLY_PROG)
    env.fail('EACCES', `write into map forbidden, value_size=${map.valueSize} off=${at} size=${size}`)
  if (type === 'read' && map.mapFlags & WRONLY_PROG)
    env.fail('EACCES', `read from map forbidden, value_size=${map.valueSize} off=${at} size=${size}`)
}

/** `direct`: a load or store of the program; else a helper's. */
export function checkMapAccess(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  zeroAllowed: boolean,
  direct: boolean,
): void {
  const reg = env.state.frame.regs[regno]!
  const map = reg.map!
  checkRegion(env, regno, offset, size, map.valueSize, zeroAllowed)
  for (const field of fieldsOfMap(map, env.facts.btf)) {
    const low = toNumber(reg.s.sminL, reg.s.sminH) + offset
    const high = toUnsigned(reg.s.umaxL, reg.s.umaxH) + offset + size
    if (!(low < field.offset + field.size && field.offset < high)) continue
    const name = fieldName(field.kind)
    if (!isKptr(field.kind)) env.fail('EACCES', `${name} cannot be accessed directly by load/store`)
    if (!direct) env.fail('EACCES', `${name} cannot be accessed indirectly by helper`)
    if (!S.isConst(reg.s)) env.fail('EACCES', `${name} access cannot have variable offset`)
    const at = offset + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
    if (field.offset !== at) env.fail('EACCES', `${name} access misaligned expected=${field.offset} off=${at}`)
    if (size !== 8) env.fail('EACCES', `${name} access size must be BPF_DW`)
  }
}

/** The kptr field that a constant access hits. */
export function kptrFieldAt(env: Env, reg: Reg, offset: number): MapField | undefined {
  if (!S.isConst(reg.s)) return undefined
  const at = offset + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  return fieldsOfMap(reg.map!, env.facts.btf).find((field) => field.offset === at && isKptr(field.kind))
}

export function accessKptr(env: Env, field: MapField, value: number): void {
  const insn = env.insns[env.insnIdx]!
  const cls = insn.code & 7
  if ((insn.code & 0xe0) !== MODE.mem)
    env.fail('EACCES', 'kptr in map can only be accessed using BPF_MEM instruction mode')
  if (cls !== CLASS.ldx && (field.kind === 'kptr' || field.kind === 'percpu_kptr'))
    env.fail('EACCES', 'store to referenced kptr disallowed')
  if (cls !== CLASS.ldx && field.kind === 'uptr') env.fail('EACCES', 'store to uptr disallowed')
  if (cls === CLASS.ldx) {
    env.state.frame.regs[value] = loadedKptr(env, field)
    return
  }
  if (cls === CLASS.stx) {
    const reg = env.state.frame.regs[value]!
    if (!isNull(reg)) kptrMatches(env, field, reg, value)
    return
  }
  if (cls === CLASS.st) {
    if (insn.imm !== 0) env.fail('EACCES', `BPF_ST imm must be 0 when storing to kptr at off=${field.offset}`)
    return
  }
  env.fail('EACCES', 'kptr in map can only be accessed using BPF_LDX/BPF_STX/BPF_ST')
}

function loadedKptr(env: Env, field: MapField): Reg {
  const reg = new Reg()
  reg.s = S.KNOWN_ZERO
  reg.id = env.newId()
  if (field.kind === 'uptr') {
    reg.type = MEM | MAYBE_NULL
    reg.n = field.btf!.sizeOf(field.btfId!)
    return reg
  }
  let flags = MAYBE_NULL
  if (
    field.kind !== 'kptr_untrusted' &&
    inRcu(env) &&
    (field.btf !== env.facts.btf || isRcuProtected(field.btf!, field.btfId!))
  ) {
    flags |= RCU
    if (field.kind === 'percpu_kptr') flags |= PERCPU
    else if (field.btf !== env.facts.btf) flags |= 1 << 13
    if (field.btf !== env.facts.btf && field.kind !== 'percpu_kptr') flags |= 1 << 14
  } else flags |= UNTRUSTED
  reg.type = BTF_PTR | flags
  reg.btf = field.btf
  reg.btfId = field.btfId!
  return reg
}

/** Values that programs cannot change and user space froze are constants to the verifier. */
export function readConstant(map: MapFacts, offset: number, size: number, signed: boolean): S.Scalar | undefined {
  if (!(map.mapFlags & RDONLY_PROG) || !map.frozen || map.type !== MAP_TYPE.array) return undefined
  const bytes = map.readonlyBytes?.()
  if (!bytes || offset < 0 || offset + size > bytes.length) return undefined
  let L = 0
  let H = 0
  for (let i = 0; i < size; i++) {
    if (i < 4) L |= bytes[offset + i]! << (8 * i)
    else H |= bytes[offset + i]! << (8 * (i - 4))
  }
  if (size < 4) {
    if (signed) L = size === 1 ? (L << 24) >> 24 : (L << 16) >> 16
  }
  if (size <= 4) H = signed ? L >> 31 : 0
  return S.known(L, H)
}
