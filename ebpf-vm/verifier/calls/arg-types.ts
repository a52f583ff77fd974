// Which register types satisfy an argument kind, in the order in which Linux lists them.

import type { ArgKind } from '../../../base/facts.ts'
import {
  ALLOC,
  BTF_PTR,
  BUF,
  CTX,
  DYNPTR_PTR,
  FUNC,
  MAP_KEY,
  MAP_PTR,
  MAP_VALUE,
  MEM,
  NON_OWN,
  PACKET,
  PACKET_META,
  PERCPU,
  RCU,
  RINGBUF,
  SCALAR,
  SOCK_COMMON,
  SOCKET,
  STACK,
  TCP_SOCK,
  TRUSTED,
  XDP_SOCK,
} from '../reg.ts'

export const MEM_TYPES: readonly number[] = [
  STACK,
  PACKET,
  PACKET_META,
  MAP_KEY,
  MAP_VALUE,
  MEM,
  MEM | RINGBUF,
  BUF,
  BTF_PTR | TRUSTED,
  CTX,
]
const INT_TYPES: readonly number[] = [STACK, PACKET, PACKET_META, MAP_KEY, MAP_VALUE]

/** `anything` takes all. */
export const COMPATIBLE: Record<Exclude<ArgKind, 'anything'>, readonly number[]> = {
  const_map: [MAP_PTR],
  map_key: MEM_TYPES,
  map_value: MEM_TYPES,
  mem: MEM_TYPES,
  size: [SCALAR],
  size_or_zero: [SCALAR],
  const_alloc: [SCALAR],
  ctx: [CTX],
  spin_lock: [MAP_VALUE, BTF_PTR | ALLOC],
  timer: [MAP_VALUE],
  workqueue: [MAP_VALUE],
  sock_common: [SOCK_COMMON, SOCKET, TCP_SOCK, XDP_SOCK],
  socket: [SOCKET],
  btf_sock: [SOCK_COMMON, SOCKET, TCP_SOCK, XDP_SOCK, BTF_PTR, BTF_PTR | TRUSTED],
  btf: [BTF_PTR, BTF_PTR | TRUSTED, BTF_PTR | RCU],
  percpu_btf: [BTF_PTR | PERCPU, BTF_PTR | PERCPU | RCU, BTF_PTR | PERCPU | TRUSTED],
  func: [FUNC],
  stack: [STACK],
  const_str: [MAP_VALUE],
  kptr: [MAP_VALUE, BTF_PTR | ALLOC, BTF_PTR | ALLOC | RCU | NON_OWN, BTF_PTR | ALLOC | RCU | NON_OWN],
  dynptr: [STACK, DYNPTR_PTR],
  ringbuf_mem: [MEM | RINGBUF],
}

export { INT_TYPES }
