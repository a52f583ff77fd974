// The compiler as an engine: a verified program becomes a WebAssembly instance over the machine's memory. What does not compile runs
// in the interpreter, and the log says why.

import { interpreter } from '../interpreter/interpreter.ts'
import type { BpfFunction, Engine, LoadedProgram } from '../machine.ts'
import { BpfException, Machine } from '../machine.ts'
import type { VerifiedProgram } from '../program.ts'
import { Compiler } from './compiler.ts'

type Entry = (argument: number) => number

export const jit: Engine = {
  name: 'jit',
  load(machine, program) {
    try {
      return new CompiledProgram(machine, program)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      machine.platform.log.warn({ program: program.name, reason }, 'not compiled: this program runs in the interpreter')
      return interpreter.load(machine, program)
    }
  },
}

export class CompiledProgram implements LoadedProgram {
  readonly engine = 'jit'
  readonly program: VerifiedProgram
  readonly machine: Machine
  readonly slot: number
  /** The module's bytes, for tools and tests. */
  readonly bytes: Uint8Array
  readonly run: (ctx: number) => number
  readonly #callbacks = new Map<number, number>()

  /** Throws InternalError when the program holds something that is not compiled. */
  constructor(machine: Machine, program: VerifiedProgram, inlines = true) {
    this.machine = machine
    this.program = program
    const slotOf = (index: number): number => {
      let slot = this.#callbacks.get(index)
      if (slot === undefined) this.#callbacks.set(index, (slot = machine.reserveFunction()))
      return slot
    }
    try {
      const compiler = new Compiler(machine, program, (index) => Machine.addressOf(slotOf(index)), inlines)
      const compiled = compiler.compile()
      this.bytes = compiled.bytes
      const imports: Record<string, WebAssembly.ImportValue> = { ...compiled.imports, memory: machine.mem.wasm }
      if (compiled.usesTable) imports['table'] = machine.table
      const module = new WebAssembly.Module(compiled.bytes as Uint8Array<ArrayBuffer>)
      const { exports } = new WebAssembly.Instance(module, { k: imports })
      const entry = (name: string): BpfFunction => {
        const code = exports[name] as Entry
        return { name: program.name, program, call: this.#guard(code, refresh), compiled: code }
      }
      const refresh = refresher(machine, compiled.uses, program.hasTailCall)
      for (const index of compiled.callbacks) machine.setFunction(slotOf(index), entry(`callback${index}`))
      this.slot = machine.addFunction(entry('main'))
      this.run = this.#outermost(exports['main'] as Entry, refresh)
    } catch (error) {
      for (const slot of this.#callbacks.values()) machine.removeFunction(slot)
      throw error
    }
  }

  runWide(ctx: number): bigint {
    const lo = this.run(ctx)
    const hi = this.machine.mem.i32[this.machine.cells.resultHi >> 2]!
    return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)
  }

  free(): void {
    this.machine.removeFunction(this.slot)
    for (const slot of this.#callbacks.values()) this.machine.removeFunction(slot)
  }

  /** An entry called from JavaScript: the cells are fresh before, charged time is settled after. */
  #guard(code: Entry, refresh: (() => void) | undefined): Entry {
    const { machine } = this
    return (argument) => {
      refresh?.()
      const result = code(argument)
      machine.settle()
      return result
    }
  }

  /** The main function as an event starts it. */
  #outermost(code: Entry, refresh: (() => void) | undefined): Entry {
    const { machine, program } = this
    const { i32 } = machine.mem
    const charged = machine.cells.charged >> 2
    const stackTop = machine.cells.stackTop >> 2
    const plain: Entry = (ctx) => {
      refresh?.()
      const stack = i32[stackTop]!
      let result: number
      try {
        result = code(ctx)
      } catch (error) {
        i32[stackTop] = stack
        if (!(error instanceof BpfException)) throw error
        result = this.#handle(error)
      }
      if (i32[charged] !== 0) machine.settle()
      return result
    }
    if (!program.hasTailCall) return plain
    const tailCalls = machine.cells.tailCalls >> 2
    return (ctx) => {
      const calls = i32[tailCalls]!
      i32[tailCalls] = 0
      try {
        return plain(ctx)
      } finally {
        i32[tailCalls] = calls
      }
    }
  }

  /** bpf_throw reached the main function: its exception callback makes r0 of the cookie, or the cookie is r0. */
  #handle({ cookieLo, cookieHi }: BpfException): number {
    const { machine } = this
    const handler = this.program.subprograms.findIndex((sub) => sub.isExceptionCallback)
    if (handler >= 0) return machine.call(this.#callbacks.get(handler)!, cookieLo, cookieHi)
    machine.mem.i32[machine.cells.resultHi >> 2] = cookieHi
    return cookieLo
  }
}

/**
 * Brings the cells that a program reads up to date before it is entered; undefined when it reads none. A program that it tail-calls
 * reads what it likes.
 */
function refresher(
  machine: Machine,
  uses: { cpu: boolean; task: boolean; now: boolean },
  hasTailCall: boolean,
): (() => void) | undefined {
  const { platform, cells, mem } = machine
  const { i32 } = mem
  if (uses.now || hasTailCall) return () => machine.refreshCells()
  if (uses.task && uses.cpu) {
    return () => {
      i32[cells.task >> 2] = platform.currentTask()
      i32[cells.cpu >> 2] = platform.cpu()
    }
  }
  if (uses.task) {
    return () => {
      i32[cells.task >> 2] = platform.currentTask()
    }
  }
  if (!uses.cpu) return undefined
  return () => {
    i32[cells.cpu >> 2] = platform.cpu()
  }
}
