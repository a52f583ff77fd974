// Calls of kernel functions (kfuncs): found by BTF id, allowed by their sets, checked by their prototypes and flags.

import type { BtfOf } from '../../../base/btf/types.ts'
import { KF } from '../../../base/facts.ts'
import type { Insn } from '../../isa/insn.ts'
import { inRcu, isTrusted } from '../access/btf.ts'
import { checkMemAccess, checkMemSize } from '../access/mem.ts'
import { mayAccessPacket } from '../access/packet-rules.ts'
import { checkPtrOff } from '../access/region.ts'
import { structsMatch } from '../access/structs-match.ts'
import { isStruct, nameOfType, skipModifiers } from '../btf-types.ts'
import { mayHoldLock } from '../check-jump.ts'
import { type Env, type KfuncCall, Reject } from '../env.ts'
import { checkReturnOf } from '../exit.ts'
import { findKfunc } from '../lookup.ts'
import { widenImprecise } from '../loops.ts'
import { pushBranch } from '../paths.ts'
import { markPrecise } from '../precision.ts'
import {
  ALLOC,
  ARENA,
  BASE_MASK,
  BTF_PTR,
  CTX,
  copyReg,
  DYNPTR_PTR,
  DYNPTR_SKB,
  DYNPTR_XDP,
  FUNC,
  MAP_PTR,
  MAP_VALUE,
  MAYBE_NULL,
  MEM,
  NON_OWN,
  PERCPU,
  RCU,
  RDONLY,
  Reg,
  SCALAR,
  STACK,
  scalarReg,
  TRUSTED,
  typeName,
  UNTRUSTED,
} from '../reg.ts'
import { processSpinLock } from '../resources/locks.ts'
import { acquireRef, clearPacketPointers, mapRegs, releaseRef } from '../resources/refs.ts'
import {
  createIrqFlag,
  createIter,
  destroyIter,
  destroyReleasedDynptr,
  dynptrOf,
  isIrqInit,
  isIrqUninit,
  isUninitIter,
  iterProblem,
  markIterRead,
  objectSlot,
  restoreIrqFlag,
} from '../resources/slots.ts'
import * as S from '../scalar/scalar.ts'
import { toUnsigned } from '../scalar/words.ts'
import { byteType, ITER, type State } from '../state.ts'
import { isNull } from '../values.ts'
import { pushAsyncCallback, pushCallback, timerCallback } from './callbacks.ts'
import { processDynptr } from './dynptr-args.ts'
import { clearCallerSaved } from './frames.ts'
import { checkMemArg } from './global.ts'
import { type GraphRoot, graphNodeReg, processGraphNode, processGraphRoot, setNonOwning } from './graph.ts'
import { classifyArg, hasSuffix, isScalarParam, kindWord, structOfReg } from './kfunc-args.ts'
import { newMeta } from './meta.ts'
import { checkConstString, processWorkqueue } from './special-args.ts'

/** What a call's arguments established. */
interface KfuncMeta {
  refId: number
  releaseRegno: number
  constant: number | undefined
  constantHigh: number
  returnSize: number
  returnRdonly: boolean
  dynptr: Reg | undefined
  iterSpi: number
  iterFrame: number
  iterSlots: number
  subprog: number
  argBtf: Reg['btf']
  argBtfId: number
  owningRef: boolean
  root: GraphRoot | undefined
}

export function callKfunc(env: Env, insn: Insn): 'next' | 'throw' {
  if (insn.imm === 0) {
    // Not resolved by the loader: fine as long as it is dead code.
    env.unresolvedKfunc = true
    env.insnIdx++
    return 'next'
  }
  const call = findKfunc(env, insn)
  if (!call?.facts) env.fail('EACCES', `calling kernel function ${call?.name ?? ''} is not allowed`)
  const proto = call.btf.type(call.protoId)
  if (proto.kind !== 'func_proto') env.fail('EINVAL')
  const { flags } = call.facts
  const { name } = call
  const { state } = env
  if (name === 'bpf_res_spin_lock' || name === 'bpf_res_spin_lock_irqsave') pushLockFailure(env)
  else if (name === '__bpf_trap') env.fail('EFAULT', 'unexpected __bpf_trap() due to uninitialized variable?')
  if (flags & KF.destructive && !env.caps.sysAdmin)
    env.fail('EACCES', 'destructive kfunc calls require CAP_SYS_BOOT capability')
  const sleepable = (flags & KF.sleepable) !== 0
  if (sleepable && !state.inSleepable) env.fail('EACCES', `program must be sleepable to call sleepable kfunc ${name}`)
  const meta = checkArgs(env, call, proto)
  if (name === 'bpf_rbtree_add_impl') {
    const root = meta.root!
    pushCallback(env, meta.subprog, (_caller, callee) => {
      callee.regs[1] = setNonOwning(env, graphNodeReg(root))
      callee.regs[2] = setNonOwning(env, graphNodeReg(root))
      callee.inCallback = true
      callee.callbackRange = { min: 0, max: 1 }
    })
  }
  if (name === 'bpf_session_cookie') {
    meta.returnSize = 8
    meta.returnRdonly = false
  }
  if (name === 'bpf_wq_set_callback_impl') pushAsyncCallback(env, meta.subprog, true, timerCallback())
  checkSections(env, call, sleepable)
  if (flags & KF.rcu_protected && !inRcu(env))
    env.fail('EACCES', `kernel func ${name} requires RCU critical section protection`)
  if (meta.releaseRegno) {
    const reg = state.frame.regs[meta.releaseRegno]!
    if (meta.dynptr?.refId) destroyReleasedDynptr(env, reg)
    else if (!releaseRef(env, reg.refId))
      env.fail('EINVAL', `kfunc ${name}#${insn.imm} reference has not been acquired before`)
  }
  if (name === 'bpf_list_push_front_impl' || name === 'bpf_list_push_back_impl' || name === 'bpf_rbtree_add_impl') {
    const { refId } = state.frame.regs[2]!
    mapRegs(state, (reg) => {
      if (reg.refId !== refId) return reg
      const r = copyReg(reg)
      r.refId = 0
      return setNonOwning(env, r)
    })
    releaseRef(env, refId)
  }
  if (name === 'bpf_throw') {
    env.seenException = true
    if (!env.exceptionCallbackSubprog) checkReturnOf(env, 1, 'R1')
    return 'throw'
  }
  clearCallerSaved(env, state.frame)
  setReturn(env, call, proto, meta)
  if (name === 'bpf_xdp_pull_data') clearPacketPointers(env)
  if (flags & KF.iter_next) processIterNext(env, meta)
  env.insnIdx++
  return 'next'
}

/** A resilient lock may fail: the path on which it did. */
function pushLockFailure(env: Env): void {
  const branch = pushBranch(env, env.insnIdx + 1, env.insnIdx, false)
  clearCallerSaved(env, branch.frame)
  const s = S.fresh()
  s.sminL = s.smin32 = -4095
  s.sminH = -1
  s.smaxL = s.smax32 = -1
  s.smaxH = -1
  branch.frame.regs[0] = scalarReg(S.sync(s))
}

/** RCU, preemption and interrupt sections: entering, leaving, and what may not be called in them. */
function checkSections(env: Env, call: KfuncCall, sleepable: boolean): void {
  const { state } = env
  const { name } = call
  if (name === 'bpf_rcu_read_lock') {
    if (env.nestedRcuRefused && state.rcuLocks) env.fail('EINVAL', `nested rcu read lock (kernel function ${name})`)
    state.rcuLocks++
  } else if (name === 'bpf_rcu_read_unlock') {
    if (!state.rcuLocks) env.fail('EINVAL', `unmatched rcu read unlock (kernel function ${name})`)
    if (--state.rcuLocks === 0) expireRcu(state)
  } else if (sleepable && state.rcuLocks)
    env.fail('EACCES', `kernel func ${name} is sleepable within rcu_read_lock region`)
  if (state.preemptLocks) {
    if (name === 'bpf_preempt_disable') state.preemptLocks++
    else if (name === 'bpf_preempt_enable') state.preemptLocks--
    else if (sleepable) env.fail('EACCES', `kernel func ${name} is sleepable within non-preemptible region`)
  } else if (name === 'bpf_preempt_disable') state.preemptLocks++
  else if (name === 'bpf_preempt_enable')
    env.fail('EINVAL', `unmatched attempt to enable preemption (kernel function ${name})`)
  if (state.irqId && sleepable) env.fail('EACCES', `kernel func ${name} is sleepable within IRQ-disabled region`)
}

/** RCU pointers outlive their section as untrusted ones. */
function expireRcu(state: State): void {
  const expire = (reg: Reg): Reg => {
    if (!(reg.type & RCU)) return reg
    const r = copyReg(reg)
    r.type = (r.type & ~(RCU | MAYBE_NULL)) | UNTRUSTED
    return r
  }
  mapRegs(state, expire)
  for (const frame of state.frames)
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i]!
      if (byteType(slot.types, 7) !== ITER) continue
      const now = expire(slot.reg)
      if (now !== slot.reg) frame.stack[i] = { types: slot.types, reg: now }
    }
}

function checkArgs(env: Env, call: KfuncCall, proto: BtfOf<'func_proto'>): KfuncMeta {
  const { btf, name } = call
  const { flags } = call.facts!
  const { params } = proto
  const meta: KfuncMeta = {
    refId: 0,
    releaseRegno: 0,
    constant: undefined,
    constantHigh: 0,
    returnSize: 0,
    returnRdonly: false,
    dynptr: undefined,
    iterSpi: -1,
    iterFrame: 0,
    iterSlots: 0,
    subprog: -1,
    argBtf: undefined,
    argBtfId: 0,
    owningRef: false,
    root: undefined,
  }
  if (params.length > 5) env.fail('EINVAL', `Function ${name} has ${params.length} > 5 args`)
  for (let i = 0; i < params.length; i++) {
    const param = params[i]!
    const regno = i + 1
    const { regs } = env.state.frame
    const reg = regs[regno]!
    if (hasSuffix(param, '__ign') || hasSuffix(param, '__prog')) continue
    if (isScalarParam(btf, param)) {
      checkScalarArg(env, param.name, regno, meta)
      continue
    }
    const pointer = skipModifiers(btf, param.type)
    if (pointer.kind !== 'ptr') env.fail('EINVAL', `Unrecognized arg#${i} type ${kindWord(pointer)}`)
    const nullable = hasSuffix(param, '__nullable')
    if (
      flags & (KF.trusted_args | KF.rcu | KF.release) &&
      (isNull(reg) || reg.type & MAYBE_NULL) &&
      !nullable &&
      !hasSuffix(param, '__opt')
    )
      env.fail('EACCES', `Possibly NULL pointer passed to trusted arg${i}`)
    if (reg.refId) {
      if (flags & KF.release && meta.refId)
        env.fail('EFAULT', `more than one arg with ref_obj_id R${regno} ${reg.refId} ${meta.refId}`)
      meta.refId = reg.refId
      if (flags & KF.release) meta.releaseRegno = regno
    }
    if ((flags & KF.arena_arg1 && i === 0) || (flags & KF.arena_arg2 && i === 1)) {
      if (reg.type !== SCALAR && (reg.type & BASE_MASK) !== ARENA)
        env.fail('EINVAL', `R${regno} is not a pointer to arena or scalar.`)
      continue
    }
    if (checkPointerArg(env, call, params, i, meta)) i++
  }
  if (flags & KF.release && !meta.releaseRegno)
    env.fail('EINVAL', `release kernel function ${name} expects refcounted PTR_TO_BTF_ID`)
  return meta
}

function checkScalarArg(env: Env, name: string, regno: number, meta: KfuncMeta): void {
  const reg = env.state.frame.regs[regno]!
  if (reg.type !== SCALAR) env.fail('EINVAL', `R${regno} is not a scalar`)
  const isSize = name.endsWith('rdonly_buf_size') || name.endsWith('rdwr_buf_size')
  if (!name.endsWith('__k') && !isSize) return
  if (!S.isConst(reg.s)) env.fail('EINVAL', isSize ? `R${regno} is not a const` : `R${regno} must be a known constant`)
  markPrecise(env, regno)
  if (isSize) {
    meta.returnSize = toUnsigned(reg.s.tnum.vL, reg.s.tnum.vH)
    meta.returnRdonly = name.endsWith('rdonly_buf_size')
    return
  }
  meta.constant = reg.s.tnum.vL
  meta.constantHigh = reg.s.tnum.vH
}

/** True when the next argument (a size) is done too. */
function checkPointerArg(
  env: Env,
  call: KfuncCall,
  params: BtfOf<'func_proto'>['params'],
  i: number,
  meta: KfuncMeta,
): boolean {
  const { btf, name } = call
  const { flags } = call.facts!
  const param = params[i]!
  const regno = i + 1
  const { regs } = env.state.frame
  const reg = regs[regno]!
  const base = reg.type & BASE_MASK
  const pointer = skipModifiers(btf, param.type)
  const target = skipModifiers(btf, pointer.kind === 'ptr' ? pointer.type : 0)
  const kind = classifyArg(env, call, params, i)
  if (kind === 'null') return false
  if ((kind === 'alloc' || kind === 'btf') && flags & (KF.trusted_args | KF.rcu | KF.release) && !trustedReg(reg)) {
    if (!(flags & KF.rcu)) env.fail('EINVAL', `R${regno} must be referenced or trusted`)
    if (!(reg.type & RCU)) env.fail('EINVAL', `R${regno} must be a rcu pointer`)
  }
  checkOffset(env, reg, regno, (flags & KF.release) !== 0 && reg.refId !== 0, kind === 'dynptr')
  const isAllocated = base === MAP_VALUE || reg.type === (BTF_PTR | ALLOC)
  switch (kind) {
    case 'ctx':
      if (reg.type !== CTX) env.fail('EINVAL', `arg#${i} expected pointer to ctx, but got ${typeName(reg.type)}`)
      break
    case 'alloc':
      if (reg.type === (BTF_PTR | ALLOC)) {
        if (name !== 'bpf_obj_drop_impl') env.fail('EINVAL', `arg#${i} expected for bpf_obj_drop_impl()`)
      } else if (reg.type === (BTF_PTR | ALLOC | PERCPU)) {
        if (name !== 'bpf_percpu_obj_drop_impl') env.fail('EINVAL', `arg#${i} expected for bpf_percpu_obj_drop_impl()`)
      } else env.fail('EINVAL', `arg#${i} expected pointer to allocated object`)
      if (!reg.refId) env.fail('EINVAL', 'allocated object must be referenced')
      meta.argBtf = reg.btf
      meta.argBtfId = reg.btfId
      break
    case 'dynptr':
      dynptrArg(env, name, hasSuffix(param, '__uninit'), regno, meta)
      break
    case 'iter':
      iterArg(env, call, target.id, regno, meta)
      break
    case 'list_head':
    case 'rb_root':
      if (!isAllocated) env.fail('EINVAL', `arg#${i} expected pointer to map value or allocated object`)
      if (reg.type === (BTF_PTR | ALLOC) && !reg.refId) env.fail('EINVAL', 'allocated object must be referenced')
      meta.root = processGraphRoot(env, regno, kind === 'list_head' ? 'bpf_list_head' : 'bpf_rb_root')
      break
    case 'list_node':
      if (reg.type !== (BTF_PTR | ALLOC)) env.fail('EINVAL', `arg#${i} expected pointer to allocated object`)
      if (!reg.refId) env.fail('EINVAL', 'allocated object must be referenced')
      processGraphNode(env, regno, 'bpf_list_head', 'bpf_list_node', meta.root!)
      break
    case 'rb_node':
      if (name === 'bpf_rbtree_add_impl') {
        if (reg.type !== (BTF_PTR | ALLOC)) env.fail('EINVAL', `arg#${i} expected pointer to allocated object`)
        if (!reg.refId) env.fail('EINVAL', 'allocated object must be referenced')
      } else if (!(reg.type & NON_OWN) && !reg.refId)
        env.fail('EINVAL', `${name} can only take non-owning or refcounted bpf_rb_node pointer`)
      processGraphNode(env, regno, 'bpf_rb_root', 'bpf_rb_node', meta.root!)
      break
    case 'map':
    case 'btf':
      btfArg(env, call, i, target.id, reg, kind === 'map')
      break
    case 'mem': {
      const size = btf.sizeOf(target.id)
      if (size < 0)
        env.fail(
          'EINVAL',
          `arg#${i} reference type('${kindWord(target)} ${target.name}') size cannot be determined: -22`,
        )
      checkMemArg(env, regno, size)
      break
    }
    case 'mem_size':
      memSizeArg(env, params, i, meta)
      return true
    case 'callback':
      if (reg.type !== FUNC) env.fail('EINVAL', `arg${i} expected pointer to func`)
      meta.subprog = reg.n
      break
    case 'refcounted':
      if (!(base === BTF_PTR && reg.type & ALLOC)) env.fail('EINVAL', `arg#${i} is neither owning or non-owning ref`)
      if (!(reg.type & NON_OWN)) meta.owningRef = true
      meta.argBtf = reg.btf
      meta.argBtfId = reg.btfId
      break
    case 'const_str':
      if (reg.type !== MAP_VALUE) env.fail('EINVAL', `arg#${i} doesn't point to a const string`)
      checkConstString(env, regno)
      break
    case 'workqueue':
    case 'task_work':
      if (reg.type !== MAP_VALUE) env.fail('EINVAL', `arg#${i} doesn't point to a map value`)
      processWorkqueue(env, regno, kind === 'workqueue' ? 'bpf_wq' : 'bpf_task_work')
      break
    case 'irq_flag':
      irqArg(env, name, i)
      break
    case 'res_lock':
      if (!isAllocated) env.fail('EINVAL', `arg#${i} doesn't point to map value or allocated object`)
      processSpinLock(
        env,
        regno,
        name.startsWith('bpf_res_spin_lock'),
        name.includes('irq') ? 'res_lock_irq' : 'res_lock',
      )
      break
    default:
  }
  return false
}

/** Trusted, or a pointer of a kind that cannot be anything else. */
const trustedReg = (reg: Reg): boolean => isTrusted(reg) || (reg.type & BASE_MASK) !== BTF_PTR

function checkOffset(env: Env, reg: Reg, regno: number, isRelease: boolean, isDynptr: boolean): void {
  if (isRelease) {
    if (isDynptr && reg.type === STACK) return
    if (reg.off)
      env.fail('EINVAL', `R${regno} must have zero offset when passed to release func or trusted arg to kfunc`)
    checkPtrOff(env, reg, regno, false, typeName(reg.type))
    return
  }
  switch (reg.type & BASE_MASK) {
    case BTF_PTR:
      checkPtrOff(env, reg, regno, true, typeName(reg.type))
      return
    case CTX:
    case FUNC:
    case MAP_PTR:
    case DYNPTR_PTR:
      checkPtrOff(env, reg, regno, false, typeName(reg.type))
      return
    default:
  }
}

function dynptrArg(env: Env, name: string, uninit: boolean, regno: number, meta: KfuncMeta): void {
  const reg = env.state.frame.regs[regno]!
  const readonly = (reg.type & BASE_MASK) === DYNPTR_PTR
  let kind: 'local' | 'ringbuf' | 'skb' | 'xdp' | 'skb_meta' | undefined
  let clone = 0
  if (name === 'bpf_dynptr_from_skb') kind = 'skb'
  else if (name === 'bpf_dynptr_from_xdp') kind = 'xdp'
  else if (name === 'bpf_dynptr_from_skb_meta') kind = 'skb_meta'
  else if (name === 'bpf_dynptr_clone' && uninit) {
    kind = meta.dynptr?.object?.dynptr
    clone = meta.dynptr?.refId ?? 0
  }
  processDynptr(
    env,
    regno,
    { kind: 'dynptr', ...(uninit ? { uninit: true as const } : {}), ...(readonly ? { readonly: true as const } : {}) },
    clone,
    kind,
  )
  if (!uninit) meta.dynptr = dynptrOf(env, reg)
}

function iterArg(env: Env, call: KfuncCall, structId: number, regno: number, meta: KfuncMeta): void {
  const reg = env.state.frame.regs[regno]!
  const { flags } = call.facts!
  if (reg.type !== STACK) env.fail('EINVAL', `arg#${regno - 1} expected pointer to an iterator on stack`)
  const iterName = nameOfType(call.btf, structId).replace(/^bpf_iter_/, '')
  const slots = Math.ceil(call.btf.sizeOf(structId) / 8)
  if (flags & KF.iter_new) {
    if (!isUninitIter(env, reg, slots))
      env.fail('EINVAL', `expected uninitialized iter_${iterName} as arg #${regno - 1}`)
    for (let i = 0; i < slots * 8; i += 8) checkMemAccess(env, { regno, offset: i, size: 8, type: 'write', value: -1 })
    const protectedBy = flags & KF.rcu_protected ? (inRcu(env) ? RCU : UNTRUSTED) : 0
    createIter(
      env,
      reg,
      { iterName, btf: call.btf, btfId: structId, active: true, depth: 0 },
      env.insnIdx,
      slots,
      protectedBy,
    )
    return
  }
  const problem = iterProblem(env, reg, iterName, slots)
  if (problem === 'EINVAL') env.fail('EINVAL', `expected an initialized iter_${iterName} as arg #${regno - 1}`)
  if (problem === 'EPROTO') env.fail('EPROTO', `expected an RCU CS when using ${call.name}`)
  const spi = objectSlot(env, reg, 'iter', slots)
  markIterRead(env, reg, spi, slots)
  meta.iterSpi = spi
  meta.iterFrame = reg.n
  meta.iterSlots = slots
  meta.refId = env.state.frames[reg.n]!.stack[spi]!.reg.refId
  if (flags & KF.iter_destroy) destroyIter(env, reg, slots)
}

function btfArg(env: Env, call: KfuncCall, i: number, wantedId: number, reg: Reg, isMap: boolean): void {
  const isBtf = (reg.type & BASE_MASK) === BTF_PTR
  const struct = structOfReg(reg)
  const unsafe = reg.type & ~BASE_MASK & ~(TRUSTED | ALLOC | RCU | NON_OWN | MAYBE_NULL)
  const isRcu = (reg.type & RCU) !== 0
  if ((!isBtf || (unsafe && !isRcu) || (reg.type & MAYBE_NULL && !isRcu)) && struct === undefined) {
    const shown = (reg.type & BASE_MASK) | (reg.type & (TRUSTED | ALLOC | NON_OWN))
    env.fail('EINVAL', `arg#${i} is ${typeName(reg.type)} expected ${typeName(shown)} or socket`)
  }
  if (isMap) return
  const btf = isBtf ? reg.btf! : env.facts.btf!
  const id = isBtf ? reg.btfId : (env.facts.btf?.find(struct!, 'struct') ?? 0)
  const { flags } = call.facts!
  const strict = (flags & KF.release) !== 0 && reg.refId !== 0
  if (structsMatch(btf, id, reg.off, call.btf, wantedId, strict)) return
  const wanted = call.btf.type(wantedId)
  const have = btf.type(id)
  if (wanted.name === '__sk_buff' && have.name === 'sk_buff') return
  env.fail(
    'EINVAL',
    `kernel function ${call.name} args#${i} expected pointer to ${kindWord(wanted)} ${wanted.name} but R${i + 1} has a pointer to ${kindWord(have)} ${have.name}`,
  )
}

function memSizeArg(env: Env, params: BtfOf<'func_proto'>['params'], i: number, meta: KfuncMeta): void {
  const regno = i + 1
  const { regs } = env.state.frame
  const buffer = regs[regno]!
  const size = regs[regno + 1]!
  if (!isNull(buffer) || !hasSuffix(params[i]!, '__opt')) {
    try {
      if (size.type !== SCALAR) env.fail('EINVAL', `R${regno + 1} is not a scalar`)
      const nullable = (buffer.type & MAYBE_NULL) !== 0
      if (nullable) {
        const r = copyReg(buffer)
        r.type &= ~MAYBE_NULL
        regs[regno] = r
      }
      checkMemSize(env, regno + 1, 'read', true, newMeta(0, undefined))
      if ((buffer.type & BASE_MASK) !== BTF_PTR) checkMemSize(env, regno + 1, 'write', true, newMeta(0, undefined))
      if (nullable) regs[regno] = buffer
    } catch (error) {
      if (error instanceof Reject) env.print(`arg#${i} arg#${i + 1} memory, len pair leads to invalid memory access\n`)
      throw error
    }
  }
  if (hasSuffix(params[i + 1]!, '__szk')) {
    if (!S.isConst(size.s)) env.fail('EINVAL', `R${regno + 1} must be a known constant`)
    meta.constant = size.s.tnum.vL
    meta.constantHigh = size.s.tnum.vH
  }
}

function irqArg(env: Env, name: string, i: number): void {
  const regno = i + 1
  const reg = env.state.frame.regs[regno]!
  const isLock = name.startsWith('bpf_res_spin')
  const saves = name === 'bpf_local_irq_save' || name === 'bpf_res_spin_lock_irqsave'
  if (reg.type !== STACK) env.fail('EINVAL', `arg#${i} doesn't point to an irq flag on stack`)
  if (saves) {
    if (!isIrqUninit(env, reg)) env.fail('EINVAL', `expected uninitialized irq flag as arg#${regno - 1}`)
    checkMemAccess(env, { regno, offset: 0, size: 8, type: 'write', value: -1 })
    createIrqFlag(env, reg, env.insnIdx, isLock)
    return
  }
  if (!isIrqInit(env, reg)) env.fail('EINVAL', `expected an initialized irq flag as arg#${regno - 1}`)
  restoreIrqFlag(env, reg, isLock)
}

// ---- The result ----

function setReturn(env: Env, call: KfuncCall, proto: BtfOf<'func_proto'>, meta: KfuncMeta): void {
  const { btf, name } = call
  const { flags } = call.facts!
  const { regs } = env.state.frame
  const type = skipModifiers(btf, proto.returnType)
  if (type.kind === 'void') return
  if (type.kind !== 'ptr') {
    regs[0] = scalarReg(S.ANY)
    if (name === 'bpf_res_spin_lock' || name === 'bpf_res_spin_lock_irqsave') regs[0] = scalarReg(S.KNOWN_ZERO)
    return
  }
  const target = skipModifiers(btf, type.type)
  const reg = new Reg()
  reg.s = S.KNOWN_ZERO
  if (!special(env, call, meta, reg, target.name)) {
    if (flags & KF.arena_ret || target.kind === 'void') {
      regs[0] = scalarReg(S.ANY)
      if (flags & KF.arena_ret) regs[0] = scalarReg(S.ANY)
      return
    }
    if (!isStruct(target)) {
      if (!meta.returnSize) {
        meta.returnSize = Math.max(0, btf.sizeOf(target.id))
        meta.returnRdonly = true
      }
      if (!meta.returnSize)
        env.fail(
          'EINVAL',
          `kernel function ${name} returns pointer type ${kindWord(target)} ${target.name} is not supported`,
        )
      reg.type = MEM | (meta.returnRdonly ? RDONLY : 0)
      reg.n = meta.returnSize
      reg.refId = meta.refId
      if (flags & KF.rcu_protected) reg.type |= RCU
    } else {
      reg.type = BTF_PTR
      reg.btf = btf
      reg.btfId = target.id
      if (name === 'bpf_get_kmem_cache') reg.type |= UNTRUSTED
      else if (flags & KF.rcu_protected) reg.type |= RCU
      if (flags & KF.iter_next) {
        const iter = env.state.frames[meta.iterFrame]!.stack[meta.iterSpi]!.reg
        reg.type |= iter.type & RCU ? RCU : TRUSTED
      }
    }
  }
  const nullable = (flags & KF.ret_null) !== 0 && !(name === 'bpf_refcount_acquire_impl' && meta.owningRef)
  if (nullable) {
    reg.type |= MAYBE_NULL
    reg.id = env.newId()
  }
  if (flags & KF.acquire) {
    const id = acquireRef(env, env.insnIdx)
    if (nullable) reg.id = id
    reg.refId = id
  } else if (target.name === 'bpf_rb_node' || target.name === 'bpf_list_node') {
    const owned = setNonOwning(env, reg)
    reg.type = owned.type
  }
  regs[0] = reg
  if (mayHoldLock(env, withoutNull(reg)) && !reg.id) reg.id = env.newId()
}

const withoutNull = (reg: Reg): Reg => {
  const r = copyReg(reg)
  r.type &= ~MAYBE_NULL
  return r
}

/** Kfuncs whose result depends on their arguments; false for all others. */
function special(env: Env, call: KfuncCall, meta: KfuncMeta, reg: Reg, target: string): boolean {
  const { name } = call
  switch (name) {
    case 'bpf_obj_new_impl':
    case 'bpf_percpu_obj_new_impl': {
      if (meta.constantHigh !== 0) env.fail('EINVAL', 'local type ID argument must be in range [0, U32_MAX]')
      const { btf } = env.input
      const id = (meta.constant ?? 0) >>> 0
      if (!btf) env.fail('EINVAL', 'bpf_obj_new/bpf_percpu_obj_new requires prog BTF')
      if (id === 0 || id >= btf.count || btf.type(id).kind !== 'struct')
        env.fail('EINVAL', 'bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct')
      reg.type = BTF_PTR | ALLOC | (name === 'bpf_percpu_obj_new_impl' ? PERCPU : 0)
      reg.btf = btf
      reg.btfId = id
      return true
    }
    case 'bpf_refcount_acquire_impl':
      reg.type = BTF_PTR | ALLOC
      reg.btf = meta.argBtf
      reg.btfId = meta.argBtfId
      return true
    case 'bpf_cast_to_kern_ctx': {
      const { context } = env.type
      const struct = context.kind === 'fields' ? (context.real === 'sock' ? 'sock' : context.real) : 'pt_regs'
      reg.type = BTF_PTR | TRUSTED
      reg.btf = call.btf
      reg.btfId = call.btf.find(struct, 'struct')
      return true
    }
    case 'bpf_rdonly_cast': {
      const id = meta.constant ?? 0
      if (id < 0 || id >= call.btf.count) env.fail('EINVAL', `Unknown type ID ${id} passed to kfunc bpf_rdonly_cast`)
      const type = call.btf.type(id)
      if (isStruct(type)) {
        reg.type = BTF_PTR | UNTRUSTED
        reg.btf = call.btf
        reg.btfId = id
      } else if (type.kind === 'void') {
        reg.type = MEM | RDONLY | UNTRUSTED
        reg.n = 0
      } else env.fail('EINVAL', 'kfunc bpf_rdonly_cast type ID argument must be of a struct or void')
      return true
    }
    case 'bpf_dynptr_slice':
    case 'bpf_dynptr_slice_rdwr': {
      const kind = meta.dynptr?.object?.dynptr
      reg.type = MEM | (kind === 'skb' ? DYNPTR_SKB : kind === 'xdp' ? DYNPTR_XDP : 0)
      reg.n = meta.constant ?? 0
      if (name === 'bpf_dynptr_slice') reg.type |= RDONLY
      else if (!mayAccessPacket(env, undefined, 'write'))
        env.fail('EINVAL', 'the prog does not allow writes to packet data')
      reg.dynptrId = meta.dynptr?.id ?? 0
      return true
    }
    default:
  }
  if ((target === 'bpf_list_node' || target === 'bpf_rb_node') && meta.root) {
    const node = graphNodeReg(meta.root)
    reg.type = node.type
    reg.btf = node.btf
    reg.btfId = node.btfId
    reg.off = node.off
    return true
  }
  return false
}

/** iter_next(): one path gets an element and may come back, the current one sees the end. */
function processIterNext(env: Env, meta: KfuncMeta): void {
  const { state } = env
  const iterOf = (s: State): Reg => s.frames[meta.iterFrame]!.stack[meta.iterSpi]!.reg
  const iter = iterOf(state)
  if (iter.object?.active) {
    const at = env.insnIdx
    // The parent is the checkpoint of this very visit.
    let previous: State | undefined = state.parent?.parent
    while (previous && !(previous.insnIdx === at && sameChain(previous, state))) previous = previous.parent
    const queued = pushBranch(env, at + 1, at, false)
    const depth = (iter.object.depth ?? 0) + 1
    replaceIter(queued, meta, { ...iter.object, active: true, depth })
    if (previous) widenImprecise(previous, queued)
    const element = copyReg(queued.frame.regs[0]!)
    element.type &= ~MAYBE_NULL
    if (!mayHoldLock(env, element)) element.id = queued.frame.regs[0]!.id
    queued.frame.regs[0] = element
  }
  replaceIter(state, meta, { ...iter.object!, active: false, drained: true })
  state.frame.regs[0] = scalarReg(S.KNOWN_ZERO)
}

function replaceIter(state: State, meta: KfuncMeta, object: NonNullable<Reg['object']>): void {
  const frame = state.frames[meta.iterFrame]!
  const slot = frame.stack[meta.iterSpi]!
  const reg = copyReg(slot.reg)
  reg.object = object
  frame.stack[meta.iterSpi] = { types: slot.types, reg }
}

function sameChain(a: State, b: State): boolean {
  return a.frames.length === b.frames.length && a.frames.every((frame, i) => frame.callsite === b.frames[i]!.callsite)
}
