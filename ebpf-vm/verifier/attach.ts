// What the program attaches to: a vmlinux function, tracepoint, LSM hook or iterator, found by BTF id; and who may be sleepable.

import { ATTACH_TYPE, PROG_TYPE } from '../uapi.ts'
import { isStruct, skipModifiers } from './btf-types.ts'
import type { Env } from './env.ts'

export function checkAttachTarget(env: Env): void {
  const { type, expectedAttachType, attachBtfId } = env.input
  if (type === PROG_TYPE.syscall) {
    if (env.sleepable) return
    env.fail('EINVAL', 'Syscall programs can only be sleepable')
  }
  if (env.sleepable && !maySleep(env))
    env.fail('EINVAL', 'Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable')
  const usesBtf =
    type === PROG_TYPE.tracing || type === PROG_TYPE.lsm || type === PROG_TYPE.ext || type === PROG_TYPE.struct_ops
  if (!usesBtf || !attachBtfId) {
    if (type === PROG_TYPE.tracing || type === PROG_TYPE.lsm) env.fail('EINVAL', 'Tracing programs must provide btf_id')
    return
  }
  const module = env.input.attachModule
  const btf = module ? env.facts.modules.find((m) => m.name === module)?.btf : env.facts.btf
  if (!btf || attachBtfId >= btf.count) env.fail('EINVAL', `attach_btf_id ${attachBtfId} is invalid`)
  const target = btf.type(attachBtfId)
  if (type === PROG_TYPE.struct_ops) {
    env.attach = structOpsTarget(env, attachBtfId)
    return
  }
  if (!target.name) env.fail('EINVAL', `attach_btf_id ${attachBtfId} doesn't have a name`)
  if (type === PROG_TYPE.tracing && expectedAttachType === ATTACH_TYPE.trace_raw_tp) {
    if (target.kind !== 'typedef') env.fail('EINVAL', `attach_btf_id ${attachBtfId} is not a typedef`)
    if (!target.name.startsWith('btf_trace_'))
      env.fail('EINVAL', `attach_btf_id ${attachBtfId} points to wrong type name ${target.name}`)
    const pointer = btf.type(target.type)
    const proto = pointer.kind === 'ptr' ? btf.type(pointer.type) : undefined
    if (proto?.kind !== 'func_proto') env.fail('EINVAL')
    env.attach = { name: target.name, protoId: proto.id, btf }
    return
  }
  if (target.kind !== 'func') env.fail('EINVAL', `attach_btf_id ${attachBtfId} is not a function`)
  env.attach = { name: target.name, protoId: target.type, btf }
  if (expectedAttachType === ATTACH_TYPE.trace_iter && type === PROG_TYPE.tracing) {
    if (!target.name.startsWith('bpf_iter_')) env.fail('EINVAL', `attach_btf_id ${attachBtfId} is not a function`)
    env.attach.name = target.name
    return
  }
  checkRestrictions(env, target.name)
}

function checkRestrictions(env: Env, name: string): void {
  const { facts } = env
  const { type, expectedAttachType } = env.input
  if (type === PROG_TYPE.lsm) {
    if (!name.startsWith('bpf_lsm_'))
      env.fail('EINVAL', `attach_btf_id ${env.input.attachBtfId} points to wrong type name ${name}`)
    if (facts.lsmDisabled?.has(name))
      env.fail('EINVAL', `attach_btf_id ${env.input.attachBtfId} points to disabled hook ${name}`)
    if (env.sleepable && facts.lsmSleepable && !facts.lsmSleepable.has(name))
      env.fail('EINVAL', `${name} is not sleepable`)
    if (!env.gpl) env.fail('EINVAL', 'LSM programs must have a GPL compatible license')
    return
  }
  if (type === PROG_TYPE.tracing && facts.tracingDenied?.has(name))
    env.fail('EINVAL', `Attaching tracing programs to function '${name}' is rejected.`)
  if (expectedAttachType === ATTACH_TYPE.modify_return) {
    const allowed = facts.errorInjection?.has(name) || name.startsWith('security_') || name.startsWith('__x64_sys_')
    if (facts.errorInjection && !allowed) env.fail('EINVAL', `${name}() is not modifiable`)
  }
  if (env.sleepable) {
    const allowed =
      facts.errorInjection?.has(name) || facts.sleepableTargets?.has(name) || name.startsWith('__x64_sys_')
    if (!allowed && (facts.errorInjection || facts.sleepableTargets)) env.fail('EINVAL', `${name} is not sleepable`)
  }
}

function structOpsTarget(
  env: Env,
  structId: number,
): { name: string; protoId: number; btf: NonNullable<typeof env.facts.btf> } {
  const btf = env.facts.btf!
  const struct = btf.type(structId)
  if (!isStruct(struct)) env.fail('ENOTSUPP', `attach_btf_id ${structId} is not a supported struct`)
  const member = struct.members[env.input.expectedAttachType]
  if (!member)
    env.fail('EINVAL', `attach to invalid member idx ${env.input.expectedAttachType} of struct ${struct.name}`)
  const pointer = skipModifiers(btf, member.type)
  const proto = pointer.kind === 'ptr' ? skipModifiers(btf, pointer.type) : undefined
  if (proto?.kind !== 'func_proto')
    env.fail(
      'EINVAL',
      `attach to invalid member ${member.name}(@idx ${env.input.expectedAttachType}) of struct ${struct.name}`,
    )
  return { name: member.name, protoId: proto.id, btf }
}

function maySleep(env: Env): boolean {
  const { type, expectedAttachType } = env.input
  switch (type) {
    case PROG_TYPE.tracing:
      return (
        expectedAttachType === ATTACH_TYPE.trace_fentry ||
        expectedAttachType === ATTACH_TYPE.trace_fexit ||
        expectedAttachType === ATTACH_TYPE.modify_return ||
        expectedAttachType === ATTACH_TYPE.trace_iter
      )
    case PROG_TYPE.lsm:
      return expectedAttachType !== ATTACH_TYPE.lsm_cgroup
    case PROG_TYPE.kprobe:
    case PROG_TYPE.struct_ops:
      return true
    default:
      return false
  }
}
