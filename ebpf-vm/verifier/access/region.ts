// Accesses to memory of known size: bounds, alignment, and the plain kinds (map keys, memory, buffers).

import type { Env } from '../env.ts'
import {
  ARENA,
  BASE_MASK,
  CTX,
  FLOW_KEYS,
  MAP_KEY,
  MAP_VALUE,
  PACKET,
  PACKET_END,
  PACKET_META,
  type Reg,
  SOCK_COMMON,
  SOCKET,
  STACK,
  TCP_SOCK,
  XDP_SOCK,
} from '../reg.ts'
import * as T from '../scalar/tnum.ts'
import { decimal, hex, toNumber, toUnsigned } from '../scalar/words.ts'

export const MAX_VAR_OFF = 1 << 29

export type AccessType = 'read' | 'write'

/** A tnum in messages: a constant as a number, else `(value; mask)`. */
export function formatTnum(t: T.Tnum): string {
  if ((t.mL | t.mH) !== 0) return T.format(t)
  return t.vH === 0 && t.vL >>> 0 <= 0xffff ? decimal(t.vL, t.vH) : hex(t.vL, t.vH)
}

/** One access of known offset within `length` bytes. */
function checkOne(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  length: number,
  zeroAllowed: boolean,
): boolean {
  const sizeOk = size > 0 || (size === 0 && zeroAllowed)
  if (offset >= 0 && sizeOk && offset + size <= length) return true
  const reg = env.state.frame.regs[regno]!
  switch (reg.type) {
    case MAP_KEY:
      env.print(`invalid access to map key, key_size=${length} off=${offset} size=${size}\n`)
      break
    case MAP_VALUE:
      env.print(`invalid access to map value, value_size=${length} off=${offset} size=${size}\n`)
      break
    case PACKET:
    case PACKET_META:
    case PACKET_END:
      env.print(
        `invalid access to packet, off=${offset} size=${size}, R${regno}(id=${reg.id},off=${offset},r=${length})\n`,
      )
      break
    default:
      env.print(`invalid access to memory, mem_size=${length} off=${offset} size=${size}\n`)
  }
  return false
}

const asInt = (n: number): number => n | 0

/** An access at `offset` plus the register's variable part, all of it within `length` bytes. */
export function checkRegion(
  env: Env,
  regno: number,
  offset: number,
  size: number,
  length: number,
  zeroAllowed: boolean,
): void {
  const { s } = env.state.frame.regs[regno]!
  const min = toNumber(s.sminL, s.sminH)
  if (min < 0 && (min + offset !== asInt(min + offset) || min + offset < 0))
    env.fail('EACCES', `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`)
  if (!checkOne(env, regno, asInt(min + offset), size, length, zeroAllowed))
    env.fail('EACCES', `R${regno} min value is outside of the allowed memory range`)
  const max = toUnsigned(s.umaxL, s.umaxH)
  if (max >= MAX_VAR_OFF)
    env.fail('EACCES', `R${regno} unbounded memory access, make sure to bounds check any such access`)
  if (!checkOne(env, regno, max + offset, size, length, zeroAllowed))
    env.fail('EACCES', `R${regno} max value is outside of the allowed memory range`)
}

/** A packet access within the bytes that comparisons with the packet's end have verified. */
export function checkPacket(env: Env, regno: number, offset: number, size: number, zeroAllowed: boolean): void {
  const reg = env.state.frame.regs[regno]!
  const { s } = reg
  if (s.sminH < 0)
    env.fail('EACCES', `R${regno} min value is negative, either use unsigned index or do a if (index >=0) check.`)
  const sizeOk = size > 0 || (size === 0 && zeroAllowed)
  const length = reg.n
  if (length < 0) env.fail('EINVAL', `R${regno} offset is outside of the packet`)
  if (!(offset >= 0 && sizeOk && offset + size <= length)) {
    env.print(
      `invalid access to packet, off=${offset} size=${size}, R${regno}(id=${reg.id},off=${offset},r=${length})\n`,
    )
    env.fail('EACCES', `R${regno} offset is outside of the packet`)
  }
}

/** No variable offset, and no negative or (with `fixedOk` false) any fixed one. */
export function checkPtrOff(env: Env, reg: Reg, regno: number, fixedOk: boolean, name: string): void {
  if (reg.off < 0) env.fail('EACCES', `negative offset ${name} ptr R${regno} off=${reg.off} disallowed`)
  if (!fixedOk && reg.off !== 0)
    env.fail('EACCES', `dereference of modified ${name} ptr R${regno} off=${reg.off} disallowed`)
  if (!T.isConst(reg.s.tnum) || (reg.s.tnum.vL | reg.s.tnum.vH) !== 0)
    env.fail('EACCES', `variable ${name} access var_off=${formatTnum(reg.s.tnum)} disallowed`)
}

const DESCRIPTIONS = new Map<number, string>([
  [FLOW_KEYS, 'flow keys '],
  [MAP_KEY, 'key '],
  [MAP_VALUE, 'value '],
  [CTX, 'context '],
  [STACK, 'stack '],
  [SOCKET, 'sock '],
  [SOCK_COMMON, 'sock_common '],
  [TCP_SOCK, 'tcp_sock '],
  [XDP_SOCK, 'xdp_sock '],
])

/** Natural alignment, where it is asked for: always on the stack, elsewhere with BPF_F_STRICT_ALIGNMENT. */
export function checkAlignment(env: Env, reg: Reg, offset: number, size: number, once: boolean): void {
  let strict = env.strictAlignment || once
  const base = reg.type & BASE_MASK
  if (base === ARENA) return
  if (reg.type === PACKET || reg.type === PACKET_META) {
    if (!strict || size === 1) return
    // NET_IP_ALIGN: packets start two bytes past a word.
    const at = T.add(reg.s.tnum, T.constant((2 + reg.off + offset) | 0, (2 + reg.off + offset) >> 31))
    if (!T.isAligned(at, size))
      env.fail('EACCES', `misaligned packet access off 2+${formatTnum(reg.s.tnum)}+${reg.off}+${offset} size ${size}`)
    return
  }
  if (reg.type === STACK) strict = true
  if (!strict || size === 1) return
  const total = reg.off + offset
  const at = T.add(reg.s.tnum, T.constant(total | 0, total >> 31))
  if (!T.isAligned(at, size)) {
    const what = DESCRIPTIONS.get(reg.type) ?? ''
    env.fail('EACCES', `misaligned ${what}access off ${formatTnum(reg.s.tnum)}+${reg.off}+${offset} size ${size}`)
  }
}
