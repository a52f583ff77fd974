// The interpreter: the readable reference that the compiler is tested against. A program is predecoded into one short function
// per instruction (predecode.ts); each returns the slot of the next. Every access is checked (region.ts).

import { KERNEL_HI } from '../../base/memory.ts'
import { type Fault, faultAt } from '../fault.ts'
import { BpfException, type Engine, type LoadedProgram, type Machine } from '../machine.ts'
import { ArenaMap } from '../maps/arena.ts'
import type { AccessKind, Subprogram, VerifiedProgram } from '../program.ts'
import { Invocation } from './invocation.ts'
import { type Code, predecode } from './predecode.ts'
import { ArenaRegion, Region } from './region.ts'
import { DONE, R0, R1 } from './step.ts'

export const interpreter: Engine = {
  name: 'interpreter',
  load: (machine, program) => new InterpretedProgram(machine, program),
}

export class InterpretedProgram implements LoadedProgram {
  readonly engine = 'interpreter'
  readonly program: VerifiedProgram
  readonly machine: Machine
  readonly slot: number
  readonly code: Code
  /** Slots of its functions that have an address, by subprogram. */
  readonly #functions = new Map<number, number>()
  readonly #stack: Region
  readonly #idle: Invocation[] = []

  constructor(machine: Machine, program: VerifiedProgram) {
    this.machine = machine
    this.program = program
    const fault = (slot: number, what: string): Fault => faultAt(program, slot, what)
    const arena = program.maps.map(({ address }) => machine.maps.get(address)).find((map) => map instanceof ArenaMap)
    const regions = new Map<AccessKind, Region>()
    if (arena) regions.set('arena', new ArenaRegion(arena, machine.mem, fault))
    const regionOf = (kind: AccessKind): Region => {
      let region = regions.get(kind)
      if (!region) regions.set(kind, (region = new Region(kind, machine.mem, fault)))
      return region
    }
    this.#stack = regionOf('stack')
    const functionSlot = (index: number): number => this.#functionSlot(index)
    this.slot = machine.addFunction({ name: program.name, program, call: (ctx) => this.enterMain(ctx) })
    this.code = predecode({ machine, program, arena, regionOf, fault, functionSlot })
  }

  run(ctx: number): number {
    const { mem, cells } = this.machine
    const counter = cells.tailCalls >> 2
    const tailCalls = mem.i32[counter]!
    mem.i32[counter] = 0
    try {
      return this.enterMain(ctx)
    } finally {
      mem.i32[counter] = tailCalls
    }
  }

  runWide(ctx: number): bigint {
    const lo = this.run(ctx)
    const hi = this.machine.mem.i32[this.machine.cells.resultHi >> 2]!
    return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
  }

  free(): void {
    this.machine.removeFunction(this.slot)
    for (const slot of this.#functions.values()) this.machine.removeFunction(slot)
  }

  /** An invocation about to carry out the first instruction of the main function, whose stack it has taken. */
  begin(ctx: number): Invocation {
    const { mem, cells } = this.machine
    const run = this.#take()
    this.#stack.low = mem.i32[cells.stackTop >> 2]!
    run.r[R1] = ctx
    run.r[R1 + 1] = ctx === 0 ? 0 : KERNEL_HI
    run.enter(this.program.subprograms[0]!.stackBytes, DONE)
    return run
  }

  /** The main function as the function table has it: by run(), or in place of a program that tail-called it. */
  enterMain(ctx: number): number {
    const { low, high } = this.#stack
    const top = this.machine.mem.i32[this.machine.cells.stackTop >> 2]!
    const run = this.begin(ctx)
    try {
      return this.#finish(run, 0)
    } catch (error) {
      if (!(error instanceof BpfException)) throw error
      return this.#handle(error)
    } finally {
      this.#idle.push(run)
      this.machine.popStack(top)
      this.#stack.low = low
      this.#stack.high = high
    }
  }

  /** A callback: `args` is the offset of its five u64 arguments. It may use its callers' stacks. */
  #enterCallback(sub: Subprogram, args: number): number {
    const { high } = this.#stack
    const { mem } = this.machine
    const top = mem.i32[this.machine.cells.stackTop >> 2]!
    const run = this.#take()
    for (let i = 0; i < 10; i++) run.r[R1 + i] = mem.i32[(args >> 2) + i]!
    run.enter(sub.stackBytes, DONE)
    try {
      return this.#finish(run, sub.start)
    } finally {
      this.#idle.push(run)
      this.machine.popStack(top)
      this.#stack.high = high
    }
  }

  /** bpf_throw reached the main function: its exception callback makes r0 of the cookie, or the cookie is r0. */
  #handle({ cookieLo, cookieHi }: BpfException): number {
    const { mem, cells } = this.machine
    const handler = this.program.subprograms.find((sub) => sub.isExceptionCallback)
    if (!handler) {
      mem.i32[cells.resultHi >> 2] = cookieHi
      return cookieLo
    }
    mem.i32.fill(0, cells.args >> 2, (cells.args >> 2) + 10)
    mem.i32[cells.args >> 2] = cookieLo
    mem.i32[(cells.args >> 2) + 1] = cookieHi
    return this.#enterCallback(handler, cells.args)
  }

  /** Run to the end of the outermost function; r0. */
  #finish(run: Invocation, start: number): number {
    const { r } = run
    const { steps } = this.code
    for (let slot = start; slot !== DONE; ) slot = steps[slot]!(r, run)
    this.machine.mem.i32[this.machine.cells.resultHi >> 2] = r[R0 + 1]!
    return r[R0]!
  }

  #take(): Invocation {
    const run = this.#idle.pop() ?? new Invocation(this.machine, this.#stack, this.code.constants)
    run.reset()
    return run
  }

  #functionSlot(index: number): number {
    let slot = this.#functions.get(index)
    if (slot === undefined) {
      const sub = this.program.subprograms[index]!
      const call = (args: number): number => this.#enterCallback(sub, args)
      slot = this.machine.addFunction({ name: sub.name, program: this.program, call })
      this.#functions.set(index, slot)
    }
    return slot
  }
}
