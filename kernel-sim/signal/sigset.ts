// sigset_t in kernel memory: 64 bits, signal n is bit n - 1. As two int32 halves at an offset.

import type { KernelMemory } from '../../base/memory.ts'
import { SIG } from './numbers.ts'

export interface Sigset {
  readonly lo: number
  readonly hi: number
}

/** SIGKILL and SIGSTOP cannot be blocked. */
const UNBLOCKABLE_LO = (1 << (SIG.KILL - 1)) | (1 << (SIG.STOP - 1))

export function readSet(mem: KernelMemory, at: number): Sigset {
  return { lo: mem.i32[at >> 2]!, hi: mem.i32[(at + 4) >> 2]! }
}

export function writeSet(mem: KernelMemory, at: number, set: Sigset): void {
  mem.i32[at >> 2] = set.lo
  mem.i32[(at + 4) >> 2] = set.hi
}

export function blockable(set: Sigset): Sigset {
  return { lo: set.lo & ~UNBLOCKABLE_LO, hi: set.hi }
}

export function hasSignal(mem: KernelMemory, at: number, signal: number): boolean {
  return (mem.i32[(at + (signal > 32 ? 4 : 0)) >> 2]! & (1 << ((signal - 1) & 31))) !== 0
}

export function setSignal(mem: KernelMemory, at: number, signal: number, on: boolean): void {
  const i = (at + (signal > 32 ? 4 : 0)) >> 2
  const bit = 1 << ((signal - 1) & 31)
  mem.i32[i] = on ? mem.i32[i]! | bit : mem.i32[i]! & ~bit
}

export function union(a: Sigset, b: Sigset): Sigset {
  return { lo: a.lo | b.lo, hi: a.hi | b.hi }
}

export function without(a: Sigset, b: Sigset): Sigset {
  return { lo: a.lo & ~b.lo, hi: a.hi & ~b.hi }
}

export function single(signal: number): Sigset {
  const bit = 1 << ((signal - 1) & 31)
  return signal > 32 ? { lo: 0, hi: bit } : { lo: bit, hi: 0 }
}

export function inSet(set: Sigset, signal: number): boolean {
  return ((signal > 32 ? set.hi : set.lo) & (1 << ((signal - 1) & 31))) !== 0
}
