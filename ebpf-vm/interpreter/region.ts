// Where an access may go. Every load and store asks its region for the offset behind an address, whatever the verifier proved:
// the BPF stack's region is the frames of the running invocation, any other is mapped kernel memory.

import { KERNEL_HI, type KernelMemory, PAGE_SIZE } from '../../base/memory.ts'
import { type Fault, outOfReach } from '../fault.ts'
import type { ArenaMap } from '../maps/arena.ts'
import type { AccessKind } from '../program.ts'

/** Returned by find() for a probe that missed: a load gives 0, a store is dropped. */
export const MISSED = -1

export class Region {
  readonly kind: AccessKind
  /** Offsets `[low, high)` are accessible. The stack's move as functions are entered and left. */
  low: number
  high: number
  readonly #fault: (slot: number, what: string) => Fault

  /** `fault` makes the error for an access of the instruction at a slot. */
  constructor(kind: AccessKind, mem: KernelMemory, fault: (slot: number, what: string) => Fault) {
    this.kind = kind
    this.low = PAGE_SIZE
    this.high = mem.sizeBytes
    this.#fault = fault
  }

  /** Offset of the `bytes` at address hi:lo + off, or MISSED; throws Fault. */
  find(lo: number, hi: number, off: number, bytes: number, slot: number): number {
    const at = lo + off
    if (hi === KERNEL_HI && at >= this.low && at + bytes <= this.high) return at
    return this.#carry(lo, hi, off, bytes, slot)
  }

  /** The same where `off` may carry into the high word, or nothing is there. */
  #carry(lo: number, hi: number, off: number, bytes: number, slot: number): number {
    const sum = (lo >>> 0) + off
    const high = (hi + Math.floor(sum / 0x1_0000_0000)) | 0
    const at = sum >>> 0
    if (high === KERNEL_HI && at >= this.low && at + bytes <= this.high) return at
    if (this.kind === 'probe' || this.kind === 'btf') return MISSED
    throw this.#fault(slot, outOfReach(bytes, at, high, this.#name()))
  }

  #name(): string {
    if (this.kind === 'stack')
      return `the BPF stack (${this.high - this.low} bytes at offset 0x${this.low.toString(16)})`
    return this.kind === 'unproved' ? 'kernel memory' : `kernel memory (${this.kind} access)`
  }
}

/** Memory of an arena: only the low word of an address counts, and a page that is not there is a miss. */
export class ArenaRegion extends Region {
  readonly #arena: ArenaMap

  constructor(arena: ArenaMap, mem: KernelMemory, fault: (slot: number, what: string) => Fault) {
    super('arena', mem, fault)
    this.#arena = arena
  }

  override find(lo: number, _hi: number, off: number, bytes: number): number {
    return this.#arena.find(lo, off, bytes)
  }
}
