// What a register or a spilled stack slot holds: a kind (low five bits of `type`), flags above it, and what is known of its value.
// A Reg is a value: once stored in a state it is never changed; copyReg() makes a draft to change.

import type { Btf } from '../../base/btf/btf.ts'
import type { MapFacts } from '../program.ts'
import { ANY, type Scalar } from './scalar/scalar.ts'

/** Base types, Linux's enum bpf_reg_type. */
export const NOT_INIT = 0
export const SCALAR = 1
export const CTX = 2
export const MAP_PTR = 3
export const MAP_VALUE = 4
export const MAP_KEY = 5
export const STACK = 6
export const PACKET_META = 7
export const PACKET = 8
export const PACKET_END = 9
export const FLOW_KEYS = 10
export const SOCKET = 11
export const SOCK_COMMON = 12
export const TCP_SOCK = 13
export const TP_BUFFER = 14
export const XDP_SOCK = 15
export const BTF_PTR = 16
export const MEM = 17
export const ARENA = 18
export const BUF = 19
export const FUNC = 20
export const DYNPTR_PTR = 21

export const BASE_MASK = 31
/** Type flags, Linux's enum bpf_type_flag. */
export const MAYBE_NULL = 1 << 5
export const RDONLY = 1 << 6
export const RINGBUF = 1 << 7
export const USER = 1 << 8
export const PERCPU = 1 << 9
export const RCU = 1 << 10
export const UNTRUSTED = 1 << 11
export const TRUSTED = 1 << 12
/** Allocated by bpf_obj_new(). */
export const ALLOC = 1 << 13
/** A reference to an object that a collection owns. */
export const NON_OWN = 1 << 14
export const DYNPTR_SKB = 1 << 16
export const DYNPTR_XDP = 1 << 17

const BASE_NAMES: readonly string[] = [
  '?',
  'scalar',
  'ctx',
  'map_ptr',
  'map_value',
  'map_key',
  'fp',
  'pkt_meta',
  'pkt',
  'pkt_end',
  'flow_keys',
  'sock',
  'sock_common',
  'tcp_sock',
  'tp_buffer',
  'xdp_sock',
  'ptr_',
  'mem',
  'arena',
  'buf',
  'func',
  'dynptr_ptr',
]

const PREFIXES: readonly (readonly [number, string])[] = [
  [RDONLY, 'rdonly_'],
  [RINGBUF, 'ringbuf_'],
  [USER, 'user_'],
  [PERCPU, 'percpu_'],
  [RCU, 'rcu_'],
  [UNTRUSTED, 'untrusted_'],
  [TRUSTED, 'trusted_'],
]

/** Linux's name of a register type, as in "R1 type=%s expected=". */
export function typeName(type: number): string {
  const base = type & BASE_MASK
  let text = ''
  for (const [flag, name] of PREFIXES) if (type & flag) text += name
  text += BASE_NAMES[base]
  if (type & MAYBE_NULL) text += base === BTF_PTR ? 'or_null_' : '_or_null'
  return text
}

/** State of a dynptr, iterator or interrupt flag in a stack slot. */
export interface SlotObject {
  readonly kind: 'dynptr' | 'iter' | 'irq'
  /** Dynptr: kind of its memory. */
  readonly dynptr?: 'local' | 'ringbuf' | 'skb' | 'xdp' | 'skb_meta'
  /** Whether this is its first (highest) slot. */
  readonly first: boolean
  /** Iterator: name of its struct without bpf_iter_, and its BTF. */
  readonly iterName?: string
  readonly btf?: Btf
  readonly btfId?: number
  readonly active?: boolean
  readonly drained?: boolean
  readonly depth?: number
  /** irq flags: which pair of kfuncs made it. */
  readonly irqLock?: boolean
  /** Read-only dynptr (MEM_RDONLY) */
  readonly rdonly?: boolean
}

/** Set in `id` of a scalar that differs from the others of that id by the constant `off`. */
export const ADD_CONST = 0x40000000 | 0

export class Reg {
  type = NOT_INIT
  /** Constant part of a pointer's offset; of a scalar, see ADD_CONST. */
  off = 0
  /** The scalar's value, or a pointer's variable offset. */
  s: Scalar = ANY
  /** Same id: same value (scalars), same NULL-ness (pointers), same packet offset. 0: none. */
  id = 0
  /** Id of the reference that this pointer holds or was derived from. */
  refId = 0
  /** The value mattered: pruning must compare it. */
  precise = false
  /** Map of map_ptr, map_value and map_key. */
  map: MapFacts | undefined = undefined
  /** Which of several looked-up inner maps this belongs to. */
  mapUid = 0
  btf: Btf | undefined = undefined
  btfId = 0
  /** mem: size; packet: verified bytes (negative: see packet.ts); stack: frame; func: subprogram; dynptr: id. */
  n = 0
  object: SlotObject | undefined = undefined
  /** Memory: the dynptr that it is a slice of. */
  dynptrId = 0
}

export function copyReg(r: Reg): Reg {
  const c = new Reg()
  c.type = r.type
  c.off = r.off
  c.s = r.s
  c.id = r.id
  c.refId = r.refId
  c.precise = r.precise
  c.map = r.map
  c.mapUid = r.mapUid
  c.btf = r.btf
  c.btfId = r.btfId
  c.n = r.n
  c.object = r.object
  c.dynptrId = r.dynptrId
  return c
}

export const UNSET: Reg = new Reg()

export const isPointer = (r: Reg): boolean => (r.type & BASE_MASK) > SCALAR
export const isPacketPointer = (type: number): boolean => type === PACKET || type === PACKET_META
/** map_ptr, map_value and map_key carry a map. */
export const hasMap = (base: number): boolean => base === MAP_PTR || base === MAP_VALUE || base === MAP_KEY
export const isSocketType = (base: number): boolean =>
  base === SOCKET || base === SOCK_COMMON || base === TCP_SOCK || base === XDP_SOCK

export function scalarReg(s: Scalar): Reg {
  const r = new Reg()
  r.type = SCALAR
  r.s = s
  return r
}

export function unknownScalar(): Reg {
  return scalarReg(ANY)
}
