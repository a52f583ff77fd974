// Fields of struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock and flow keys: user API structs that pointers from contexts and helpers name.

import type { ContextField } from '../../../base/facts.ts'
import { SOCKET_FIELDS } from '../../helpers/contexts/sockets.ts'
import type { Env } from '../env.ts'
import { BASE_MASK, SOCK_COMMON, SOCKET, TCP_SOCK, typeName, XDP_SOCK } from '../reg.ts'

export function checkSocket(env: Env, regno: number, offset: number, size: number): void {
  const reg = env.state.frame.regs[regno]!
  if (reg.s.sminH < 0)
    env.fail('EACCES', `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`)
  let fields: readonly ContextField[]
  switch (reg.type & BASE_MASK) {
    case SOCKET:
      fields = SOCKET_FIELDS.bpf_sock
      break
    case SOCK_COMMON:
      fields = SOCKET_FIELDS.sock_common
      break
    case TCP_SOCK:
      fields = SOCKET_FIELDS.bpf_tcp_sock
      break
    case XDP_SOCK:
      fields = SOCKET_FIELDS.bpf_xdp_sock
      break
    default:
      fields = []
  }
  for (const field of fields) {
    if (offset < field.offset || offset + size > field.offset + field.size) continue
    const at = offset - field.offset
    if (!field.read || at % size !== 0) continue
    if (field.read.includes(size) || (field.narrow && size < Math.max(...field.read))) return
  }
  env.fail('EACCES', `R${regno} invalid ${typeName(reg.type)} access off=${offset} size=${size}`)
}

/** struct bpf_flow_keys, byte by byte. */
export function checkFlowKeys(env: Env, offset: number, size: number): void {
  if (size < 0 || offset < 0 || offset + size > 56)
    env.fail('EACCES', `invalid access to flow keys off=${offset} size=${size}`)
}
