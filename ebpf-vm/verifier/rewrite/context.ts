// Context loads and stores of user API structs as accesses of the kernel's own structs, where the active kernel's BTF has the members.

import type { ContextField } from '../../../base/facts.ts'
import type { Layouts } from '../../../base/layouts.ts'
import type { Insn } from '../../isa/insn.ts'
import { ALU, CLASS, JMP, MODE, SIZE, SRC_K } from '../../isa/opcodes.ts'
import type { Env } from '../env.ts'

const sizeCode = (bytes: number): number =>
  bytes === 8 ? SIZE.dw.code : bytes === 4 ? SIZE.w.code : bytes === 2 ? SIZE.h.code : SIZE.b.code
const bytesOf = (code: number): number => ({ 0: 4, 8: 2, 16: 1, 24: 8 })[code & 0x18]!

const load = (dst: number, src: number, off: number, bytes: number): Insn => ({
  code: CLASS.ldx | MODE.mem | sizeCode(bytes),
  dst,
  src,
  off,
  imm: 0,
})
const alu = (op: { code: number }, dst: number, imm: number): Insn => ({
  code: CLASS.alu64 | SRC_K | op.code,
  dst,
  src: 0,
  off: 0,
  imm,
})

/** The replacement, or why there is none. */
export function convertContext(
  env: Env,
  insn: Insn,
  offset: number | undefined,
  layouts: Layouts | undefined,
): Insn[] | string {
  const { context } = env.type
  // Contexts that are bytes in memory are read as they are.
  if (context.kind !== 'fields') return [insn]
  const at = offset ?? insn.off
  const bytes = bytesOf(insn.code)
  const isLoad = (insn.code & 7) === CLASS.ldx
  const field = context.fields.find(
    (f) =>
      f.offset <= at &&
      at + bytes <= f.offset + f.size &&
      (!f.attachTypes || f.attachTypes.includes(env.input.expectedAttachType)),
  )
  if (!field?.convert) return missing(context.name, field, at)
  if (!layouts) return `${context.name}.${field.name} needs the kernel's BTF`
  return isLoad ? convertLoad(insn, field, at, bytes, layouts) : convertStore(insn, field, layouts)
}

const missing = (name: string, field: ContextField | undefined, at: number): string =>
  `context access ${name}.${field?.name ?? `+${at}`} is verified but cannot be run yet`

function convertLoad(insn: Insn, field: ContextField, at: number, bytes: number, layouts: Layouts): Insn[] | string {
  const convert = field.convert!
  const { dst } = insn
  const out: Insn[] = []
  let base = insn.src
  const { steps } = convert
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!
    const found = layouts.field(step.struct, step.path)
    if (!found) return `this kernel has no ${step.struct}.${step.path}, which ${field.name} is read from`
    const isLast = i === steps.length - 1
    const skip = isLast && convert.special !== 'pt_regs' ? (convert.offset ?? 0) : 0
    const size = isLast && convert.special !== 'pt_regs' ? (convert.size ?? found.size) : 8
    out.push(load(dst, base, found.offset + skip, size))
    if (isLast && found.bits) {
      if (found.bitOffset) out.push(alu(ALU.rsh, dst, found.bitOffset))
      out.push(alu(ALU.and, dst, (1 << found.bits) - 1))
    }
    base = dst
  }
  if (convert.special === 'pt_regs') out.push(load(dst, dst, convert.offset ?? 0, 8))
  else if (convert.special === 'nonzero') {
    out.push({ code: CLASS.jmp | JMP.jeq.code, dst, src: 0, off: 1, imm: 0 }, alu(ALU.mov, dst, 1))
  } else if (convert.special !== undefined) return `context field ${field.name} is verified but cannot be run yet`
  if (convert.shift) out.push(alu(ALU.rsh, dst, convert.shift))
  if (convert.mask !== undefined) out.push(alu(ALU.and, dst, convert.mask))
  if (convert.nullCheck) guard(out, steps.length, dst)
  if (bytes < field.size && bytes < 8) {
    const shift = (at - field.offset) * 8
    if (shift) out.push(alu(ALU.rsh, dst, shift))
    out.push(
      bytes === 4
        ? { code: CLASS.alu | 0x08 | ALU.mov.code, dst, src: dst, off: 0, imm: 0 }
        : alu(ALU.and, dst, bytes === 2 ? 0xffff : 0xff),
    )
  }
  return out
}

/** A NULL pointer on the way ends the walk with 0. */
function guard(out: Insn[], steps: number, dst: number): void {
  for (let i = steps - 1; i >= 1; i--) {
    // Behind the i-th load: skip the rest of the walk.
    const skip = out.length - i
    out.splice(i, 0, { code: CLASS.jmp | JMP.jeq.code, dst, src: 0, off: skip, imm: 0 })
  }
}

function convertStore(insn: Insn, field: ContextField, layouts: Layouts): Insn[] | string {
  const { steps, offset = 0 } = field.convert!
  if (steps.length !== 1) return `context store ${field.name} is verified but cannot be run yet`
  const found = layouts.field(steps[0]!.struct, steps[0]!.path)
  if (!found || found.bits) return `context store ${field.name} is verified but cannot be run yet`
  return [{ ...insn, off: found.offset + offset }]
}
