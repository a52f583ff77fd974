// Loads and stores, one short function per size. A store of an immediate is a store of the register that holds it (step.ts).

import type { KernelMemory } from '../../base/memory.ts'
import type { SizeName } from '../isa/opcodes.ts'
import type { Region } from './region.ts'
import type { Step } from './step.ts'

/** Of one load or store: its region, offset, slot (for faults) and the next slot. */
export interface Access {
  readonly region: Region
  readonly mem: KernelMemory
  readonly off: number
  readonly slot: number
  readonly next: number
}

/** `d`: destination register, `b`: the one that holds the address. */
type Load = (d: number, b: number, access: Access) => Step
/** `b`: the register that holds the address, `s`: the one stored. */
type Store = (b: number, s: number, access: Access) => Step

export const LDX: Record<SizeName, Load> = {
  dw:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 8, slot)
      r[d] = at < 0 ? 0 : mem.dv.getInt32(at, true)
      r[d + 1] = at < 0 ? 0 : mem.dv.getInt32(at + 4, true)
      return next
    },
  w:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 4, slot)
      r[d] = at < 0 ? 0 : mem.dv.getInt32(at, true)
      r[d + 1] = 0
      return next
    },
  h:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 2, slot)
      r[d] = at < 0 ? 0 : mem.dv.getUint16(at, true)
      r[d + 1] = 0
      return next
    },
  b:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 1, slot)
      r[d] = at < 0 ? 0 : mem.u8[at]!
      r[d + 1] = 0
      return next
    },
}

/** Sign-extending loads. */
export const LDX_SX: Record<Exclude<SizeName, 'dw'>, Load> = {
  w:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 4, slot)
      const value = at < 0 ? 0 : mem.dv.getInt32(at, true)
      r[d] = value
      r[d + 1] = value >> 31
      return next
    },
  h:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 2, slot)
      const value = at < 0 ? 0 : mem.dv.getInt16(at, true)
      r[d] = value
      r[d + 1] = value >> 31
      return next
    },
  b:
    (d, b, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 1, slot)
      const value = at < 0 ? 0 : mem.dv.getInt8(at)
      r[d] = value
      r[d + 1] = value >> 31
      return next
    },
}

export const STX: Record<SizeName, Store> = {
  dw:
    (b, s, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 8, slot)
      if (at < 0) return next
      mem.dv.setInt32(at, r[s]!, true)
      mem.dv.setInt32(at + 4, r[s + 1]!, true)
      return next
    },
  w:
    (b, s, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 4, slot)
      if (at >= 0) mem.dv.setInt32(at, r[s]!, true)
      return next
    },
  h:
    (b, s, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 2, slot)
      if (at >= 0) mem.dv.setInt16(at, r[s]!, true)
      return next
    },
  b:
    (b, s, { region, mem, off, slot, next }) =>
    (r) => {
      const at = region.find(r[b]!, r[b + 1]!, off, 1, slot)
      if (at >= 0) mem.u8[at] = r[s]!
      return next
    },
}
