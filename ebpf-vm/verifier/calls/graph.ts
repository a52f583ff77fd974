// Linked lists and red-black trees of allocated objects: roots in map values or objects under a lock, nodes within objects.

import type { Btf } from '../../../base/btf/btf.ts'
import { structsMatch } from '../access/structs-match.ts'
import { nameOfType } from '../btf-types.ts'
import type { Env } from '../env.ts'
import { fieldsOfType } from '../map-fields.ts'
import { ALLOC, BTF_PTR, copyReg, NON_OWN, RCU, Reg } from '../reg.ts'
import { fieldsOf } from '../resources/locks.ts'
import * as S from '../scalar/scalar.ts'
import { toNumber } from '../scalar/words.ts'

export interface GraphRoot {
  readonly btf: Btf
  readonly btfId: number
  readonly nodeOffset: number
}

type RootKind = 'bpf_list_head' | 'bpf_rb_root'
type NodeKind = 'bpf_list_node' | 'bpf_rb_node'

function offsetOf(env: Env, reg: Reg, regno: number, what: string): number {
  if (!S.isConst(reg.s))
    env.fail('EINVAL', `R${regno} doesn't have constant offset. ${what} has to be at the constant offset`)
  return reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
}

export function processGraphRoot(env: Env, regno: number, kind: RootKind): GraphRoot {
  const reg = env.state.frame.regs[regno]!
  const at = offsetOf(env, reg, regno, kind)
  const fields = fieldsOf(env, reg)
  const field = fields.find((f) => f.kind === kind && f.offset === at)
  if (!field) env.fail('EINVAL', `${kind} not found at offset=${at}`)
  const lock = fields.find((f) => f.kind === 'bpf_spin_lock' || f.kind === 'bpf_res_spin_lock')
  const { state } = env
  const owner = reg.map ?? reg.btf
  const isHeld = state.refs.some(
    (ref) => ref.kind !== 'ptr' && ref.kind !== 'irq' && ref.id === reg.id && ref.pointer === owner,
  )
  if (!isHeld) {
    if (state.activeLocks) env.print('held lock and object are not in the same allocation\n')
    env.fail('EINVAL', `bpf_spin_lock at off=${lock?.offset ?? -1} must be held for ${kind}`)
  }
  return { btf: field.btf!, btfId: field.btfId!, nodeOffset: field.nodeOffset! }
}

export function processGraphNode(env: Env, regno: number, rootKind: RootKind, kind: NodeKind, root: GraphRoot): void {
  const reg = env.state.frame.regs[regno]!
  const at = offsetOf(env, reg, regno, kind)
  const field = fieldsOfType(reg.btf!, reg.btfId, env.facts.btf).find((f) => f.kind === kind && f.offset === at)
  if (!field) env.fail('EINVAL', `${kind} not found at offset=${at}`)
  const wanted = nameOfType(root.btf, root.btfId)
  if (!structsMatch(reg.btf!, reg.btfId, 0, root.btf, root.btfId, true))
    env.fail(
      'EINVAL',
      `operation on ${rootKind} expects arg#1 ${kind} at offset=${root.nodeOffset} in struct ${wanted}, but arg is at offset=${at} in struct ${nameOfType(reg.btf!, reg.btfId)}`,
    )
  if (at !== root.nodeOffset)
    env.fail('EINVAL', `arg#1 offset=${at}, but expected ${kind} at offset=${root.nodeOffset} in struct ${wanted}`)
}

/** A pointer to the node within an object of the collection. */
export function graphNodeReg(root: GraphRoot): Reg {
  const reg = new Reg()
  reg.type = BTF_PTR | ALLOC
  reg.s = S.KNOWN_ZERO
  reg.btf = root.btf
  reg.btfId = root.btfId
  reg.off = root.nodeOffset
  return reg
}

/** The collection owns the object; the reference is good while the lock is held. */
export function setNonOwning(env: Env, reg: Reg): Reg {
  const r = copyReg(reg)
  r.type |= NON_OWN
  const hasRefcount = fieldsOfType(reg.btf!, reg.btfId, env.facts.btf).some((f) => f.kind === 'bpf_refcount')
  if (hasRefcount) r.type |= RCU
  return r
}
