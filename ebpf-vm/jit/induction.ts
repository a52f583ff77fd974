// Loop counters: a register that starts at a constant, grows by a constant, and is tested against a constant right away. From that its
// greatest value is known, where counting bits alone would let it grow for ever.

import type { FormOf } from '../isa/forms.ts'
import { type Kind, kindOfConstant } from './kinds.ts'
import type { Subject, Values } from './values.ts'

/** Kinds of the additions that bounded counters make, by slot. */
export function findInduction(subject: Subject, values: Values): Map<number, Kind> {
  const { cfg, forms, insns } = subject
  const bounds = new Map<number, Kind>()
  for (const block of cfg.blocks) {
    const test = forms[block.last]!
    if (test.kind !== 'jmp' || test.source !== 'imm') continue
    const web = values.dst[block.last]!
    let add = -1
    for (let slot = block.start; slot < block.last; slot++) if (values.def[slot] === web) add = slot
    const form = add < 0 ? undefined : forms[add]
    if (form?.kind !== 'alu' || form.op !== 'add' || form.width !== 64 || form.source !== 'imm') continue
    if (test.width !== 64 || values.dst[add] !== web) continue
    const step = insns[add]!.imm
    const limit = insns[block.last]!.imm
    const start = greatestStart(subject, values, web, add)
    if (start < 0 || step <= 0 || limit <= 0) continue
    const [greatest, leavesWhenTaken] = greatestValue(test, start, step, limit)
    if (greatest < 0) continue
    // Where the loop is left, the counter must not live on: it could come back and grow beyond its limit.
    const exit = block.succs[leavesWhenTaken ? 0 : 1]!
    if (values.isLiveIn(exit, insns[add]!.dst)) continue
    bounds.set(add, kindOfConstant(greatest | 0, Math.floor(greatest / 0x1_0000_0000)))
  }
  return bounds
}

/** The only other definitions of the web must be constants: the one they all are, or -1. */
function greatestStart(subject: Subject, values: Values, web: number, add: number): number {
  if (values.inputs.includes(web)) return -1
  let start = -1
  for (const block of subject.cfg.blocks) {
    for (let slot = block.start; slot < block.end; slot++) {
      if (values.def[slot] !== web || slot === add) continue
      const form = subject.forms[slot]!
      const { imm } = subject.insns[slot]!
      if (form.kind !== 'mov' || form.source !== 'imm' || imm < 0 || (start >= 0 && start !== imm)) return -1
      start = imm
    }
  }
  return start
}

/** The greatest value behind the addition (-1: none known), and whether the jump is taken to leave. */
function greatestValue(test: FormOf<'jmp'>, start: number, step: number, limit: number): [number, boolean] {
  const first = start + step
  switch (test.op) {
    case 'jeq':
    case 'jne':
      return [(limit - start) % step === 0 && first <= limit ? limit : -1, test.op === 'jeq']
    case 'jlt':
    case 'jslt':
      return [Math.max(first, limit - 1 + step), false]
    case 'jge':
    case 'jsge':
      return [Math.max(first, limit - 1 + step), true]
    case 'jle':
    case 'jsle':
      return [Math.max(first, limit + step), false]
    case 'jgt':
    case 'jsgt':
      return [Math.max(first, limit + step), true]
    default:
      return [-1, false]
  }
}
