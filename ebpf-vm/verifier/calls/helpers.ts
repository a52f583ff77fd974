// Calls of helpers: is it allowed here, are the arguments right, and what is in the registers afterwards.

import type { HelperProto } from '../../../base/facts.ts'
import { HELPER_NAMES } from '../../helpers/names.ts'
import type { Insn } from '../../isa/insn.ts'
import { MAP_TYPE, PROG_TYPE } from '../../uapi.ts'
import { inRcu, isRcuProtected } from '../access/btf.ts'
import { checkMemAccess } from '../access/mem.ts'
import { isStruct, skipModifiers } from '../btf-types.ts'
import type { Env } from '../env.ts'
import { checkLeaks } from '../exit.ts'
import { findHelper } from '../lookup.ts'
import { fieldsOfMap } from '../map-fields.ts'
import { markPrecise } from '../precision.ts'
import {
  ALLOC,
  BTF_PTR,
  copyReg,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  PERCPU,
  RCU,
  Reg,
  RINGBUF,
  SOCK_COMMON,
  SOCKET,
  scalarReg,
  TCP_SOCK,
  TRUSTED,
  typeName,
  UNSET,
} from '../reg.ts'
import { acquireRef, clearPacketPointers, dropRef, mapRegs, releaseRef } from '../resources/refs.ts'
import { destroyReleasedDynptr, dynptrOf } from '../resources/slots.ts'
import * as S from '../scalar/scalar.ts'
import { slt, toUnsigned } from '../scalar/words.ts'
import { isNull } from '../values.ts'
import {
  findVma,
  forEachMapElem,
  loop,
  pushAsyncCallback,
  pushCallback,
  timerCallback,
  userRingbufDrain,
} from './callbacks.ts'
import { clearCallerSaved } from './frames.ts'
import { checkHelperArg, hasAllKeys } from './helper-args.ts'
import { checkMapFunction } from './map-rules.ts'
import { type HelperMeta, newMeta } from './meta.ts'

const F = {
  map_lookup_elem: 1,
  tail_call: 12,
  get_stack: 67,
  get_local_storage: 81,
  sk_fullsock: 95,
  tcp_sock: 96,
  get_listener_sock: 98,
  dynptr_from_mem: 197,
  dynptr_write: 202,
  dynptr_data: 203,
  for_each_map_elem: 164,
  timer_set_callback: 170,
  find_vma: 180,
  loop: 181,
  snprintf: 165,
  kptr_xchg: 194,
  user_ringbuf_drain: 209,
  per_cpu_ptr: 153,
  this_cpu_ptr: 154,
  set_retval: 187,
  get_smp_processor_id: 8,
  get_task_stack: 141,
  probe_read_str: 45,
  probe_read_user_str: 114,
  probe_read_kernel_str: 115,
  strtol: 105,
} as const

/** Helpers that return a reference. Lookups in sockmaps do too. */
const ACQUIRES: ReadonlySet<number> = new Set(
  ['sk_lookup_tcp', 'sk_lookup_udp', 'skc_lookup_tcp', 'ringbuf_reserve', 'kptr_xchg'].map((name) =>
    HELPER_NAMES.indexOf(name),
  ),
)
/** Helpers that return their argument as another type. */
const CASTS: ReadonlySet<number> = new Set(
  [
    'tcp_sock',
    'sk_fullsock',
    'skc_to_tcp_sock',
    'skc_to_tcp6_sock',
    'skc_to_udp6_sock',
    'skc_to_mptcp_sock',
    'skc_to_tcp_timewait_sock',
    'skc_to_tcp_request_sock',
  ].map((name) => HELPER_NAMES.indexOf(name)),
)

const fullName = (id: number): string => `${HELPER_NAMES[id] ? `bpf_${HELPER_NAMES[id]}` : 'unknown'}#${id}`

export function callHelper(env: Env, insn: Insn): void {
  const id = insn.imm
  if (id <= 0 || id >= HELPER_NAMES.length) env.fail('EINVAL', `invalid func ${fullName(id)}`)
  const proto = findHelper(env, id)
  if (!proto) env.fail('EINVAL', `program of this type cannot use helper ${fullName(id)}`)
  checkContext(env, proto, id)
  const meta = newMeta(id, proto)
  proto.args.forEach((spec, i) => {
    checkHelperArg(env, i, spec, proto.args[i - 1], meta)
  })
  recordCall(env, meta)
  for (let i = 0; i < meta.accessSize; i++)
    checkMemAccess(env, { regno: meta.regno, offset: i, size: 1, type: 'write', value: -1 })
  if (meta.releaseRegno) release(env, meta, proto, id)
  const { regs } = env.state.frame
  const sizeReg = regs[3]!
  let changesPacket = proto.changesPacket === true
  switch (id) {
    case F.tail_call:
      checkLeaks(env, false, true, 'tail_call')
      break
    case F.get_local_storage:
      if (!isNull(regs[2]!)) env.fail('EINVAL', "get_local_storage() doesn't support non-zero flags")
      break
    case F.for_each_map_elem:
      pushCallback(env, meta.subprog, forEachMapElem())
      break
    case F.find_vma:
      pushCallback(env, meta.subprog, findVma(env))
      break
    case F.user_ringbuf_drain:
      pushCallback(env, meta.subprog, userRingbufDrain(env))
      break
    case F.timer_set_callback:
      pushAsyncCallback(env, meta.subprog, false, timerCallback())
      break
    case F.loop:
      noteInlining(env, meta.subprog)
      markPrecise(env, 1)
      if (env.state.frame.callbackDepth < toUnsigned(regs[1]!.s.umaxL, regs[1]!.s.umaxH))
        pushCallback(env, meta.subprog, loop())
      else {
        env.state.frame.callbackDepth = 0
        if (env.log.verbose) env.print(`frame${env.state.curframe} bpf_loop iteration limit reached\n`)
      }
      break
    case F.dynptr_from_mem:
      if (regs[1]!.type !== MAP_VALUE)
        env.fail('EACCES', `Unsupported reg type ${typeName(regs[1]!.type)} for bpf_dynptr_from_mem data`)
      break
    case F.dynptr_data: {
      const dynptr = dynptrOf(env, regs[1]!)
      meta.dynptrId = dynptr.id
      meta.dynptrRefId = dynptr.refId
      meta.dynptr = dynptr.object?.dynptr
      break
    }
    case F.dynptr_write:
      if (dynptrOf(env, regs[1]!).object?.dynptr === 'skb') changesPacket = true
      break
    case F.set_retval:
      if (env.input.type === PROG_TYPE.lsm && env.attachReturnsVoid)
        env.fail('EINVAL', "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!")
      break
    default:
  }
  clearCallerSaved(env, env.state.frame)
  regs[0] = returned(env, proto, id, meta)
  if (id === F.get_smp_processor_id) regs[0] = scalarReg(rangeOf(0, env.facts.cpus - 1))
  refine(env, id, meta, sizeReg)
  checkMapFunction(env, meta.map, id)
  if (changesPacket) clearPacketPointers(env)
  env.insnIdx++
}

function checkContext(env: Env, proto: HelperProto, id: number): void {
  if (!env.gpl && proto.gplOnly)
    env.fail('EINVAL', 'cannot call GPL-restricted function from non-GPL compatible program')
  if (proto.attachOnlyTo && !proto.attachOnlyTo.includes(env.attach.name))
    env.fail('EINVAL', 'helper call is not allowed in probe')
  if (proto.mightSleep && !env.state.inSleepable) env.fail('EINVAL', 'helper call might sleep in a non-sleepable prog')
  if (proto.mightSleep) {
    const { state } = env
    if (state.rcuLocks) env.fail('EINVAL', `sleepable helper ${fullName(id)} in rcu_read_lock region`)
    if (state.preemptLocks) env.fail('EINVAL', `sleepable helper ${fullName(id)} in non-preemptible region`)
    if (state.irqId) env.fail('EINVAL', `sleepable helper ${fullName(id)} in IRQ-disabled region`)
  }
}

/** What every path that reaches the call agrees on. */
function recordCall(env: Env, meta: HelperMeta): void {
  const { calls } = env.proofs
  const at = env.insnIdx
  const facts: { map?: typeof meta.map; constantKey?: number; callback?: number } = {}
  if (meta.map) facts.map = meta.map
  if (meta.constMapKey !== undefined) facts.constantKey = meta.constMapKey
  if (meta.subprog >= 0) facts.callback = meta.subprog
  const known = calls.get(at)
  if (!known) {
    if (calls.has(at)) return
    calls.set(at, facts as never)
    return
  }
  if (known.map !== facts.map) delete known.map
  if (known.constantKey !== facts.constantKey) delete known.constantKey
  if (known.callback !== facts.callback) delete known.callback
}

function release(env: Env, meta: HelperMeta, proto: HelperProto, id: number): void {
  const reg = env.state.frame.regs[meta.releaseRegno]!
  if (proto.args[meta.releaseRegno - 1]!.kind === 'dynptr') {
    destroyReleasedDynptr(env, reg)
    return
  }
  if (id === F.kptr_xchg && meta.refId) {
    const { refId } = meta
    const rcu = inRcu(env)
    if (!dropRef(env.state, refId)) unacquired(env, id)
    mapRegs(env.state, (r) => {
      if (r.refId !== refId) return r
      if (r.type & ALLOC && rcu && (isMapKptrRcu(r) || r.type & PERCPU)) {
        const c = copyReg(r)
        c.refId = 0
        c.type &= ~ALLOC
        c.type |= RCU
        if (r.type & PERCPU) c.type |= ALLOC
        return c
      }
      return env.allowPtrLeaks ? scalarReg(S.ANY) : UNSET
    })
    return
  }
  if (meta.refId) {
    if (!releaseRef(env, meta.refId)) unacquired(env, id)
    return
  }
  if (!isNull(reg)) unacquired(env, id)
}

/** Linux inlines bpf_loop() when its flags are always 0 and its callback is always the same: the flags then decide something. */
function noteInlining(env: Env, subprog: number): void {
  const at = env.insnIdx
  const known = env.loopCallbacks.get(at)
  if (known === NOT_INLINED) return
  const isZero = isNull(env.state.frame.regs[4]!)
  if (isZero) markPrecise(env, 4)
  env.loopCallbacks.set(at, isZero && (known === undefined || known === subprog) ? subprog : NOT_INLINED)
}
const NOT_INLINED = -1

const isMapKptrRcu = (reg: Reg): boolean => reg.btf !== undefined && isRcuProtected(reg.btf, reg.btfId)

function unacquired(env: Env, id: number): never {
  env.fail('EINVAL', `func ${fullName(id)} reference has not been acquired before`)
}

function pointer(type: number): Reg {
  const reg = new Reg()
  reg.type = type
  reg.s = S.KNOWN_ZERO
  return reg
}

function returned(env: Env, proto: HelperProto, id: number, meta: HelperMeta): Reg {
  const reg = returnedKind(env, proto, id, meta)
  if (reg.type & MAYBE_NULL) reg.id = env.newId()
  if (id === F.dynptr_data) {
    reg.dynptrId = meta.dynptrId
    reg.refId = meta.dynptrRefId
  } else if (CASTS.has(id)) reg.refId = meta.refId
  else if (ACQUIRES.has(id) || (id === F.map_lookup_elem && isSockMap(meta))) {
    const ref = acquireRef(env, env.insnIdx)
    reg.id = ref
    reg.refId = ref
  }
  return reg
}

const isSockMap = (meta: HelperMeta): boolean =>
  meta.map?.type === MAP_TYPE.sockmap || meta.map?.type === MAP_TYPE.sockhash

function returnedKind(env: Env, proto: HelperProto, id: number, meta: HelperMeta): Reg {
  const { btf } = env.facts
  switch (proto.returns) {
    case 'integer':
      return scalarReg(S.ANY)
    case 'void':
      return UNSET
    case 'map_value':
    case 'map_value_or_null': {
      let nullable = proto.returns === 'map_value_or_null'
      const map = meta.map!
      const key = meta.constMapKey
      if (id === F.map_lookup_elem && hasAllKeys(map.type) && key !== undefined && key < map.maxEntries)
        nullable = false
      const reg = pointer(MAP_VALUE | (nullable ? MAYBE_NULL : 0))
      reg.map = map
      reg.mapUid = meta.mapUid
      const hasLock = fieldsOfMap(map, btf).some((f) => f.kind === 'bpf_spin_lock' || f.kind === 'bpf_res_spin_lock')
      if (!nullable && hasLock) reg.id = env.newId()
      return reg
    }
    case 'socket_or_null':
      return pointer(SOCKET | MAYBE_NULL)
    case 'sock_common_or_null':
      return pointer(SOCK_COMMON | MAYBE_NULL)
    case 'tcp_sock_or_null':
      return pointer(TCP_SOCK | MAYBE_NULL)
    case 'ringbuf_mem_or_null':
    case 'dynptr_mem_or_null': {
      const reg = pointer(MEM | MAYBE_NULL | (proto.returns === 'ringbuf_mem_or_null' ? RINGBUF : 0))
      reg.n = meta.memSize
      return reg
    }
    case 'mem_or_btf':
    case 'mem_or_btf_or_null': {
      const nullable = proto.returns === 'mem_or_btf_or_null' ? MAYBE_NULL : 0
      const type = skipModifiers(meta.retBtf!, meta.retBtfId)
      if (!isStruct(type)) {
        const reg = pointer(MEM | nullable | (1 << 6))
        reg.n = meta.retBtf!.sizeOf(meta.retBtfId)
        return reg
      }
      const reg = pointer(BTF_PTR | nullable)
      reg.btf = meta.retBtf
      reg.btfId = type.id
      return reg
    }
    case 'btf_or_null':
    case 'btf_trusted': {
      const reg = pointer(BTF_PTR | (proto.returns === 'btf_trusted' ? TRUSTED : MAYBE_NULL))
      reg.btf = btf
      reg.btfId = btf?.find(proto.returnStruct ?? '', 'struct') ?? 0
      return reg
    }
    case 'kptr_or_null': {
      const field = meta.kptrField!
      const reg = pointer(BTF_PTR | MAYBE_NULL)
      reg.btf = field.btf
      reg.btfId = field.btfId!
      if (!env.isKernelBtf(field.btf!)) reg.type |= ALLOC | (field.kind === 'percpu_kptr' ? PERCPU : 0)
      return reg
    }
  }
}

function rangeOf(min: number, max: number): S.Scalar {
  const s = S.fresh()
  s.sminL = min
  s.sminH = min >> 31
  s.smaxL = max
  s.smaxH = max >> 31
  s.smin32 = min
  s.smax32 = max
  if (min >= 0) {
    s.uminL = min
    s.uminH = 0
    s.umaxL = max
    s.umaxH = 0
    s.umin32 = min
    s.umax32 = max
  }
  return S.sync(s)
}

/** Results that are at most the size passed in, or a negative errno. */
function refine(env: Env, id: number, meta: HelperMeta, _size: Reg): void {
  const { regs } = env.state.frame
  switch (id) {
    case F.get_stack:
    case F.get_task_stack:
    case F.probe_read_str:
    case F.probe_read_kernel_str:
    case F.probe_read_user_str: {
      const s = S.copy(regs[0]!.s)
      if (slt(meta.maxSizeL, meta.maxSizeH, s.smaxL, s.smaxH)) {
        s.smaxL = meta.maxSizeL
        s.smaxH = meta.maxSizeH
      }
      s.smax32 = meta.maxSizeH === 0 && meta.maxSizeL >= 0 ? meta.maxSizeL : s.smax32
      s.sminL = -4095
      s.sminH = -1
      s.smin32 = -4095
      S.sync(s)
      regs[0] = scalarReg(s)
      return
    }
    default:
  }
}
