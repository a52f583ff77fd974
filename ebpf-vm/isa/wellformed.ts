// Whether instructions are a program at all: what engines rely on even where nothing was verified. (The verifier has Linux's own words
// for each of these.)

import { classify, fallsThrough, slotsOf } from './forms.ts'
import type { Insn } from './insn.ts'

/** One line that says which instruction (counted from 0) is wrong and how; undefined when none is. */
export function malformed(insns: readonly Insn[]): string | undefined {
  const starts = new Set<number>()
  let last = -1
  for (let slot = 0; slot < insns.length; ) {
    const insn = insns[slot]!
    const form = classify(insn)
    if (!form) return `instruction ${slot} does not exist, or a field that it does not use is not zero`
    if (insn.dst > 10 || insn.src > 10) return `instruction ${slot} names a register above r10`
    if (slotsOf(form) === 2) {
      const second = insns[slot + 1]
      if (!second) return `instruction ${slot} is a wide load that is cut off`
      if (second.code | second.dst | second.src | second.off) {
        return `instruction ${slot} is a wide load whose second half holds more than an immediate`
      }
    }
    starts.add(slot)
    last = slot
    slot += slotsOf(form)
  }
  if (last < 0) return 'the program is empty'
  for (const slot of starts) {
    const target = goesTo(insns[slot]!, slot)
    if (target !== undefined && !starts.has(target)) {
      return `instruction ${slot} goes to ${target}, where no instruction starts`
    }
  }
  return fallsThrough(classify(insns[last]!)!) ? `the program runs over its end behind instruction ${last}` : undefined
}

/** Slot that an instruction jumps to, calls or takes the address of. */
function goesTo(insn: Insn, slot: number): number | undefined {
  const form = classify(insn)!
  switch (form.kind) {
    case 'ja':
    case 'may_goto':
    case 'jmp':
      return slot + 1 + insn.off
    case 'gotol':
      return slot + 1 + insn.imm
    case 'call':
      return form.target === 'local' ? slot + 1 + insn.imm : undefined
    case 'ld_imm64':
      return form.pseudo === 'func' ? slot + 1 + insn.imm : undefined
    default:
      return undefined
  }
}
