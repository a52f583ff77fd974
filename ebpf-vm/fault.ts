// An access at run time that no verified program makes.

import { insnText } from './disasm/disasm.ts'
import type { VerifiedProgram } from './program.ts'

/** The message names program, instruction, address and region. */
export class Fault extends Error {
  override name = 'Fault'
}

/** The fault of the instruction at `slot`; instructions are counted as the program was loaded, before the verifier rewrote it. */
export function faultAt(program: VerifiedProgram, slot: number, what: string): Fault {
  const { name, insns, originalIndex } = program
  const text = slot < insns.length ? `, ${insnText(insns, slot)}` : ''
  return new Fault(`${name}, instruction ${originalIndex[slot] ?? insns.length}${text}: ${what}`)
}

/** `4 bytes at 0x0000000000000004 are not in kernel memory` */
export function outOfReach(bytes: number, lo: number, hi: number, region: string): string {
  const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, '0')
  return `${bytes} bytes at 0x${hex(hi)}${hex(lo)} are not in ${region}`
}
