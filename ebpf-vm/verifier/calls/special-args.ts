// Arguments that are fields of map values: timers, kernel pointers, constant strings.

import { MAP_TYPE } from '../../uapi.ts'
import { checkMapAccess } from '../access/map.ts'
import type { Env } from '../env.ts'
import { fieldsOfMap, isKptr } from '../map-fields.ts'
import { BASE_MASK, MAP_VALUE } from '../reg.ts'
import { fieldsOf } from '../resources/locks.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber } from '../scalar/words.ts'
import type { HelperMeta } from './meta.ts'

export function processTimer(env: Env, regno: number, meta: HelperMeta): void {
  const reg = env.state.frame.regs[regno]!
  const map = reg.map!
  if (!S.isConst(reg.s))
    env.fail('EINVAL', `R${regno} doesn't have constant offset. bpf_timer has to be at the constant offset`)
  if (!map.btf) env.fail('EINVAL', `map '${map.name}' has to have BTF in order to use bpf_timer`)
  const field = fieldsOfMap(map, env.facts.btf).find((f) => f.kind === 'bpf_timer')
  if (!field) env.fail('EINVAL', `map '${map.name}' has no valid bpf_timer`)
  const at = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  if (field.offset !== at)
    env.fail('EINVAL', `off ${at} doesn't point to 'struct bpf_timer' that is at ${field.offset}`)
  meta.map = map
  meta.mapUid = reg.mapUid
}

export function processKptr(env: Env, regno: number, meta: HelperMeta): void {
  const reg = env.state.frame.regs[regno]!
  const isMap = (reg.type & BASE_MASK) === MAP_VALUE
  if (isMap && !reg.map!.btf) env.fail('EINVAL', `map '${reg.map!.name}' has to have BTF in order to use bpf_kptr_xchg`)
  const fields = fieldsOf(env, reg)
  if (!fields.some((f) => isKptr(f.kind)))
    env.fail('EINVAL', isMap ? `map '${reg.map!.name}' has no valid kptr` : `R${regno} has no valid kptr`)
  if (!S.isConst(reg.s))
    env.fail('EINVAL', `R${regno} doesn't have constant offset. kptr has to be at the constant offset`)
  const at = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  const field = fields.find((f) => f.offset === at && isKptr(f.kind))
  if (!field) env.fail('EACCES', `off=${at} doesn't point to kptr`)
  if (field.kind !== 'kptr' && field.kind !== 'percpu_kptr') env.fail('EACCES', `off=${at} kptr isn't referenced kptr`)
  meta.kptrField = field
  if (isMap) {
    meta.map = reg.map
    meta.mapFound = true
  }
}

/** A string that lies, with its end, in a frozen read-only map. */
export function checkConstString(env: Env, regno: number): void {
  const reg = env.state.frame.regs[regno]!
  if (reg.type !== MAP_VALUE) env.fail('EINVAL')
  const map = reg.map!
  if (!(map.mapFlags & (1 << 7)) || !map.frozen) env.fail('EACCES', `R${regno} does not point to a readonly map'`)
  if (!S.isConst(reg.s)) env.fail('EACCES', `R${regno} is not a constant address'`)
  if (map.type !== MAP_TYPE.array) env.fail('EACCES', 'no direct value access support for this map type')
  const at = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  checkMapAccess(env, regno, reg.off, Math.max(0, map.valueSize - at), false, false)
  const bytes = map.readonlyBytes?.()
  if (bytes && bytes.indexOf(0, at) < 0) env.fail('EINVAL', 'string is not zero-terminated')
}

/** A bpf_wq or bpf_task_work in a map value. */
export function processWorkqueue(env: Env, regno: number, kind: 'bpf_wq' | 'bpf_task_work'): void {
  const reg = env.state.frame.regs[regno]!
  const map = reg.map!
  if (!S.isConst(reg.s))
    env.fail('EINVAL', `R${regno} doesn't have constant offset. ${kind} has to be at the constant offset`)
  if (!map.btf) env.fail('EINVAL', `map '${map.name}' has to have BTF in order to use ${kind}`)
  const field = fieldsOfMap(map, env.facts.btf).find((f) => f.kind === kind)
  if (!field) env.fail('EINVAL', `map '${map.name}' has no valid ${kind}`)
  const at = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  if (field.offset !== at) env.fail('EINVAL', `off ${at} doesn't point to 'struct ${kind}' that is at ${field.offset}`)
}
