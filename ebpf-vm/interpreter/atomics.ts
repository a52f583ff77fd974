// Atomic operations. A simulated CPU runs nothing beside the program, so each is a plain read, change and write.

import type { AtomicName, SizeName } from '../isa/opcodes.ts'
import { type Access, LDX, STX } from './memory.ts'
import { R0, type Step } from './step.ts'

/** `b`: the register that holds the address, `s`: the operand, which fetch forms overwrite with the old value. */
type Atomic = (b: number, s: number, access: Access) => Step

/** What a read-modify-write leaves in memory, one half at a time: add alone carries between halves. */
const BITWISE = {
  or: (a: number, b: number) => a | b,
  and: (a: number, b: number) => a & b,
  xor: (a: number, b: number) => a ^ b,
  xchg: (_: number, b: number) => b,
}

const add =
  (size: 'w' | 'dw', fetch: boolean): Atomic =>
  (b, s, { region, mem, off, slot, next }) =>
  (r) => {
    const at = region.find(r[b]!, r[b + 1]!, off, size === 'w' ? 4 : 8, slot)
    if (at < 0) return next
    const lo = mem.dv.getInt32(at, true)
    const sum = (lo + r[s]!) | 0
    mem.dv.setInt32(at, sum, true)
    let hi = 0
    if (size === 'dw') {
      hi = mem.dv.getInt32(at + 4, true)
      mem.dv.setInt32(at + 4, hi + r[s + 1]! + (sum >>> 0 < lo >>> 0 ? 1 : 0), true)
    }
    if (fetch) {
      r[s] = lo
      r[s + 1] = hi
    }
    return next
  }

const bitwise =
  (op: keyof typeof BITWISE, size: 'w' | 'dw', fetch: boolean): Atomic =>
  (b, s, { region, mem, off, slot, next }) => {
    const apply = BITWISE[op]
    return (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, size === 'w' ? 4 : 8, slot)
      if (at < 0) return next
      const lo = mem.dv.getInt32(at, true)
      mem.dv.setInt32(at, apply(lo, r[s]!), true)
      let hi = 0
      if (size === 'dw') {
        hi = mem.dv.getInt32(at + 4, true)
        mem.dv.setInt32(at + 4, apply(hi, r[s + 1]!), true)
      }
      if (fetch) {
        r[s] = lo
        r[s + 1] = hi
      }
      return next
    }
  }

/** Stores the operand if memory holds r0; r0 becomes what memory held, zero-extended. */
const cmpxchg =
  (size: 'w' | 'dw'): Atomic =>
  (b, s, { region, mem, off, slot, next }) =>
  (r) => {
    const at = region.find(r[b]!, r[b + 1]!, off, size === 'w' ? 4 : 8, slot)
    if (at < 0) return next
    const lo = mem.dv.getInt32(at, true)
    const hi = size === 'w' ? 0 : mem.dv.getInt32(at + 4, true)
    if (lo === r[R0] && (size === 'w' || hi === r[R0 + 1])) {
      mem.dv.setInt32(at, r[s]!, true)
      if (size === 'dw') mem.dv.setInt32(at + 4, r[s + 1]!, true)
    }
    r[R0] = lo
    r[R0 + 1] = hi
    return next
  }

type ReadModifyWrite = Exclude<AtomicName, 'load_acquire' | 'store_release'>

const RMW: Record<ReadModifyWrite, (size: 'w' | 'dw') => Atomic> = {
  add: (size) => add(size, false),
  fetch_add: (size) => add(size, true),
  or: (size) => bitwise('or', size, false),
  fetch_or: (size) => bitwise('or', size, true),
  and: (size) => bitwise('and', size, false),
  fetch_and: (size) => bitwise('and', size, true),
  xor: (size) => bitwise('xor', size, false),
  fetch_xor: (size) => bitwise('xor', size, true),
  xchg: (size) => bitwise('xchg', size, true),
  cmpxchg,
}

/** The step of an atomic instruction; `d` and `s` are its destination and source registers. */
export function atomic(op: AtomicName, size: SizeName, d: number, s: number, access: Access): Step {
  if (op === 'load_acquire') return LDX[size](d, s, access)
  if (op === 'store_release') return STX[size](d, s, access)
  return RMW[op](size === 'w' ? 'w' : 'dw')(d, s, access)
}
