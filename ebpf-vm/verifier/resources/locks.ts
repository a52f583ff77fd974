// Spin locks in map values and allocated objects: one at a time, given back before anything else may happen.

import type { Env } from '../env.ts'
import { type FieldKind, fieldsOfMap, fieldsOfType, type MapField } from '../map-fields.ts'
import { BASE_MASK, MAP_VALUE, type Reg } from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber } from '../scalar/words.ts'
import type { Ref } from '../state.ts'
import { invalidateNonOwning } from './refs.ts'

/** Special fields of what a register points to. */
export function fieldsOf(env: Env, reg: Reg): readonly MapField[] {
  if ((reg.type & BASE_MASK) === MAP_VALUE) return fieldsOfMap(reg.map!, env.facts.btf)
  return reg.btf ? fieldsOfType(reg.btf, reg.btfId, env.facts.btf) : []
}

/** What tells two locks apart: the map, or the allocation's BTF. */
const ownerOf = (reg: Reg): unknown => reg.map ?? reg.btf

export function processSpinLock(
  env: Env,
  regno: number,
  lock: boolean,
  kind: 'lock' | 'res_lock' | 'res_lock_irq' = 'lock',
): void {
  const { state } = env
  const reg = state.frame.regs[regno]!
  const isMap = (reg.type & BASE_MASK) === MAP_VALUE
  const fieldKind: FieldKind = kind === 'lock' ? 'bpf_spin_lock' : 'bpf_res_spin_lock'
  const name = kind === 'lock' ? 'bpf_spin' : 'bpf_res_spin'
  if (!S.isConst(reg.s))
    env.fail('EINVAL', `R${regno} doesn't have constant offset. ${name}_lock has to be at the constant offset`)
  if (isMap && !reg.map!.btf) env.fail('EINVAL', `map '${reg.map!.name}' has to have BTF in order to use ${name}_lock`)
  const field = fieldsOf(env, reg).find((f) => f.kind === fieldKind)
  if (!field)
    env.fail('EINVAL', `${isMap ? 'map' : 'local'} '${isMap ? reg.map!.name : 'kptr'}' has no valid ${name}_lock`)
  const at = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  if (field.offset !== at)
    env.fail('EINVAL', `off ${at} doesn't point to 'struct ${name}_lock' that is at ${field.offset}`)
  const owner = ownerOf(reg)
  if (lock) {
    if (kind === 'lock') {
      if (state.activeLocks) env.fail('EINVAL', 'Locking two bpf_spin_locks are not allowed')
    } else if (state.activeLocks) {
      if (state.refs.some((ref) => isLock(ref) && ref.id === reg.id && ref.pointer === owner))
        env.fail('EINVAL', 'Acquiring the same lock again, AA deadlock detected')
    }
    const ref: Ref = { kind, id: reg.id, insn: env.insnIdx, pointer: owner }
    state.refs = [...state.refs, ref]
    state.activeLocks++
    state.lockId = reg.id
    state.lockPointer = owner
    return
  }
  if (!state.activeLocks) env.fail('EINVAL', `${name}_unlock without taking a lock`)
  const held = state.refs.find((ref) => ref.kind === kind && ref.id === reg.id && ref.pointer === owner)
  if (!held) {
    if (state.refs.some((ref) => isLock(ref) && ref.kind !== kind))
      env.fail('EINVAL', `${name}_unlock of different lock`)
    env.fail('EINVAL', `${name}_unlock of different lock`)
  }
  if (reg.id !== state.lockId || owner !== state.lockPointer)
    env.fail('EINVAL', `${name}_unlock cannot be out of order`)
  state.refs = state.refs.filter((ref) => ref !== held)
  state.activeLocks--
  state.lockId = 0
  state.lockPointer = undefined
  for (const ref of state.refs) {
    if (!isLock(ref)) continue
    state.lockId = ref.id
    state.lockPointer = ref.pointer
  }
  invalidateNonOwning(env)
}

const isLock = (ref: Ref): boolean => ref.kind === 'lock' || ref.kind === 'res_lock' || ref.kind === 'res_lock_irq'
