// References that a program must give back: acquiring, finding, releasing, and what happens to the registers that hold them.

import type { Env } from '../env.ts'
import { BASE_MASK, isPacketPointer, NON_OWN, PACKET_END, type Reg, scalarReg, UNSET } from '../reg.ts'
import { ANY } from '../scalar/scalar.ts'
import { byteType, type Frame, SPILL, type State } from '../state.ts'

/** A new reference of the current instruction; its id is new, or `id`. */
export function acquireRef(env: Env, insn: number): number {
  const id = env.newId()
  env.state.refs = [...env.state.refs, { kind: 'ptr', id, insn }]
  return id
}

/** Drop the reference; false when it is not held. */
export function dropRef(state: State, id: number): boolean {
  const at = state.refs.findIndex((ref) => ref.kind === 'ptr' && ref.id === id)
  if (at < 0) return false
  // The last one takes its place, as in Linux: the order shows in the log.
  state.refs = state.refs.filter((_, i) => i !== at)
  return true
}

/** Replace registers and spilled registers of all frames: `change` returns the same one to leave it. */
export function mapRegs(state: State, change: (reg: Reg, frame: Frame) => Reg): void {
  for (const frame of state.frames) {
    for (let i = 0; i < 11; i++) {
      const reg = frame.regs[i]!
      const now = change(reg, frame)
      if (now !== reg) frame.regs[i] = now
    }
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i]!
      if (byteType(slot.types, 7) !== SPILL) continue
      const now = change(slot.reg, frame)
      if (now !== slot.reg) frame.stack[i] = { types: slot.types, reg: now }
    }
  }
}

/** What a released or expired pointer becomes. */
export function invalid(env: Env): Reg {
  return env.allowPtrLeaks ? scalarReg(ANY) : UNSET
}

/** Give up a reference: every copy of its pointer becomes unusable. False when it is not held. */
export function releaseRef(env: Env, id: number): boolean {
  if (!dropRef(env.state, id)) return false
  mapRegs(env.state, (reg) => (reg.refId === id ? invalid(env) : reg))
  return true
}

/** Packet data may have moved: all packet pointers and slices of packets are gone. */
export function clearPacketPointers(env: Env): void {
  mapRegs(env.state, (reg) => {
    const isPacket = isPacketPointer(reg.type) || (reg.type & BASE_MASK) === PACKET_END
    const isSlice = reg.dynptrId !== 0 && (reg.type & ((1 << 16) | (1 << 17))) !== 0
    return isPacket || isSlice ? invalid(env) : reg
  })
}

/** Non-owning references live as long as the lock is held. */
export function invalidateNonOwning(env: Env): void {
  mapRegs(env.state, (reg) => (reg.type & NON_OWN ? invalid(env) : reg))
}
