// Loads through a map pointer itself: the members of struct bpf_map, as BTF has them.

import type { Env } from '../env.ts'
import { mapStructOf } from '../map-structs.ts'
import { BTF_PTR, Reg, scalarReg } from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { walkStruct } from './btf.ts'
import { type AccessType, formatTnum } from './region.ts'

export function checkMapPtrAccess(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  type: AccessType,
  into: number,
): void {
  const reg = env.state.frame.regs[regno]!
  const { btf } = env.facts
  if (!btf) env.fail('ENOTSUPP', 'map_ptr access not supported without CONFIG_DEBUG_INFO_BTF')
  const structId = btf.find(mapStructOf(reg.map!.type), 'struct')
  if (!structId) env.fail('ENOTSUPP', `map_ptr access not supported for map type ${reg.map!.type}`)
  if (!env.allowPtrLeaks)
    env.fail('EPERM', `'struct ${btf.type(structId).name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN`)
  if (offset < 0) env.fail('EACCES', `R${regno} is ${btf.type(structId).name} invalid negative access: off=${offset}`)
  if (type !== 'read') env.fail('EACCES', 'only read from ' + btf.type(structId).name + ' is supported')
  if (!S.isConst(reg.s) || (reg.s.tnum.vL | reg.s.tnum.vH) !== 0)
    env.fail('EACCES', `R${regno} variable map_ptr access var_off=${formatTnum(reg.s.tnum)}`)
  const fake = new Reg()
  fake.type = BTF_PTR
  fake.btf = btf
  fake.btfId = structId
  const walk = walkStruct(env, fake, offset, size)
  if (into < 0) return
  if (walk.kind === 'ptr') {
    const made = new Reg()
    made.type = BTF_PTR
    made.s = S.KNOWN_ZERO
    made.btf = btf
    made.btfId = walk.btfId
    env.state.frame.regs[into] = made
  } else env.state.frame.regs[into] = scalarReg(S.ANY)
}
