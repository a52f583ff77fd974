// Calls that leave the program: helpers and kfuncs (ABI in helper.ts), tail calls, legacy packet loads.

import { InternalError, unreachable } from '../../base/errors.ts'
import { KERNEL_HI } from '../../base/memory.ts'
import type { Fault } from '../fault.ts'
import type { Gives, HelperImpl } from '../helper.ts'
import type { FormOf } from '../isa/forms.ts'
import { MAX_TAIL_CALLS, SIZE } from '../isa/opcodes.ts'
import { HELPER_COST_NS, type Machine } from '../machine.ts'
import { R0, R1, R6, type Registers, type Step } from './step.ts'

type FaultAt = (slot: number, what: string) => Fault

/** Calls `impl` with the words at these indices of the register file. Spreading an array would cost several times the call. */
function caller(impl: HelperImpl, words: readonly number[]): (r: Registers) => number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words
  switch (words.length) {
    case 0:
      return () => impl.run()
    case 1:
      return (r) => impl.run(r[a]!)
    case 2:
      return (r) => impl.run(r[a]!, r[b]!)
    case 3:
      return (r) => impl.run(r[a]!, r[b]!, r[c]!)
    case 4:
      return (r) => impl.run(r[a]!, r[b]!, r[c]!, r[d]!)
    case 5:
      return (r) => impl.run(r[a]!, r[b]!, r[c]!, r[d]!, r[e]!)
    case 6:
      return (r) => impl.run(r[a]!, r[b]!, r[c]!, r[d]!, r[e]!, r[f]!)
    default:
      return (r) => impl.run(...words.map((at) => r[at]!))
  }
}

/** Puts what `run` returned into r0. */
function returner(gives: Gives, machine: Machine): (r: Registers, word: number) => void {
  const { mem, cells } = machine
  switch (gives) {
    case 'void':
      return (r) => {
        r[R0] = 0
        r[R0 + 1] = 0
      }
    case 's32':
      return (r, word) => {
        r[R0] = word
        r[R0 + 1] = word >> 31
      }
    case 'u32':
      return (r, word) => {
        r[R0] = word
        r[R0 + 1] = 0
      }
    case 'ptr':
      return (r, word) => {
        r[R0] = word
        r[R0 + 1] = word === 0 ? 0 : KERNEL_HI
      }
    case 'u64':
      return (r) => {
        r[R0] = mem.i32[cells.result >> 2]!
        r[R0 + 1] = mem.i32[cells.resultHi >> 2]!
      }
    default:
      return unreachable(gives)
  }
}

/** A helper or kfunc call. Its cost is charged before it runs. */
export function helperCall(machine: Machine, impl: HelperImpl, slot: number, next: number, fault: FaultAt): Step {
  const words: number[] = []
  const pointers: number[] = []
  const functions: number[] = []
  impl.takes.forEach((takes, i) => {
    const lo = R1 + 2 * i
    words.push(lo)
    if (takes === 'u64') words.push(lo + 1)
    if (takes === 'ptr') pointers.push(lo)
    if (takes === 'func') functions.push(lo)
  })
  const call = caller(impl, words)
  const give = returner(impl.gives, machine)
  const { platform } = machine
  const costNs = impl.costNs ?? HELPER_COST_NS
  return (r) => {
    for (const at of pointers) {
      if (r[at + 1] !== KERNEL_HI && (r[at]! | r[at + 1]!) !== 0) throw fault(slot, `r${at >> 1} is no kernel address`)
    }
    // The call overwrites r1 to r5, so they may hold the slots that function addresses stand for.
    for (const at of functions) r[at] = machine.slotOf(r[at]!)
    platform.charge(costNs)
    give(r, call(r))
    return next
  }
}

/** bpf_tail_call(ctx, prog array, index): goes on behind the call when there is no program, or too many were entered this way. */
export function tailCall(machine: Machine, next: number): Step {
  const { mem, platform } = machine
  const counter = machine.cells.tailCalls >> 2
  return (r, run) => {
    platform.charge(HELPER_COST_NS)
    const slot = machine.mapAt(r[R1 + 2]!).programSlot(r[R1 + 4]! >>> 0)
    const target = slot === 0 ? undefined : machine.functionAt(slot)
    if (!target || mem.i32[counter]! >= MAX_TAIL_CALLS) return next
    mem.i32[counter]!++
    run.dropStack()
    r[R0] = target.call(r[R1]!)
    r[R0 + 1] = mem.i32[machine.cells.resultHi >> 2]!
    return run.leave()
  }
}

/** LD | ABS and LD | IND: r6 is the sk_buff; outside of the packet the function ends with r0 = 0. */
export function packetLoad(
  machine: Machine,
  form: FormOf<'ld_abs' | 'ld_ind'>,
  index: number,
  imm: number,
  next: number,
): Step {
  const load = machine.tables.loadPacket
  if (!load) throw new InternalError('legacy packet load, but this kernel has no packets')
  const { bytes } = SIZE[form.size]
  const indexed = form.kind === 'ld_ind'
  return (r, run) => {
    const value = load(r[R6]!, indexed ? (r[index]! + imm) | 0 : imm, bytes)
    r[R0] = value < 0 ? 0 : value
    r[R0 + 1] = 0
    return value < 0 ? run.leave() : next
  }
}
