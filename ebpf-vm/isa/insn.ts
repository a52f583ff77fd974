// One 8-byte slot of a program, decoded. A 64-bit immediate load is two slots; the second one has code 0.
//
//   byte 0    byte 1          bytes 2-3        bytes 4-7
//   code    | src:4 dst:4  |  off (s16 le)  |  imm (s32 le)

import { CALL, CLASS, JMP, MODE, SIZE } from './opcodes.ts'

export interface Insn {
  code: number
  dst: number
  src: number
  off: number
  imm: number
}

/** Slots of `bytes`, whose length is a multiple of 8. */
export function decode(bytes: Uint8Array): Insn[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const insns: Insn[] = []
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const registers = view.getUint8(at + 1)
    insns.push({
      code: view.getUint8(at),
      dst: registers & 15,
      src: registers >> 4,
      off: view.getInt16(at + 2, true),
      imm: view.getInt32(at + 4, true),
    })
  }
  return insns
}

export function encode(insns: readonly Insn[]): Uint8Array {
  const bytes = new Uint8Array(insns.length * 8)
  const view = new DataView(bytes.buffer)
  insns.forEach((insn, i) => {
    view.setUint8(i * 8, insn.code)
    view.setUint8(i * 8 + 1, (insn.src << 4) | insn.dst)
    view.setInt16(i * 8 + 2, insn.off, true)
    view.setInt32(i * 8 + 4, insn.imm, true)
  })
  return bytes
}

export const classOf = (insn: Insn): number => insn.code & 7

/** LD | IMM | DW: the only instruction of two slots. */
export const isLdImm64 = (insn: Insn): boolean => insn.code === (CLASS.ld | MODE.imm | SIZE.dw.code)

export const isCall = (insn: Insn): boolean => insn.code === (CLASS.jmp | JMP.call.code)
export const isHelperCall = (insn: Insn): boolean => isCall(insn) && insn.src === CALL.helper
export const isLocalCall = (insn: Insn): boolean => isCall(insn) && insn.src === CALL.local
export const isKfuncCall = (insn: Insn): boolean => isCall(insn) && insn.src === CALL.kfunc
