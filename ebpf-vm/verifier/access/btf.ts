// Loads through pointers to kernel (or allocated) structs that BTF describes: which member is read, and what a loaded pointer is.

import type { Btf } from '../../../base/btf/btf.ts'
import type { BtfOf, BtfType } from '../../../base/btf/types.ts'
import { isStruct, nameOfType, skipModifiers } from '../btf-types.ts'
import type { Env } from '../env.ts'
import { fieldName, fieldsOfType } from '../map-fields.ts'
import {
  ALLOC,
  BTF_PTR,
  MAYBE_NULL,
  MEM,
  NON_OWN,
  PERCPU,
  RCU,
  RDONLY,
  Reg,
  scalarReg,
  TRUSTED,
  UNTRUSTED,
  USER,
} from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { type AccessType, formatTnum } from './region.ts'

export type Walk =
  | { kind: 'scalar' }
  | { kind: 'ptr'; btfId: number; flags: number; field: string }
  | { kind: 'mem'; flags: number; field: string }
  | { kind: 'struct'; btfId: number }

/** Non-sleepable programs are RCU readers; sleepable ones within bpf_rcu_read_lock(). */
export function inRcu(env: Env): boolean {
  return env.state.rcuLocks > 0 || env.state.activeLocks > 0 || env.state.preemptLocks > 0 || !env.state.inSleepable
}

/** Structs whose objects live until an RCU grace period ends (Linux's rcu_protected_types). */
const RCU_PROTECTED: ReadonlySet<string> = new Set([
  'cgroup',
  'prog_test_ref_kfunc',
  'bpf_cpumask',
  'task_struct',
  'bpf_crypto_ctx',
])

export function isRcuProtected(btf: Btf, id: number): boolean {
  return RCU_PROTECTED.has(nameOfType(btf, id))
}

// Members that Linux lists as safe to follow, by struct.
const SAFE_RCU: Readonly<Record<string, readonly string[]>> = {
  task_struct: ['cpus_ptr', 'css_set', 'real_parent', 'group_leader'],
  cgroup: ['kn'],
  css_set: ['dfl_cgrp'],
}
const SAFE_RCU_OR_NULL: Readonly<Record<string, readonly string[]>> = {
  mm_struct: ['exe_file'],
  sk_buff: ['sk'],
  request_sock: ['sk'],
}
const SAFE_TRUSTED: Readonly<Record<string, readonly string[]>> = {
  bpf_iter_meta: ['seq'],
  bpf_iter__task: ['meta', 'task'],
  linux_binprm: ['file'],
  file: ['f_inode'],
}
const SAFE_TRUSTED_OR_NULL: Readonly<Record<string, readonly string[]>> = {
  socket: ['sk'],
  dentry: ['d_inode'],
  vm_area_struct: ['vm_mm', 'vm_file'],
}
const lists = (table: Readonly<Record<string, readonly string[]>>, struct: string, field: string): boolean =>
  table[struct]?.includes(field) ?? false

export const isTrusted = (reg: Reg): boolean => {
  if (reg.refId) return true
  const flags = reg.type & ~31
  return (flags & (TRUSTED | ALLOC)) !== 0 && (flags & ~(TRUSTED | ALLOC | RDONLY | PERCPU | NON_OWN)) === 0
}

export function checkBtfAccess(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  type: AccessType,
  into: number,
): void {
  const reg = env.state.frame.regs[regno]!
  const btf = reg.btf!
  const name = nameOfType(btf, reg.btfId)
  const isKernel = env.isKernelBtf(btf)
  if (!env.allowPtrLeaks) env.fail('EPERM', `'struct ${name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN`)
  if (!env.gpl && isKernel) env.fail('EINVAL', `Cannot access kernel 'struct ${name}' from non-GPL compatible program`)
  if (offset < 0) env.fail('EACCES', `R${regno} is ptr_${name} invalid negative access: off=${offset}`)
  if (!S.isConst(reg.s) || (reg.s.tnum.vL | reg.s.tnum.vH) !== 0)
    env.fail(
      'EACCES',
      `R${regno} is ptr_${name} invalid variable offset: off=${offset}, var_off=${formatTnum(reg.s.tnum)}`,
    )
  if (reg.type & USER) env.fail('EACCES', `R${regno} is ptr_${name} access user memory: off=${offset}`)
  if (reg.type & PERCPU) env.fail('EACCES', `R${regno} is ptr_${name} access percpu memory: off=${offset}`)
  // Kernel structs that a program type may write (TCP congestion control's) are not known here: all of them are read-only.
  if (type === 'write' && (!(reg.type & ALLOC) || reg.type & UNTRUSTED)) env.fail('EACCES', 'only read is supported')
  const walk = walkStruct(env, reg, offset, size)
  if (type !== 'read' || into < 0) return
  env.state.frame.regs[into] = loaded(env, reg, name, walk)
}

function loaded(env: Env, from: Reg, struct: string, walk: Walk): Reg {
  if (walk.kind === 'scalar' || walk.kind === 'struct') return scalarReg(S.ANY)
  const reg = new Reg()
  reg.s = S.KNOWN_ZERO
  if (walk.kind === 'mem') {
    reg.type = MEM | walk.flags
    reg.n = 0
    if (walk.flags & MAYBE_NULL) reg.id = env.newId()
    return reg
  }
  let { flags } = walk
  if (from.type & UNTRUSTED) flags = UNTRUSTED
  else if (isTrusted(from) || from.type & RCU) {
    const { field } = walk
    if (lists(SAFE_TRUSTED, struct, field)) flags |= TRUSTED
    else if (lists(SAFE_TRUSTED_OR_NULL, struct, field)) flags |= TRUSTED | MAYBE_NULL
    else if (inRcu(env) && !(from.type & MAYBE_NULL)) {
      if (lists(SAFE_RCU, struct, field)) flags |= RCU
      else if (flags & RCU || lists(SAFE_RCU_OR_NULL, struct, field)) flags |= RCU | MAYBE_NULL
      else if (!(flags & (PERCPU | USER))) flags &= ~(TRUSTED | RCU | UNTRUSTED)
    } else flags = UNTRUSTED
  } else flags &= ~(TRUSTED | RCU | UNTRUSTED)
  reg.type = BTF_PTR | flags
  reg.btf = from.btf
  reg.btfId = walk.btfId
  if (flags & MAYBE_NULL) reg.id = env.newId()
  return reg
}

/** The member of `reg`'s struct at the bytes read. */
export function walkStruct(env: Env, reg: Reg, offset: number, size: number): Walk {
  const btf = reg.btf!
  if (reg.type & ALLOC) {
    for (const field of fieldsOfType(btf, reg.btfId, env.facts.btf)) {
      if (!(offset < field.offset + field.size && field.offset < offset + size)) continue
      env.fail('EACCES', `direct access to ${fieldName(field.kind)} is disallowed`)
    }
  }
  const type = skipModifiers(btf, reg.btfId)
  if (!isStruct(type)) {
    env.print(`Type '${type.name}' is not a struct\n`)
    env.fail('EINVAL')
  }
  return walkInto(env, btf, type, offset, size)
}

function walkInto(env: Env, btf: Btf, struct: BtfOf<'struct' | 'union'>, offset: number, size: number): Walk {
  const name = struct.name
  if (offset + size > struct.size) {
    const last = struct.members[struct.members.length - 1]
    const flexible = last && skipModifiers(btf, last.type)
    if (flexible?.kind === 'array' && flexible.length === 0 && last) {
      const at = last.bitOffset / 8
      if (offset >= at) {
        const element = skipModifiers(btf, flexible.type)
        if (!isStruct(element) || element.size === 0) return { kind: 'scalar' }
        const inner = (offset - at) % element.size
        return walkInto(env, btf, element, inner, size)
      }
    }
    env.fail('EACCES', `access beyond struct ${name} at off ${offset} size ${size}`)
  }
  for (const member of struct.members) {
    const at = Math.floor(member.bitOffset / 8)
    if (member.bits) {
      const end = Math.ceil((member.bitOffset + member.bits) / 8)
      if (offset >= end) continue
      if (offset + size <= at) return { kind: 'scalar' }
      return { kind: 'scalar' }
    }
    if (offset + size <= at) break
    const whole = skipModifiers(btf, member.type)
    let type: BtfType = whole
    let memberSize = btf.sizeOf(whole.id)
    if (memberSize < 0) continue
    if (offset >= at + memberSize && !(whole.kind === 'array' && whole.length === 0)) continue
    let start = at
    if (type.kind === 'array') {
      while (type.kind === 'array') type = skipModifiers(btf, type.type)
      const elementSize = btf.sizeOf(type.id)
      if (elementSize > 0 && memberSize > 0) {
        start = at + Math.floor((offset - at) / elementSize) * elementSize
        memberSize = elementSize
      } else if (memberSize === 0) {
        if (!isStruct(type)) return { kind: 'scalar' }
        start = at + Math.floor((offset - at) / Math.max(1, elementSize)) * elementSize
        memberSize = elementSize
      }
    }
    if (isStruct(type)) {
      if (struct.kind === 'union' && offset - start >= memberSize) continue
      return walkInto(env, btf, type, offset - start, size)
    }
    if (type.kind === 'ptr') {
      if (size !== 8 || offset !== start)
        env.fail(
          'EACCES',
          `cannot access ptr member ${member.name} with moff ${start} in struct ${name} with off ${offset} size ${size}`,
        )
      return pointerMember(btf, type, member.name)
    }
    if (offset + size > at + btf.sizeOf(whole.id))
      env.fail(
        'EACCES',
        `access beyond the end of member ${member.name} (mend:${start + memberSize}) in struct ${name} with off ${offset} size ${size}`,
      )
    return { kind: 'scalar' }
  }
  env.fail('EINVAL', `struct ${name} doesn't have field at offset ${offset}`)
}

function pointerMember(btf: Btf, pointer: BtfOf<'ptr'>, field: string): Walk {
  let flags = 0
  const tag = pointer.type ? btf.type(pointer.type) : undefined
  if (tag?.kind === 'type_tag') {
    if (tag.name === 'user') flags = USER
    else if (tag.name === 'percpu') flags = PERCPU
    else if (tag.name === 'rcu') flags = RCU
  }
  if (pointer.type === 0) return { kind: 'mem', flags: RDONLY | UNTRUSTED, field }
  const target = skipModifiers(btf, pointer.type)
  if (isStruct(target)) return { kind: 'ptr', btfId: target.id, flags, field }
  if (target.kind === 'int' || target.kind === 'enum' || target.kind === 'enum64' || target.kind === 'float')
    return { kind: 'mem', flags: RDONLY | UNTRUSTED, field }
  return { kind: 'scalar' }
}
