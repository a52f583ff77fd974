// The context: which bytes a program type may read and write, and what a loaded field is. One table per program type, from the facts.

import type { ContextField, ContextValue } from '../../../base/facts.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../../uapi.ts'
import { isStruct, nameOfType, skipModifiers, tagsOf } from '../btf-types.ts'
import type { Env } from '../env.ts'
import {
  BTF_PTR,
  BUF,
  FLOW_KEYS,
  MAYBE_NULL,
  PACKET,
  PACKET_END,
  PACKET_META,
  PERCPU,
  RCU,
  Reg,
  SCALAR,
  SOCK_COMMON,
  SOCKET,
  scalarReg,
  TCP_SOCK,
  TP_BUFFER,
  TRUSTED,
  USER,
  XDP_SOCK,
} from '../reg.ts'
import * as S from '../scalar/scalar.ts'
import type { AccessType } from './region.ts'

/** Register types of context values. */
const VALUE_TYPES: Record<ContextValue, number> = {
  scalar: SCALAR,
  packet: PACKET,
  packet_meta: PACKET_META,
  packet_end: PACKET_END,
  flow_keys: FLOW_KEYS,
  socket: SOCKET,
  socket_or_null: SOCKET | MAYBE_NULL,
  sock_common: SOCK_COMMON,
  sock_common_or_null: SOCK_COMMON | MAYBE_NULL,
  tcp_sock_or_null: TCP_SOCK | MAYBE_NULL,
  xdp_sock: XDP_SOCK,
  btf: BTF_PTR | TRUSTED,
  btf_or_null: BTF_PTR | TRUSTED | MAYBE_NULL,
}

/** Check a context access; gives the register that a load fills. */
export function accessContext(env: Env, offset: number, size: number, type: AccessType): Reg {
  const { context } = env.type
  let reg: Reg | undefined
  switch (context.kind) {
    case 'fields':
      reg = fieldAccess(env, context.fields, offset, size, type, context.size)
      break
    case 'bytes':
      reg = bytesAccess(env, context.name, context.size, offset, size, type)
      break
    case 'raw_args':
      if (offset >= 0 && offset < context.size && type === 'read' && offset % size === 0) {
        reg = scalarReg(S.ANY)
        if (context.writable && offset === 0) {
          // The buffer of a writable tracepoint.
          reg = new Reg()
          reg.type = TP_BUFFER
          reg.s = S.KNOWN_ZERO
        }
      }
      break
    case 'btf_args':
      reg = argAccess(env, offset, size, type)
      break
    case 'none':
      break
  }
  if (!reg) env.fail('EACCES', `invalid bpf_context access off=${offset} size=${size}`)
  return reg
}

function bytesAccess(
  env: Env,
  name: string,
  length: number,
  offset: number,
  size: number,
  type: AccessType,
): Reg | undefined {
  if (offset < 0 || offset >= length || offset % size !== 0) return undefined
  if (type === 'write' && !(env.input.type === PROG_TYPE.syscall)) return undefined
  if (name === 'pt_regs' && offset + size > length) return undefined
  if (name === 'trace_record' && offset < 8) return undefined
  return scalarReg(S.ANY)
}

function fieldAccess(
  env: Env,
  fields: readonly ContextField[],
  offset: number,
  size: number,
  type: AccessType,
  length: number,
): Reg | undefined {
  if (offset < 0 || offset >= length) return undefined
  for (const field of fields) {
    if (offset < field.offset || offset >= field.offset + field.size) continue
    if (field.attachTypes && !field.attachTypes.includes(env.input.expectedAttachType)) continue
    if (field.needs === 'bpf' && !env.caps.bpf) continue
    if (field.needs === 'perfmon' && !env.caps.perfmon) continue
    if (offset + size > field.offset + field.size) continue
    if (type === 'write') {
      if (!field.write?.includes(size) || offset % size !== 0) continue
    } else {
      if (!field.read) continue
      const whole = field.read.includes(size) && offset % size === 0
      const narrow = field.narrow === true && offset % size === 0 && size < Math.max(...field.read)
      if (!whole && !narrow) continue
    }
    if (field.value === 'scalar') return scalarReg(S.ANY)
    const reg = new Reg()
    reg.type = VALUE_TYPES[field.value]
    reg.s = S.KNOWN_ZERO
    if (reg.type & MAYBE_NULL) reg.id = env.newId()
    if (field.struct && env.facts.btf) {
      reg.btf = env.facts.btf
      reg.btfId = env.facts.btf.find(field.struct, 'struct')
    }
    return reg
  }
  return undefined
}

/** Arguments of a BTF-typed attach point: 8 bytes each. */
function argAccess(env: Env, offset: number, size: number, type: AccessType): Reg | undefined {
  const { attach } = env
  const { btf } = attach
  if (offset < 0 || type === 'write') return undefined
  if (offset % size !== 0) return undefined
  if (offset >= 12 * 8) return undefined
  if (!btf || !attach.protoId) return undefined
  if (offset % 8) {
    env.print(`func '${attach.name}' offset ${offset} is not multiple of 8\n`)
    return undefined
  }
  const proto = btf.type(attach.protoId)
  if (proto.kind !== 'func_proto') return undefined
  let index = offset / 8
  let { params } = proto
  const isRaw = env.input.type === PROG_TYPE.tracing && env.input.expectedAttachType === ATTACH_TYPE.trace_raw_tp
  if (isRaw) params = params.slice(1)
  if (params.length && params[params.length - 1]!.type === 0) params = params.slice(0, -1)
  let typeId: number
  if (index < params.length) typeId = params[index]!.type
  else {
    const attachType = env.input.expectedAttachType
    const returns =
      (env.input.type === PROG_TYPE.tracing &&
        (attachType === ATTACH_TYPE.trace_fexit || attachType === ATTACH_TYPE.modify_return)) ||
      env.input.type === PROG_TYPE.lsm
    if (!returns || index !== params.length) {
      env.print(`func '${attach.name}' doesn't have ${index + 1}-th argument\n`)
      return undefined
    }
    if (proto.returnType === 0) {
      env.print(`func '${attach.name}' doesn't have ${index + 1}-th argument\n`)
      return undefined
    }
    typeId = proto.returnType
    index = -1
  }
  const resolved = skipModifiers(btf, typeId)
  if (resolved.kind === 'int' || resolved.kind === 'enum' || resolved.kind === 'enum64') return scalarReg(S.ANY)
  if (resolved.kind !== 'ptr') {
    env.print(
      `func '${attach.name}' arg${offset / 8} '${nameOfType(btf, resolved.id)}' has type ${resolved.kind.toUpperCase()}. Only pointer access is allowed\n`,
    )
    return undefined
  }
  if (size !== 8) {
    env.print(`func '${attach.name}' size ${size} must be 8\n`)
    return undefined
  }
  return pointerArg(env, resolved.type, index)
}

function pointerArg(env: Env, pointee: number, index: number): Reg {
  const btf = env.attach.btf!
  const iter = env.iterArgs?.get(index)
  if (iter !== undefined && (iter & 31) === BUF) {
    const reg = new Reg()
    reg.type = iter
    reg.s = S.KNOWN_ZERO
    if (iter & MAYBE_NULL) reg.id = env.newId()
    return reg
  }
  if (pointee === 0) return scalarReg(S.ANY)
  const tags = tagsOf(btf, pointee)
  const target = skipModifiers(btf, pointee)
  if (!isStruct(target)) return scalarReg(S.ANY)
  const reg = new Reg()
  reg.type = BTF_PTR
  reg.s = S.KNOWN_ZERO
  reg.btf = btf
  reg.btfId = target.id
  if (iter !== undefined) reg.type = iter
  else if (index >= 0 && env.trustsArgs) reg.type |= TRUSTED
  if (index >= 0 && env.isNullableArg(index)) reg.type |= MAYBE_NULL
  if (tags.includes('user')) reg.type = (reg.type | USER) & ~TRUSTED
  if (tags.includes('percpu')) reg.type |= PERCPU
  if (tags.includes('rcu')) reg.type |= RCU
  if (reg.type & MAYBE_NULL) reg.id = env.newId()
  return reg
}
