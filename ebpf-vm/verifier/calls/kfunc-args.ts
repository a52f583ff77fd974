// One pointer argument of a kfunc: what its BTF type and name ask for.

import type { Btf } from '../../../base/btf/btf.ts'
import type { BtfParam, BtfType } from '../../../base/btf/types.ts'
import { KF } from '../../../base/facts.ts'
import { isStruct, skipModifiers } from '../btf-types.ts'
import type { Env, KfuncCall } from '../env.ts'
import { BASE_MASK, BTF_PTR, MAP_PTR, type Reg, SOCK_COMMON, SOCKET, TCP_SOCK } from '../reg.ts'
import { isNull } from '../values.ts'
import { contextStructOf } from './context-struct.ts'

export type KfuncArg =
  | 'ctx'
  | 'null'
  | 'alloc'
  | 'refcounted'
  | 'dynptr'
  | 'iter'
  | 'list_head'
  | 'list_node'
  | 'rb_root'
  | 'rb_node'
  | 'const_str'
  | 'map'
  | 'workqueue'
  | 'task_work'
  | 'irq_flag'
  | 'res_lock'
  | 'btf'
  | 'callback'
  | 'mem'
  | 'mem_size'

/** Whether an argument's name carries a suffix such as `__sz`. */
export const hasSuffix = (param: BtfParam, suffix: string): boolean => param.name.endsWith(suffix)
export const isNullable = (param: BtfParam): boolean =>
  param.name.endsWith('__nullable') || param.name.endsWith('__opt')

/** Struct in vmlinux that a register without BTF stands for. */
const REG_STRUCTS = new Map<number, string>([
  [SOCKET, 'sock'],
  [SOCK_COMMON, 'sock_common'],
  [TCP_SOCK, 'tcp_sock'],
  [MAP_PTR, 'bpf_map'],
])
export const structOfReg = (reg: Reg): string | undefined => REG_STRUCTS.get(reg.type & BASE_MASK)

const STRUCT_ARGS = new Map<string, KfuncArg>([
  ['bpf_dynptr', 'dynptr'],
  ['bpf_dynptr_kern', 'dynptr'],
  ['bpf_list_head', 'list_head'],
  ['bpf_list_node', 'list_node'],
  ['bpf_rb_root', 'rb_root'],
  ['bpf_rb_node', 'rb_node'],
  ['bpf_wq', 'workqueue'],
  ['bpf_task_work', 'task_work'],
  ['bpf_res_spin_lock', 'res_lock'],
])

const isScalar = (type: BtfType): boolean => type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64'

/** Structs made of numbers only, to any depth that the kernel looks into. */
function isScalarStruct(btf: Btf, type: BtfType, depth = 0): boolean {
  if (!isStruct(type)) return false
  for (const member of type.members) {
    const inner = skipModifiers(btf, member.type)
    if (isStruct(inner)) {
      if (depth >= 3 || !isScalarStruct(btf, inner, depth + 1)) return false
      continue
    }
    if (inner.kind === 'array') {
      if (inner.length === 0 || !isScalar(skipModifiers(btf, inner.type))) return false
      continue
    }
    if (!isScalar(inner)) return false
  }
  return true
}

const KIND_WORDS: Readonly<Record<string, string>> = { int: 'INT', struct: 'STRUCT', union: 'UNION', fwd: 'FWD' }
export const kindWord = (type: BtfType): string =>
  KIND_WORDS[type.kind] ?? (type.kind === 'void' ? 'UNKNOWN' : type.kind.toUpperCase())

export function classifyArg(env: Env, call: KfuncCall, params: readonly BtfParam[], index: number): KfuncArg {
  const { btf } = call
  const param = params[index]!
  const reg = env.state.frame.regs[index + 1]!
  const pointer = skipModifiers(btf, param.type)
  const target = pointer.kind === 'ptr' ? skipModifiers(btf, pointer.type) : pointer
  const { name } = target
  if (call.name === 'bpf_cast_to_kern_ctx') return 'ctx'
  if (isStruct(target) && name !== '' && name === contextStructOf(env)) return 'ctx'
  if (isNullable(param) && param.name.endsWith('__nullable') && isNull(reg)) return 'null'
  if (hasSuffix(param, '__alloc')) return 'alloc'
  if (hasSuffix(param, '__refcounted_kptr')) return 'refcounted'
  const flags = call.facts!.flags
  const isIter = flags & (KF.iter_new | KF.iter_next | KF.iter_destroy)
  if (isStruct(target) && STRUCT_ARGS.get(name) === 'dynptr') return 'dynptr'
  if ((isIter && index === 0) || hasSuffix(param, '__iter')) return 'iter'
  const known = isStruct(target) ? STRUCT_ARGS.get(name) : undefined
  if (known) return known
  if (hasSuffix(param, '__str')) return 'const_str'
  if (hasSuffix(param, '__map')) return 'map'
  if (hasSuffix(param, '__irq_flag')) return 'irq_flag'
  if ((reg.type & BASE_MASK) === BTF_PTR || structOfReg(reg) !== undefined) {
    if (!isStruct(target))
      env.fail(
        'EINVAL',
        `kernel function ${call.name} args#${index} pointer type ${kindWord(target)} ${name} is not supported`,
      )
    return 'btf'
  }
  if (target.kind === 'func_proto') return 'callback'
  const next = params[index + 1]
  const hasSize =
    next !== undefined && (hasSuffix(next, '__sz') || hasSuffix(next, '__szk')) && isScalarParam(btf, next)
  const plain = isScalar(target) || isScalarStruct(btf, target)
  if (!plain && !(hasSize && target.kind === 'void'))
    env.fail(
      'EINVAL',
      `arg#${index} pointer type ${kindWord(target)} ${name} must point to ${hasSize ? 'void, ' : ''}scalar, or struct with scalar`,
    )
  return hasSize ? 'mem_size' : 'mem'
}

export function isScalarParam(btf: Btf, param: BtfParam): boolean {
  return isScalar(skipModifiers(btf, param.type))
}
