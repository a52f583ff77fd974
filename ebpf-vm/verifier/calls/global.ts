// Global functions: verified on their own, from their BTF prototype; callers only need to pass what it says.

import type { Btf } from '../../../base/btf/btf.ts'
import { ERRNO } from '../../../base/errno.ts'
import { checkHelperMem } from '../access/mem.ts'
import { checkPtrOff } from '../access/region.ts'
import { structsMatch } from '../access/structs-match.ts'
import { isStruct, nameOfType, skipModifiers } from '../btf-types.ts'
import type { Env, Subprog, SubprogArg } from '../env.ts'
import { Reject } from '../env.ts'
import {
  ARENA,
  BASE_MASK,
  BTF_PTR,
  CTX,
  copyReg,
  DYNPTR_PTR,
  MAYBE_NULL,
  MEM,
  RDONLY,
  Reg,
  SCALAR,
  scalarReg,
  TRUSTED,
  typeName,
  UNTRUSTED,
} from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import { isNull } from '../values.ts'
import { contextStructOf } from './context-struct.ts'
import { processDynptr } from './dynptr-args.ts'

/** Names of `arg:` declaration tags of each parameter. */
function tagsOfArg(btf: Btf, func: number, index: number): string[] {
  const tags: string[] = []
  for (let id = 1; id < btf.count; id++) {
    if (btf.kind(id) !== 'decl_tag') continue
    const tag = btf.type(id)
    if (tag.kind !== 'decl_tag' || tag.type !== func || tag.componentIndex !== index) continue
    if (tag.name.startsWith('arg:')) tags.push(tag.name.slice(4))
  }
  return tags
}

/** Arguments of a BTF function; undefined (with a reason in the log) when the verifier cannot take them. */
export function prepareArgs(env: Env, index: number): readonly SubprogArg[] | undefined {
  const subprog = env.subprogs[index]!
  if (subprog.args || subprog.argsBad) return subprog.args
  const { btf } = env.input
  subprog.argsBad = true
  if (!btf || !subprog.typeId) {
    if (subprog.isGlobal) env.print(`Global function ${subprog.name}() has no BTF\n`)
    return undefined
  }
  const func = btf.type(subprog.typeId)
  if (func.kind !== 'func') return undefined
  const proto = btf.type(func.type)
  if (proto.kind !== 'func_proto') return undefined
  const name = func.name
  if (proto.params.length > 5) {
    env.print(`Global function ${name}() with ${proto.params.length} > 5 args. Buggy compiler.\n`)
    return undefined
  }
  const returns = skipModifiers(btf, proto.returnType)
  if (subprog.isGlobal && returns.kind !== 'int' && returns.kind !== 'enum' && returns.kind !== 'enum64') {
    if (!(returns.kind === 'void' && subprog.isExceptionCallback)) {
      env.print(`Global function ${name}() return value not void or scalar. Only those are supported.\n`)
      if (returns.kind !== 'void') return undefined
      return undefined
    }
  }
  const args: SubprogArg[] = []
  for (let i = 0; i < proto.params.length; i++) {
    const arg = argOf(env, subprog, btf, name, i, proto.params[i]!.type)
    if (!arg) return undefined
    args.push(arg)
  }
  subprog.argsBad = false
  subprog.args = args
  return args
}

function argOf(env: Env, subprog: Subprog, btf: Btf, name: string, i: number, typeId: number): SubprogArg | undefined {
  const type = skipModifiers(btf, typeId)
  const tags = subprog.isGlobal ? tagsOfArg(btf, subprog.typeId, i) : []
  const has = (tag: string): boolean => tags.includes(tag)
  if (type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64') return { kind: 'anything' }
  if (type.kind !== 'ptr') {
    env.print(`Arg#${i} type ${nameOfType(btf, type.id)} in ${name}() is not supported yet.\n`)
    return undefined
  }
  const target = skipModifiers(btf, type.type)
  if (has('ctx') || isContext(env, target.name)) return { kind: 'ctx' }
  if (isStruct(target) && target.name === 'bpf_dynptr') return { kind: 'dynptr' }
  if (has('trusted') || has('untrusted')) {
    const kernel = env.facts.btf
    const id = kernel && isStruct(target) ? kernel.find(target.name.replace(/___.*/, ''), 'struct') : 0
    if (has('trusted')) {
      if (!kernel || !id) {
        env.print(`arg#${i} reference type('UNKNOWN ${target.name}') size cannot be determined: -22\n`)
        return undefined
      }
      return { kind: 'btf', btf: kernel, btfId: id, nullable: has('nullable') }
    }
    if (kernel && id) return { kind: 'btf', btf: kernel, btfId: id, nullable: false, untrusted: true }
    return { kind: 'mem', size: 0, nullable: false, untrusted: true, rdonly: true }
  }
  if (has('arena')) return { kind: 'arena' }
  if (!subprog.isGlobal) return { kind: 'anything' }
  const size = btf.sizeOf(target.id)
  if (target.kind === 'void' || size < 0) {
    env.print(
      `arg#${i} reference type('${target.kind === 'void' ? 'UNKNOWN ' : `${target.kind.toUpperCase()} ${target.name}`}') size cannot be determined: -22\n`,
    )
    return undefined
  }
  return { kind: 'mem', size, nullable: !has('nonnull') }
}

function isContext(env: Env, name: string): boolean {
  return name !== '' && name === contextStructOf(env)
}

/** The caller's registers against the prototype of a global function. */
export function checkSubprogArgs(env: Env, index: number): void {
  const subprog = env.subprogs[index]!
  const refuse = (errno: number): never => {
    env.print(`Caller passes invalid args into func#${index} ('${subprog.name}')\n`)
    throw new Reject(errno)
  }
  const args = prepareArgs(env, index)
  if (!args) refuse(ERRNO.EINVAL)
  try {
    args!.forEach((arg, i) => {
      checkArg(env, arg, i)
    })
  } catch (error) {
    if (error instanceof Reject) refuse(error.errno)
    throw error
  }
}

function checkArg(env: Env, arg: SubprogArg, i: number): void {
  const regno = i + 1
  const { regs } = env.state.frame
  const reg = regs[regno]!
  switch (arg.kind) {
    case 'anything':
      if (reg.type !== SCALAR) env.fail('EINVAL', `R${regno} is not a scalar`)
      return
    case 'arena':
      if (reg.type !== ARENA && reg.type !== SCALAR)
        env.fail('EINVAL', `R${regno} is not a pointer to arena or scalar.`)
      return
    case 'ctx':
      checkPtrOff(env, reg, regno, false, typeName(reg.type))
      if (reg.type !== CTX) env.fail('EINVAL', `arg#${i} expects pointer to ctx`)
      return
    case 'dynptr':
      processDynptr(env, regno, { kind: 'dynptr', readonly: true }, 0)
      return
    case 'mem': {
      if (arg.untrusted) {
        if (reg.type === SCALAR) return
        return
      }
      if (!arg.nullable && (isNull(reg) || reg.type & MAYBE_NULL))
        env.fail('EINVAL', `arg#${i} is expected to be non-NULL`)
      if (isNull(reg)) return
      checkMemArg(env, regno, arg.size)
      return
    }
    case 'btf': {
      if (arg.untrusted) {
        if ((reg.type & BASE_MASK) !== BTF_PTR && (reg.type & BASE_MASK) !== MEM && reg.type !== SCALAR)
          env.fail('EINVAL', `R${regno} is not a pointer to btf`)
        return
      }
      if (isNull(reg) && arg.nullable) return
      checkTrusted(env, regno, reg, arg.btf, arg.btfId, arg.nullable)
      return
    }
  }
}

function checkTrusted(env: Env, regno: number, reg: Reg, btf: Btf, btfId: number, nullable: boolean): void {
  const trusted = BTF_PTR | TRUSTED
  const base = nullable ? reg.type & ~MAYBE_NULL : reg.type
  const isReferenced = (reg.type & BASE_MASK) === BTF_PTR && reg.refId !== 0
  if (base !== trusted && base !== (BTF_PTR | (1 << 10)) && !isReferenced)
    env.fail('EACCES', `R${regno} type=${typeName(reg.type)} expected=ptr_, trusted_ptr_, rcu_ptr_`)
  if (!structsMatch(reg.btf!, reg.btfId, reg.off, btf, btfId, false))
    env.fail(
      'EACCES',
      `R${regno} is of type ${nameOfType(reg.btf!, reg.btfId)} but ${nameOfType(btf, btfId)} is expected`,
    )
}

/** Memory that a function may read and write. A pointer that may be NULL counts as one that is not. */
export function checkMemArg(env: Env, regno: number, size: number): void {
  const { regs } = env.state.frame
  const reg = regs[regno]!
  if (isNull(reg)) return
  const nullable = (reg.type & MAYBE_NULL) !== 0
  if (nullable) {
    const r = copyReg(reg)
    r.type &= ~MAYBE_NULL
    regs[regno] = r
  }
  checkHelperMem(env, regno, size, 'read', true, undefined)
  if ((regs[regno]!.type & BASE_MASK) !== BTF_PTR) checkHelperMem(env, regno, size, 'write', true, undefined)
  if (nullable) regs[regno] = reg
}

/** Registers at the entry of a global function that is verified by itself. */
export function entryRegs(env: Env, args: readonly SubprogArg[]): Reg[] {
  const entry = (arg: SubprogArg): Reg => {
    const reg = new Reg()
    reg.s = S.KNOWN_ZERO
    switch (arg.kind) {
      case 'anything':
        return scalarReg(S.ANY)
      case 'ctx':
        reg.type = CTX
        return reg
      case 'arena':
        reg.type = ARENA
        reg.s = S.ANY
        return reg
      case 'dynptr':
        reg.type = DYNPTR_PTR
        reg.object = { kind: 'dynptr', dynptr: 'local', first: true }
        reg.id = env.newId()
        return reg
      case 'mem':
        reg.type = MEM
        reg.n = arg.size
        if (arg.nullable) {
          reg.type |= MAYBE_NULL
          reg.id = env.newId()
        }
        if (arg.untrusted) reg.type |= UNTRUSTED | RDONLY
        return reg
      case 'btf':
        reg.type = BTF_PTR | (arg.untrusted ? UNTRUSTED : TRUSTED)
        reg.btf = arg.btf
        reg.btfId = arg.btfId
        if (arg.nullable) {
          reg.type |= MAYBE_NULL
          reg.id = env.newId()
        }
        return reg
    }
  }
  return args.map(entry)
}
