// Kernel pointers kept in map values: what may be stored into a field.

import { nameOfType, resolveId } from '../btf-types.ts'
import type { Env } from '../env.ts'
import type { MapField } from '../map-fields.ts'
import { ALLOC, BASE_MASK, BTF_PTR, MAYBE_NULL, PERCPU, RCU, type Reg, TRUSTED, typeName, UNTRUSTED } from '../reg.ts'
import { checkPtrOff } from './region.ts'
import { structsMatch } from './structs-match.ts'

export function kptrMatches(env: Env, field: MapField, reg: Reg, regno: number): void {
  const target = nameOfType(field.btf!, field.btfId!)
  let allowed: number
  if (field.btf === env.facts.btf || env.isKernelBtf(field.btf!)) {
    allowed = MAYBE_NULL | TRUSTED | RCU
    if (field.kind === 'kptr_untrusted') allowed |= UNTRUSTED
  } else {
    allowed = MAYBE_NULL | ALLOC
    if (field.kind === 'percpu_kptr') allowed |= PERCPU
  }
  const isBtf = (reg.type & BASE_MASK) === BTF_PTR
  const name = isBtf ? nameOfType(reg.btf!, reg.btfId) : ''
  const bad = (): never => {
    let text = `invalid kptr access, R${regno} type=${typeName(reg.type)}${name} expected=${typeName(BTF_PTR)}${target}`
    if (field.kind === 'kptr_untrusted') text += ` or ${typeName(BTF_PTR | UNTRUSTED)}${target}`
    env.fail('EACCES', text)
  }
  if (!isBtf || reg.type & ~BASE_MASK & ~allowed) bad()
  checkPtrOff(env, reg, regno, true, typeName(reg.type))
  if (reg.btf !== field.btf && !(reg.btf && field.btf && nameOfType(reg.btf, reg.btfId) === target)) bad()
  const strict = field.kind === 'kptr' || field.kind === 'percpu_kptr'
  if (!structsMatch(reg.btf!, resolveId(reg.btf!, reg.btfId), reg.off, field.btf!, field.btfId!, strict)) bad()
}
