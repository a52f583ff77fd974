// Turns a program's instructions into steps, one per slot, once at load.

import { InternalError, unreachable } from '../../base/errors.ts'
import { TEXT_HI } from '../../base/memory.ts'
import type { Fault } from '../fault.ts'
import { BPF_FUNC_TAIL_CALL } from '../helper.ts'
import { classify, type Form, jumpTarget, slotsOf } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import { MAY_GOTO_COST_NS, Machine } from '../machine.ts'
import type { ArenaMap } from '../maps/arena.ts'
import type { AccessKind, VerifiedProgram } from '../program.ts'
import { ALU32, ALU64, END, MOV, movsx, NEG, SIGNED32, SIGNED64 } from './alu.ts'
import { atomic } from './atomics.ts'
import { helperCall, packetLoad, tailCall } from './calls.ts'
import { JMP32, JMP64 } from './jumps.ts'
import { type Access, LDX, LDX_SX, STX } from './memory.ts'
import type { Region } from './region.ts'
import { REGISTER_HALVES, type Step } from './step.ts'

export interface Code {
  /** By slot. */
  readonly steps: readonly Step[]
  /** Halves of the immediates, for the register file behind r10. */
  readonly constants: readonly number[]
}

export interface Context {
  /** The arena among the program's maps: a program has at most one. */
  readonly arena: ArenaMap | undefined
  readonly machine: Machine
  readonly program: VerifiedProgram
  readonly regionOf: (kind: AccessKind) => Region
  readonly fault: (slot: number, what: string) => Fault
  /** Slot in the machine's function table of subprogram `index`. */
  readonly functionSlot: (index: number) => number
}

/** Stands at the second slot of a wide load, where no program goes. */
const secondHalf: Step = () => {
  throw new InternalError('jump into a wide load')
}

/** NULL stays NULL; any other low word gets the high word of the arena's user addresses. */
function castToUser(d: number, s: number, arena: ArenaMap | undefined, next: number): Step {
  if (!arena) throw new InternalError('address-space cast in a program without an arena')
  return (r) => {
    const lo = r[s]!
    r[d] = lo
    r[d + 1] = lo === 0 ? 0 : arena.userHi
    return next
  }
}

export function predecode(context: Context): Code {
  const { machine, program, fault } = context
  const { insns } = program
  const steps: Step[] = []
  const constants: number[] = []
  const known = new Map<string, number>()

  /** Index in the register file of a 64-bit constant. */
  const constant = (lo: number, hi: number): number => {
    const key = `${hi}:${lo}`
    let at = known.get(key)
    if (at === undefined) {
      at = REGISTER_HALVES + constants.length
      constants.push(lo, hi)
      known.set(key, at)
    }
    return at
  }
  const source = (form: { source: 'imm' | 'reg' }, insn: Insn): number =>
    form.source === 'reg' ? 2 * insn.src : constant(insn.imm, insn.imm >> 31)

  function step(form: Form, insn: Insn, slot: number): Step {
    const d = 2 * insn.dst
    const s = 2 * insn.src
    const next = slot + slotsOf(form)
    const target = jumpTarget(form, insn, slot)
    const access = (): Access => {
      const region = context.regionOf(program.access[slot] ?? 'unproved')
      return { region, mem: machine.mem, off: insn.off, slot, next }
    }
    switch (form.kind) {
      case 'alu': {
        if (form.signed && (form.op === 'div' || form.op === 'mod')) {
          return (form.width === 64 ? SIGNED64 : SIGNED32)[form.op](d, source(form, insn), next)
        }
        return (form.width === 64 ? ALU64 : ALU32)[form.op](d, source(form, insn), next)
      }
      case 'mov':
        return MOV[form.width](d, source(form, insn), next)
      case 'movsx':
        return movsx(form, d, s, next)
      case 'neg':
        return NEG[form.width](d, next)
      case 'end':
        return END[form.order][form.bits](d, next)
      case 'ld_imm64': {
        const high = insns[slot + 1]!.imm
        if (form.pseudo === 'value') return MOV[64](d, constant(insn.imm, high), next)
        if (form.pseudo !== 'func') throw new InternalError(`unresolved ${form.pseudo} reference at slot ${slot}`)
        return MOV[64](d, constant(Machine.addressOf(context.functionSlot(insn.imm)), TEXT_HI), next)
      }
      case 'ldx':
        return form.signed && form.size !== 'dw' ? LDX_SX[form.size](d, s, access()) : LDX[form.size](d, s, access())
      case 'st':
        return STX[form.size](d, constant(insn.imm, insn.imm >> 31), access())
      case 'stx':
        return STX[form.size](d, s, access())
      case 'atomic':
        return atomic(form.op, form.size, d, s, access())
      case 'ja':
      case 'gotol':
        return () => target
      case 'jmp':
        return (form.width === 64 ? JMP64 : JMP32)[form.op](d, source(form, insn), target, next)
      case 'may_goto':
        return (_, run) => {
          machine.platform.charge(MAY_GOTO_COST_NS)
          return run.mayGoOn() ? next : target
        }
      case 'call':
        return call(form.target, insn, slot, next)
      case 'exit':
        return (_, run) => run.leave()
      case 'ld_abs':
      case 'ld_ind':
        return packetLoad(machine, form, s, insn.imm, next)
      case 'addr_space_cast':
        // The kernel's address of a place in the arena is its low word (memory.ts finds the rest).
        return form.to === 'kernel' ? MOV[32](d, s, next) : castToUser(d, s, context.arena, next)
      case 'mov_percpu':
        throw new InternalError(`${form.kind} at slot ${slot}: the verifier never makes it here`)
      default:
        return unreachable(form)
    }
  }

  function call(target: 'helper' | 'local' | 'kfunc', insn: Insn, slot: number, next: number): Step {
    switch (target) {
      case 'local': {
        const start = slot + 1 + insn.imm
        // A function that was removed as dead starts, empty, where the next one does.
        const { stackBytes } = program.subprograms.find((sub) => sub.start === start && sub.end > start)!
        return (_, run) => {
          run.enter(stackBytes, next)
          return start
        }
      }
      case 'helper': {
        if (insn.imm === BPF_FUNC_TAIL_CALL) return tailCall(machine, next)
        const impl = machine.tables.helpers.get(insn.imm)
        if (!impl) throw new InternalError(`helper ${insn.imm} at slot ${slot} is not implemented`)
        return helperCall(machine, impl, slot, next, fault)
      }
      case 'kfunc': {
        const name = program.kfuncs.get(slot)?.name ?? ''
        const impl = machine.tables.kfuncs.get(name)
        if (!impl) throw new InternalError(`kfunc ${name || insn.imm} at slot ${slot} is not implemented`)
        return helperCall(machine, impl, slot, next, fault)
      }
      default:
        return unreachable(target)
    }
  }

  for (let slot = 0; slot < insns.length; slot++) {
    const form = classify(insns[slot]!)
    if (!form) throw new InternalError(`slot ${slot} of ${program.name} holds no instruction`)
    steps[slot] = step(form, insns[slot]!, slot)
    if (slotsOf(form) === 2) steps[++slot] = secondHalf
  }
  return { steps, constants }
}
