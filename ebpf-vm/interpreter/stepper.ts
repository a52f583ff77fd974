// A run of a program, one instruction at a time, for debuggers and teaching. Helpers, callbacks and tail-called programs run within
// the step of their call.

import { InternalError } from '../../base/errors.ts'
import { KERNEL_HI } from '../../base/memory.ts'
import { insnText } from '../disasm/disasm.ts'
import { classify } from '../isa/forms.ts'
import { SIZE } from '../isa/opcodes.ts'
import { BpfException, type Machine } from '../machine.ts'
import type { VerifiedProgram } from '../program.ts'
import { InterpretedProgram } from './interpreter.ts'
import type { Invocation } from './invocation.ts'
import { DONE, R0 } from './step.ts'

/** Memory that an instruction read or wrote by itself (not what a helper it called did). */
export interface Touched {
  readonly kind: 'load' | 'store' | 'atomic'
  readonly address: bigint
  /** The bytes there before and after; empty when nothing is mapped (a probe that missed). */
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** One instruction carried out, and what the program's state is behind it. */
export interface StepView {
  /** Slot of the instruction, in the verified program and in the program as it was loaded. */
  readonly slot: number
  readonly original: number
  readonly text: string
  /** Call depth at the instruction: 1 in the main function. */
  readonly frame: number
  /** r0 to r10 afterwards, unsigned. */
  readonly registers: readonly bigint[]
  readonly touched: Touched | undefined
}

export class Stepper implements Disposable {
  readonly machine: Machine
  readonly program: VerifiedProgram
  readonly #loaded: InterpretedProgram
  readonly #run: Invocation
  readonly #stackTop: number
  #slot = 0
  #result: bigint | undefined

  /** Stands before the first instruction, with r1 = the kernel address of `ctx`. Dispose of it when done. */
  constructor(machine: Machine, program: VerifiedProgram, ctx: number) {
    this.machine = machine
    this.program = program
    this.#stackTop = machine.mem.i32[machine.cells.stackTop >> 2]!
    this.#loaded = new InterpretedProgram(machine, program)
    this.#run = this.#loaded.begin(ctx)
  }

  /** Slot of the next instruction, -1 at the end. */
  get slot(): number {
    return this.#slot
  }

  /** r0 at the end; undefined before. */
  get result(): bigint | undefined {
    return this.#result
  }

  /** r0 to r10, unsigned. */
  get registers(): readonly bigint[] {
    return Array.from({ length: 11 }, (_, n) => this.#register(n))
  }

  /** The stack of each function entered, outermost first: its lowest address and its bytes. */
  get frames(): readonly { readonly address: bigint; readonly bytes: Uint8Array }[] {
    return Array.from({ length: this.#run.depth }, (_, n) => {
      const { low, high } = this.#run.stackOf(n)
      return { address: addressOf(low, KERNEL_HI), bytes: this.machine.mem.bytes(low, high - low) }
    })
  }

  /** Carry the next instruction out; undefined at the end. Throws Fault, and then stays at that instruction. */
  step(): StepView | undefined {
    const slot = this.#slot
    if (slot === DONE) return undefined
    const { insns, originalIndex } = this.program
    const frame = this.#run.depth
    const access = this.#access(slot)
    const before = access ? this.#bytes(access) : NOTHING
    try {
      this.#slot = this.#loaded.code.steps[slot]!(this.#run.r, this.#run)
    } catch (error) {
      if (!(error instanceof BpfException)) throw error
      throw new InternalError('a stepped program threw: exceptions are not followed step by step')
    }
    if (this.#slot === DONE) this.#result = this.#register(R0)
    return {
      slot,
      original: originalIndex[slot] ?? slot,
      text: insnText(insns, slot),
      frame,
      registers: this.registers,
      touched: access && { kind: access.kind, address: access.address, before, after: this.#bytes(access) },
    }
  }

  /** Give the stack and the program's place in the function table back. */
  [Symbol.dispose](): void {
    this.machine.popStack(this.#stackTop)
    this.#loaded.free()
  }

  #register(n: number): bigint {
    return addressOf(this.#run.r[2 * n]!, this.#run.r[2 * n + 1]!)
  }

  /** What the instruction at a slot is about to touch. */
  #access(slot: number): { kind: Touched['kind']; address: bigint; bytes: number } | undefined {
    const insn = this.program.insns[slot]!
    const form = classify(insn)
    switch (form?.kind) {
      case 'ldx':
        return { kind: 'load', address: this.#plus(insn.src, insn.off), bytes: SIZE[form.size].bytes }
      case 'st':
      case 'stx':
        return { kind: 'store', address: this.#plus(insn.dst, insn.off), bytes: SIZE[form.size].bytes }
      case 'atomic': {
        const base = form.op === 'load_acquire' ? insn.src : insn.dst
        return { kind: 'atomic', address: this.#plus(base, insn.off), bytes: SIZE[form.size].bytes }
      }
      default:
        return undefined
    }
  }

  #plus(register: number, off: number): bigint {
    return BigInt.asUintN(64, this.#register(register) + BigInt(off))
  }

  #bytes({ address, bytes }: { address: bigint; bytes: number }): Uint8Array {
    const at = this.machine.mem.translate(
      Number(BigInt.asIntN(32, address)),
      Number(BigInt.asIntN(32, address >> 32n)),
      bytes,
    )
    return at < 0 ? NOTHING : this.machine.mem.bytes(at, bytes)
  }
}

const NOTHING = new Uint8Array()

const addressOf = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
