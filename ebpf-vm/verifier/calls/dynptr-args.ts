// Dynptr arguments of helpers and kfuncs.

import type { ArgSpec } from '../../../base/facts.ts'
import { checkMemAccess } from '../access/mem.ts'
import type { Env } from '../env.ts'
import { BASE_MASK, DYNPTR_PTR, type SlotObject, STACK } from '../reg.ts'
import { canHoldDynptr, createDynptr, dynptrOf, isDynptr, markDynptrRead } from '../resources/slots.ts'

export function processDynptr(
  env: Env,
  regno: number,
  spec: ArgSpec,
  cloneRefId: number,
  kind?: SlotObject['dynptr'],
  rdonly = false,
): void {
  const reg = env.state.frame.regs[regno]!
  const base = reg.type & BASE_MASK
  if (reg.type !== STACK && base !== DYNPTR_PTR)
    env.fail('EINVAL', `arg#${regno - 1} expected pointer to stack or const struct bpf_dynptr`)
  if (spec.uninit) {
    if (!canHoldDynptr(env, reg)) env.fail('EINVAL', 'Dynptr has to be an uninitialized dynptr')
    for (let i = 0; i < 16; i += 8) checkMemAccess(env, { regno, offset: i, size: 8, type: 'write', value: -1 })
    createDynptr(env, reg, kind ?? spec.dynptr ?? 'local', env.insnIdx, cloneRefId, rdonly)
    return
  }
  if (base === DYNPTR_PTR && !spec.readonly)
    env.fail('EINVAL', 'cannot pass pointer to const bpf_dynptr, the helper mutates it')
  if (!isDynptr(env, reg)) env.fail('EINVAL', `Expected an initialized dynptr as arg #${regno - 1}`)
  if (spec.dynptr && dynptrOf(env, reg).object?.dynptr !== spec.dynptr)
    env.fail('EINVAL', `Expected a dynptr of type ${spec.dynptr} as arg #${regno - 1}`)
  markDynptrRead(env, reg)
}
