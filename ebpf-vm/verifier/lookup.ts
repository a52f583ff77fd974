// Finding helpers and kfuncs: their names, prototypes, whether this program may call them, and which of them call back.

import { type HelperProto, KF } from '../../base/facts.ts'
import { type Insn, isHelperCall, isKfuncCall } from '../isa/insn.ts'
import type { Env, KfuncCall } from './env.ts'

/** The prototype by which this program type may call a helper; undefined when it may not. */
export function findHelper(env: Env, id: number): HelperProto | undefined {
  if (env.helperCache.has(id)) return env.helperCache.get(id)
  let found: HelperProto | undefined
  for (const group of [...env.type.helpers, 'base']) {
    found = env.facts.helpers.find((proto) => proto.id === id && proto.groups.includes(group))
    if (found) break
  }
  if (found?.needs === 'bpf' && !env.caps.bpf) found = undefined
  if (found?.needs === 'perfmon' && !env.caps.perfmon) found = undefined
  env.helperCache.set(id, found)
  return found
}

const SYNC_CALLBACKS: ReadonlySet<number> = new Set([164, 180, 181, 209])
const TIMER_SET_CALLBACK = 170

export const isSyncCallbackHelper = (id: number): boolean => SYNC_CALLBACKS.has(id)
export const isAsyncCallbackHelper = (id: number): boolean => id === TIMER_SET_CALLBACK
export const isSyncCallbackKfunc = (name: string): boolean => name === 'bpf_rbtree_add_impl'
export const isAsyncCallbackKfunc = (name: string): boolean =>
  name === 'bpf_wq_set_callback_impl' || name.startsWith('bpf_task_work_schedule_')

/** Calls that walk their callback before they return. */
export function isSyncCallbackInsn(env: Env, insn: Insn): boolean {
  if (isHelperCall(insn)) return isSyncCallbackHelper(insn.imm)
  if (!isKfuncCall(insn)) return false
  const call = findKfunc(env, insn)
  return call !== undefined && isSyncCallbackKfunc(call.name)
}

/** The kfunc that a call names by BTF id (in vmlinux, or in the module behind its offset). */
export function findKfunc(env: Env, insn: Insn): KfuncCall | undefined {
  const key = `${insn.imm}:${insn.off}`
  if (env.kfuncCalls.has(key)) return env.kfuncCalls.get(key)
  const found = resolve(env, insn)
  env.kfuncCalls.set(key, found)
  return found
}

function resolve(env: Env, insn: Insn): KfuncCall | undefined {
  if (insn.imm === 0 && insn.off === 0) return undefined
  if (!env.gpl) env.fail('EINVAL', 'cannot call kernel function from non-GPL compatible program')
  const module = insn.off === 0 ? undefined : env.input.btfByFdIndex?.(insn.off)
  const btf = insn.off === 0 ? env.facts.btf : module?.btf
  if (!btf) env.fail('EINVAL', 'calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF')
  if (insn.imm <= 0 || insn.imm >= btf.count) env.fail('EINVAL', `kernel btf_id ${insn.imm} is not a function`)
  const type = btf.type(insn.imm)
  if (type.kind !== 'func') env.fail('EINVAL', `kernel btf_id ${insn.imm} is not a function`)
  const proto = btf.type(type.type)
  if (proto.kind !== 'func_proto') env.fail('EINVAL', `kernel function ${type.name} does not have a valid func_proto`)
  const hooks = new Set(['common', env.type.kfuncs])
  const facts = env.facts.kfuncs.find(
    (row) =>
      row.name === type.name &&
      row.hooks.some((hook) => hooks.has(hook)) &&
      (row.programTypes === undefined || row.programTypes.includes(env.input.type)),
  )
  return { facts, name: type.name, btf, btfId: insn.imm, protoId: type.type, module: module?.name }
}

/** How many registers a call reads, and whether it keeps the rest. */
export function callSummary(
  env: Env,
  insn: Insn,
): { parameters: number; fastcall: boolean; returnsVoid: boolean } | undefined {
  if (isHelperCall(insn)) {
    const proto = findHelper(env, insn.imm)
    if (!proto) return undefined
    return { parameters: proto.args.length, fastcall: proto.fastcall === true, returnsVoid: proto.returns === 'void' }
  }
  if (!isKfuncCall(insn)) return undefined
  const call = findKfunc(env, insn)
  if (!call) return undefined
  const proto = call.btf.type(call.protoId)
  if (proto.kind !== 'func_proto' || !call.facts) return undefined
  return {
    parameters: proto.params.length,
    fastcall: (call.facts.flags & KF.fastcall) !== 0,
    returnsVoid: proto.returnType === 0,
  }
}
