// One argument of a helper call against its prototype.

import type { ArgSpec } from '../../../base/facts.ts'
import { MAP_TYPE } from '../../uapi.ts'
import { kptrMatches } from '../access/kptr.ts'
import { checkHelperMem, checkMemSize, isSecret } from '../access/mem.ts'
import { mayAccessPacket } from '../access/packet-rules.ts'
import { checkAlignment, checkPtrOff } from '../access/region.ts'
import { structsMatch } from '../access/structs-match.ts'
import { nameOfType } from '../btf-types.ts'
import { readReg } from '../check-reg.ts'
import type { Env } from '../env.ts'
import { markPrecise, markPreciseSlot } from '../precision.ts'
import {
  ALLOC,
  ARENA,
  BASE_MASK,
  BTF_PTR,
  BUF,
  CTX,
  DYNPTR_SKB,
  DYNPTR_XDP,
  isPacketPointer,
  MAP_KEY,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  PACKET,
  PACKET_META,
  PERCPU,
  RDONLY,
  type Reg,
  SCALAR,
  STACK,
  typeName,
} from '../reg.ts'
import { processSpinLock } from '../resources/locks.ts'
import { objectSlot } from '../resources/slots.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber, toUnsigned } from '../scalar/words.ts'
import { byteType, SPILL, ZERO } from '../state.ts'
import { isNull } from '../values.ts'
import { COMPATIBLE, MEM_TYPES } from './arg-types.ts'
import { processDynptr } from './dynptr-args.ts'
import type { HelperMeta } from './meta.ts'
import { checkConstString, processKptr, processTimer } from './special-args.ts'

const KPTR_XCHG = 194
const SK_RELEASE = 86

/** Array-like maps whose values exist for every key below max_entries. */
export const hasAllKeys = (type: number): boolean => type === MAP_TYPE.array || type === MAP_TYPE.percpu_array

export function checkHelperArg(
  env: Env,
  index: number,
  spec: ArgSpec,
  previous: ArgSpec | undefined,
  meta: HelperMeta,
): void {
  const regno = index + 1
  const reg = readReg(env, regno)
  if (spec.kind === 'anything') {
    if (isSecret(env, regno)) env.fail('EACCES', `R${regno} leaks addr into helper function`)
    return
  }
  if (isPacketPointer(reg.type) && !mayAccessPacket(env, meta, 'read'))
    env.fail('EACCES', 'helper access to the packet is not allowed')
  if (spec.kind === 'map_value') spec = resolveMapValue(env, spec, meta)
  if (!(isNull(reg) && spec.nullable)) {
    checkType(env, regno, reg, spec, meta)
    checkOffset(env, regno, reg, spec)
  }
  if (spec.release) {
    if (spec.kind === 'dynptr') {
      if (reg.type !== STACK) env.fail('EINVAL', 'cannot release unowned const bpf_dynptr')
      const spi = objectSlot(env, reg, 'dynptr', 2)
      const slot = env.state.frames[reg.n]!.stack[spi]
      if (spi < 0 || !slot?.reg.refId) env.fail('EINVAL', `arg ${regno} is an unacquired reference`)
    } else if (!reg.refId && !isNull(reg))
      env.fail('EINVAL', `R${regno} must be referenced when passed to release function`)
    meta.releaseRegno = regno
  }
  if (reg.refId && spec.kind !== 'kptr') {
    if (meta.refId) {
      env.print(`more than one arg with ref_obj_id R${regno} ${reg.refId} ${meta.refId}`)
      env.fail('EACCES')
    }
    meta.refId = reg.refId
  }
  checkKind(env, regno, reg, spec, previous, meta)
}

function checkKind(
  env: Env,
  regno: number,
  reg: Reg,
  spec: ArgSpec,
  previous: ArgSpec | undefined,
  meta: HelperMeta,
): void {
  const access = spec.write ? 'write' : 'read'
  switch (spec.kind) {
    case 'const_map':
      if (meta.map && (meta.map !== reg.map || meta.mapUid !== reg.mapUid))
        env.fail(
          'EINVAL',
          `timer pointer in R1 map_uid=${meta.mapUid} doesn't match map pointer in R2 map_uid=${reg.mapUid}`,
        )
      meta.map = reg.map
      meta.mapUid = reg.mapUid
      return
    case 'map_key': {
      if (spec.nullable && isNull(reg)) return
      if (!meta.map) env.fail('EACCES', 'invalid map_ptr to access map->key')
      checkHelperMem(env, regno, meta.map.keySize, 'read', false, undefined)
      if (hasAllKeys(meta.map.type)) meta.constMapKey = constantKey(env, reg, meta.map.keySize)
      return
    }
    case 'map_value':
      if (spec.nullable && isNull(reg)) return
      if (!meta.map) env.fail('EACCES', 'invalid map_ptr to access map->value')
      meta.rawMode = spec.uninit === true
      checkHelperMem(env, regno, meta.map.valueSize, access, false, meta)
      return
    case 'percpu_btf':
      if (!reg.btfId) env.fail('EACCES', `Helper has invalid btf_id in R${regno}`)
      meta.retBtf = reg.btf
      meta.retBtfId = reg.btfId
      return
    case 'spin_lock':
      processSpinLock(env, regno, meta.id === 93)
      return
    case 'timer':
      processTimer(env, regno, meta)
      return
    case 'func':
      meta.subprog = reg.n
      return
    case 'mem':
      meta.rawMode = spec.uninit === true
      if (spec.bytes !== undefined) {
        checkHelperMem(env, regno, spec.bytes, access, false, meta)
        if (spec.aligned) checkAlignment(env, reg, 0, spec.bytes, true)
      }
      return
    case 'size':
    case 'size_or_zero':
      checkMemSize(env, regno, previous?.write ? 'write' : 'read', spec.kind === 'size_or_zero', meta)
      return
    case 'dynptr':
      processDynptr(env, regno, spec, 0)
      return
    case 'const_alloc':
      if (!S.isConst(reg.s)) env.fail('EACCES', `R${regno} is not a known constant'`)
      meta.memSize = toUnsigned(reg.s.tnum.vL, reg.s.tnum.vH)
      markPrecise(env, regno)
      return
    case 'const_str':
      checkConstString(env, regno)
      return
    case 'kptr':
      processKptr(env, regno, meta)
      return
    default:
  }
}

/** Maps that hold other things than bytes take those as values. */
function resolveMapValue(env: Env, spec: ArgSpec, meta: HelperMeta): ArgSpec {
  if (!meta.map) env.fail('EACCES', 'invalid map_ptr to access map->type')
  switch (meta.map.type) {
    case MAP_TYPE.sockmap:
    case MAP_TYPE.sockhash:
      if (spec.uninit) env.fail('EINVAL', 'invalid arg_type for sockmap/sockhash')
      return { ...spec, kind: 'btf_sock' }
    case MAP_TYPE.bloom_filter:
      if (meta.id === 89) return { ...spec, uninit: undefined as never, write: undefined as never }
      return spec
    default:
      return spec
  }
}

function checkType(env: Env, regno: number, reg: Reg, spec: ArgSpec, meta: HelperMeta): void {
  const types = COMPATIBLE[spec.kind as Exclude<ArgSpec['kind'], 'anything'>]
  let { type } = reg
  if (spec.readonly || spec.kind === 'map_key' || (spec.kind === 'map_value' && !spec.write)) type &= ~RDONLY
  if (spec.nullable) type &= ~MAYBE_NULL
  if (spec.kind === 'mem') type &= ~(DYNPTR_SKB | DYNPTR_XDP)
  if (meta.id === KPTR_XCHG && type & ALLOC && regno === 2) type &= ~(ALLOC | PERCPU)
  if (!types.includes(type))
    env.fail('EACCES', `R${regno} type=${typeName(reg.type)} expected=${types.map(typeName).join(', ')}`)
  if ((reg.type & BASE_MASK) !== BTF_PTR) return
  if (types === MEM_TYPES) {
    if (spec.write)
      env.fail(
        'EACCES',
        `bpf_${meta.proto?.name}() may write into memory pointed by R${regno} type=${typeName(reg.type)}`,
      )
    return
  }
  if (spec.kind === 'percpu_btf' || spec.kind === 'spin_lock' || spec.kind === 'kptr') return
  if (reg.type & MAYBE_NULL && (!spec.nullable || spec.release))
    env.fail('EACCES', `Possibly NULL pointer passed to helper arg${regno}`)
  if (meta.id === KPTR_XCHG) {
    kptrMatches(env, meta.kptrField!, reg, regno)
    return
  }
  const { btf } = env.facts
  const struct = spec.struct ?? (spec.kind === 'btf_sock' ? 'sock_common' : '')
  const wanted = btf?.find(struct, 'struct') ?? 0
  const strict = spec.release === true && meta.id !== SK_RELEASE
  if (!btf || !structsMatch(reg.btf!, reg.btfId, reg.off, btf, wanted, strict))
    env.fail('EACCES', `R${regno} is of type ${nameOfType(reg.btf!, reg.btfId)} but ${struct} is expected`)
}

function checkOffset(env: Env, regno: number, reg: Reg, spec: ArgSpec): void {
  if (spec.release) {
    if (spec.kind === 'dynptr' && reg.type === STACK) return
    if (reg.off)
      env.fail('EINVAL', `R${regno} must have zero offset when passed to release func or trusted arg to kfunc`)
    checkPtrOff(env, reg, regno, false, typeName(reg.type))
    return
  }
  const base = reg.type & BASE_MASK
  switch (base) {
    case STACK:
    case PACKET:
    case PACKET_META:
    case MAP_KEY:
    case MAP_VALUE:
    case MEM:
    case BUF:
    case ARENA:
    case SCALAR:
      return
    case BTF_PTR:
      checkPtrOff(env, reg, regno, true, typeName(reg.type))
      return
    case CTX:
      if (env.contextOffsetAllowed && spec.kind !== 'ctx') return
      checkPtrOff(env, reg, regno, false, typeName(reg.type))
      return
    default:
      checkPtrOff(env, reg, regno, false, typeName(reg.type))
  }
}

/** The constant key that the stack holds, if it is one. */
function constantKey(env: Env, reg: Reg, size: number): number | undefined {
  if (!env.caps.bpf || reg.type !== STACK || !S.isConst(reg.s)) return undefined
  const offset = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  const spi = Math.floor((-offset - 1) / 8)
  const first = (-offset - 1) & 7
  const slot = env.state.frames[reg.n]!.stack[spi]
  if (!slot) return undefined
  let zeros = 0
  for (let i = first; i >= 0 && byteType(slot.types, i) === ZERO; i--) zeros++
  if (zeros >= size) return 0
  if (byteType(slot.types, 7) !== SPILL || slot.reg.type !== SCALAR) return undefined
  let spilled = 0
  for (let i = first; i >= 0 && byteType(slot.types, i) === SPILL; i--) spilled++
  if (spilled !== size || !S.isConst(slot.reg.s)) return undefined
  markPreciseSlot(env, reg.n, spi)
  return toUnsigned(slot.reg.s.tnum.vL, slot.reg.s.tnum.vH)
}
