// Puts a relocation's value into its instruction: the immediate of an arithmetic or 64-bit load instruction, the offset (and where
// the field's size differs, the size) of a load or store. What has no value becomes a call that the verifier refuses if it is reached.

import { classOf, type Insn, isLdImm64 } from '../../../ebpf-vm/isa/insn.ts'
import { CLASS, JMP, SIZE, SRC_X } from '../../../ebpf-vm/isa/opcodes.ts'
import { CoreError } from './kinds.ts'
import type { Resolution } from './resolve.ts'

/** libbpf's helper number for "bad relo": the verifier says `invalid func unknown#195896080`. */
export const POISON_CALL = 0xbad2310
const MAX_OFFSET = 0x7fff
const SIZE_BITS = 0x18

/** Changes `insns[at]` (and the second slot of a 64-bit load) in place. Throws CoreError with libbpf's words. */
export function patch(insns: Insn[], at: number, resolution: Resolution): void {
  const insn = insns[at]!
  const form = formOf(insns, at)
  if (resolution.kind === 'poison') {
    poison(insns, at)
    return
  }
  switch (form) {
    case 'ALU/ALU64':
      check(resolution, BigInt(insn.imm), at, form)
      insn.imm = low(resolution.value)
      return
    case 'LDX/ST/STX':
      check(resolution, BigInt(insn.off), at, form)
      if (resolution.value > MAX_OFFSET) {
        throw new CoreError(`insn #${at} (${form}) value too big: ${resolution.value}`)
      }
      if (resolution.unsafeSize) {
        poison(insns, at)
        return
      }
      insn.off = low(resolution.value)
      if (resolution.size !== resolution.originalSize) resize(insn, at, resolution.originalSize, resolution.size)
      return
    case 'LDIMM64': {
      const second = insns[at + 1]!
      check(resolution, (BigInt(second.imm) << 32n) | BigInt(insn.imm >>> 0), at, form)
      insn.imm = low(resolution.value)
      second.imm = low(resolution.value >> 32n)
      return
    }
  }
}

/** Which of the three forms that can be relocated stands at `at`, in libbpf's words. */
function formOf(insns: readonly Insn[], at: number): 'ALU/ALU64' | 'LDX/ST/STX' | 'LDIMM64' {
  const insn = insns[at]!
  switch (classOf(insn)) {
    case CLASS.alu:
    case CLASS.alu64:
      if (insn.code & SRC_X) throw unrecognized(insn, at)
      return 'ALU/ALU64'
    case CLASS.ldx:
    case CLASS.st:
    case CLASS.stx:
      return 'LDX/ST/STX'
    case CLASS.ld: {
      const second = insns[at + 1]
      const blank = second && second.code === 0 && second.dst === 0 && second.src === 0 && second.off === 0
      if (!isLdImm64(insn) || insn.src !== 0 || insn.off !== 0 || !blank) {
        throw new CoreError(`insn #${at} (LDIMM64) has unexpected form`)
      }
      return 'LDIMM64'
    }
    default:
      throw unrecognized(insn, at)
  }
}

function poison(insns: Insn[], at: number): void {
  const slots = isLdImm64(insns[at]!) ? 2 : 1
  for (let i = at; i < at + slots; i++) {
    insns[i] = { code: CLASS.jmp | JMP.call.code, dst: 0, src: 0, off: 0, imm: POISON_CALL }
  }
}

function check(resolution: Extract<Resolution, { kind: 'value' }>, now: bigint, at: number, what: string): void {
  if (!resolution.validate || BigInt.asUintN(64, now) === BigInt.asUintN(64, resolution.original)) return
  throw new CoreError(
    `unexpected insn #${at} (${what}) value: got ${now}, exp ${resolution.original} -> ${resolution.value}`,
  )
}

function resize(insn: Insn, at: number, before: number, after: number): void {
  const sizes = Object.values(SIZE)
  const now = sizes.find((size) => size.code === (insn.code & SIZE_BITS))!
  if (now.bytes !== before) {
    throw new CoreError(`insn #${at} (LDX/ST/STX) unexpected mem size: got ${now.bytes}, exp ${before}`)
  }
  const size = sizes.find(({ bytes }) => bytes === after)
  if (!size) throw new CoreError(`insn #${at} (LDX/ST/STX) invalid new mem size: ${after}`)
  insn.code = (insn.code & ~SIZE_BITS) | size.code
}

const low = (value: bigint): number => Number(BigInt.asIntN(32, value))

const unrecognized = (insn: Insn, at: number): CoreError =>
  new CoreError(
    `trying to relocate unrecognized insn #${at}, code:0x${insn.code.toString(16)}, src:0x${insn.src.toString(16)}, ` +
      `dst:0x${insn.dst.toString(16)}, off:0x${insn.off.toString(16)}, imm:0x${insn.imm.toString(16)}`,
  )
