// The log: Linux's texts, exactly, because people search for them and tools parse them. Level 1 keeps the path that failed, level 2
// every step with the state after it, level 4 adds statistics.

import { nameOfType } from './btf-types.ts'
import {
  ADD_CONST,
  ARENA,
  BASE_MASK,
  BTF_PTR,
  DYNPTR_PTR,
  hasMap,
  isPacketPointer,
  MEM,
  NON_OWN,
  NOT_INIT,
  type Reg,
  SCALAR,
  STACK,
  typeName,
} from './reg.ts'
import { isConst, type Scalar } from './scalar/scalar.ts'
import * as T from './scalar/tnum.ts'
import { addH, hex, INT_MAX, INT_MIN } from './scalar/words.ts'
import { byteType, DYNPTR, type Frame, ITER, SLOT_CHARS, SPILL, type State } from './state.ts'

export const LEVEL1 = 1
export const LEVEL2 = 2
export const LEVEL_STATS = 4

/** The text so far. Positions in it are characters, so that what a finished branch wrote can be dropped. */
export class Log {
  readonly level: number
  #parts: string[] = []
  #length = 0

  constructor(level: number) {
    this.level = level
  }

  get enabled(): boolean {
    return this.level !== 0
  }

  get verbose(): boolean {
    return (this.level & LEVEL2) !== 0
  }

  /** Instructions are printed at levels 1 and 2. */
  get insns(): boolean {
    return (this.level & (LEVEL1 | LEVEL2)) !== 0
  }

  get end(): number {
    return this.#length
  }

  write(text: string): void {
    if (this.level === 0) return
    this.#parts.push(text)
    this.#length += text.length
  }

  /** Drop what was written after `position`. */
  reset(position: number): void {
    while (this.#length > position) {
      const last = this.#parts.pop()!
      this.#length -= last.length
      if (this.#length >= position) continue
      const kept = last.slice(0, position - this.#length)
      this.#parts.push(kept)
      this.#length += kept.length
    }
  }

  text(): string {
    return this.#parts.join('')
  }
}

/** Signed: decimal within s16, else hexadecimal. */
export function formatSigned(L: number, H: number): string {
  const small = (H === 0 && L >= 0 && L <= 0x7fff) || (H === -1 && L < 0 && L >= -0x8000)
  return small ? String(L) : hex(L, H)
}

/** Unsigned: decimal within u16, else hexadecimal. */
export function formatUnsigned(L: number, H: number): string {
  return H === 0 && L >>> 0 <= 0xffff ? String(L >>> 0) : hex(L, H)
}

const isSmall = (L: number, H: number): boolean =>
  (H === 0 && L >= 0 && L <= 0x7fff) || (H === -1 && L < 0 && L >= -0x8000)

/** Ranges with equal values share one number: `smin=smin32=0,smax=umax=umax32=0xffff`. */
export function formatRanges(s: Scalar): string {
  const high = (word: number): number => (isSmall(word, word >> 31) ? word >> 31 : 0)
  const rows: { name: string; L: number; H: number; omit: boolean }[] = [
    { name: 'smin', L: s.sminL, H: s.sminH, omit: s.sminL === 0 && s.sminH === INT_MIN },
    { name: 'smax', L: s.smaxL, H: s.smaxH, omit: s.smaxL === -1 && s.smaxH === INT_MAX },
    { name: 'umin', L: s.uminL, H: s.uminH, omit: (s.uminL | s.uminH) === 0 },
    { name: 'umax', L: s.umaxL, H: s.umaxH, omit: (s.umaxL & s.umaxH) === -1 },
    { name: 'smin32', L: s.smin32, H: high(s.smin32), omit: s.smin32 === INT_MIN },
    { name: 'smax32', L: s.smax32, H: high(s.smax32), omit: s.smax32 === INT_MAX },
    { name: 'umin32', L: s.umin32, H: 0, omit: s.umin32 === 0 },
    { name: 'umax32', L: s.umax32, H: 0, omit: s.umax32 === -1 },
  ]
  const parts: string[] = []
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    if (row.omit) continue
    const signed = row.name[0] === 's'
    const negative = signed && row.H < 0
    let names = row.name + '='
    for (let j = i + 2; j < rows.length; j += 2) {
      const other = rows[j]!
      if (other.omit || other.L !== row.L || other.H !== row.H) continue
      if ((other.name[0] === 's' && other.H < 0) !== negative) continue
      other.omit = true
      names += other.name + '='
    }
    parts.push(names + (signed ? formatSigned(row.L, row.H) : formatUnsigned(row.L, row.H)))
  }
  return parts.join(',')
}

const plus = (n: number): string => (n < 0 ? String(n) : '+' + n)

export function formatReg(frame: Frame, reg: Reg): string {
  const type = reg.type
  const base = type & BASE_MASK
  let text = type === SCALAR && reg.precise ? 'P' : ''
  const { tnum } = reg.s
  if (type === SCALAR && isConst(reg.s)) return text + formatSigned(tnum.vL, tnum.vH)
  text += typeName(type)
  if (type === ARENA) return text
  if (type === STACK) {
    if (frame.frameno !== reg.n) text += `[${reg.n}]`
    if (isConst(reg.s)) {
      const L = (tnum.vL + reg.off) | 0
      return text + formatSigned(L, addH(tnum.vL, tnum.vH, reg.off, reg.off >> 31))
    }
  }
  if (base === BTF_PTR) text += reg.btf ? nameOfType(reg.btf, reg.btfId) : ''
  const parts: string[] = []
  if (reg.id) {
    let id = `id=${reg.id & ~ADD_CONST}`
    if (reg.id & ADD_CONST) id += plus(reg.off)
    parts.push(id)
  }
  if (reg.refId) parts.push(`ref_obj_id=${reg.refId}`)
  if (type & NON_OWN) parts.push('non_own_ref')
  if (hasMap(base) && reg.map) {
    if (reg.map.name) parts.push(`map=${reg.map.name}`)
    parts.push(`ks=${reg.map.keySize},vs=${reg.map.valueSize}`)
  }
  if (type !== SCALAR && reg.off) parts.push(`off=${formatSigned(reg.off, reg.off >> 31)}`)
  if (isPacketPointer(type)) parts.push(`r=${formatUnsigned(reg.n, reg.n >> 31)}`)
  if (base === MEM) parts.push(`sz=${formatUnsigned(reg.n, 0)}`)
  if (base === DYNPTR_PTR) parts.push(`type=${reg.object?.dynptr ?? ''}`)
  if (isConst(reg.s)) {
    if ((tnum.vL | tnum.vH) !== 0) parts.push(`imm=${formatSigned(tnum.vL, tnum.vH)}`)
  } else {
    const ranges = formatRanges(reg.s)
    if (ranges) parts.push(ranges)
    if (!T.isUnknown(tnum)) parts.push(`var_off=${T.format(tnum)}`)
  }
  return `${text}(${parts.join(',')})`
}

const DYNPTR_NAMES = { local: 'local', ringbuf: 'ringbuf', skb: 'skb', xdp: 'xdp', skb_meta: 'skb_meta' } as const

/** Which registers and slots changed since the last print. */
export interface Scratched {
  regs: number
  /** Bit per slot, 64 slots. */
  stackL: number
  stackH: number
}

/** ` R1=ctx() R10=fp0 fp-8=0`, without the final newline; only what is scratched unless `all`. */
export function formatState(state: State, frameno: number, all: boolean, scratched: Scratched): string {
  const frame = state.frames[frameno]!
  let text = frame.frameno ? ` frame${frame.frameno}:` : ''
  for (let i = 0; i < 11; i++) {
    const reg = frame.regs[i]!
    if (reg.type === NOT_INIT) continue
    if (!all && !(scratched.regs & (1 << i))) continue
    text += ` R${i}=${formatReg(frame, reg)}`
  }
  for (let i = 0; i < frame.stack.length; i++) {
    const slot = frame.stack[i]!
    if (slot.types === 0) continue
    if (!all && !((i < 32 ? scratched.stackL >>> i : scratched.stackH >>> (i - 32)) & 1)) continue
    // The byte at the lowest address decides what the slot is.
    const top = byteType(slot.types, 7)
    const chars: string[] = []
    for (let j = 0; j < 8; j++) chars.push(SLOT_CHARS[byteType(slot.types, j)]!)
    const at = -8 * (i + 1)
    switch (top) {
      case SPILL: {
        const first = chars.indexOf('r')
        text += ` fp${at}=${chars.slice(0, first).join('')}${formatReg(frame, slot.reg)}`
        break
      }
      case DYNPTR: {
        i++
        const main = frame.stack[i]!.reg
        const parts: string[] = []
        if (main.id) parts.push(`id=${main.id}`)
        if (main.refId) parts.push(`ref_id=${main.refId}`)
        if (main.n) parts.push(`dynptr_id=${main.n}`)
        text += ` fp${-8 * (i + 1)}=dynptr_${DYNPTR_NAMES[main.object?.dynptr ?? 'local']}(${parts.join(',')})`
        break
      }
      case ITER: {
        const object = slot.reg.object
        if (!slot.reg.refId || !object) continue
        const name = object.iterName
        const phase = object.drained ? 'drained' : 'active'
        text += ` fp${at}=iter_${name}(ref_id=${slot.reg.refId},state=${phase},depth=${object.depth ?? 0})`
        break
      }
      default:
        text += ` fp${at}=${chars.join('')}`
    }
  }
  const ids = state.refs.filter((ref) => ref.id)
  if (ids.length) text += ` refs=${ids.map((ref) => ref.id).join(',')}`
  if (frame.inCallback) text += ' cb'
  if (frame.inAsyncCallback) text += ' async_cb'
  return text
}
