// What the engines share within one simulated kernel: memory, the injected platform, the tables of helpers and BPF functions,
// BPF stacks, the maps by address. The kernel side hands in a Platform; nothing here knows of tasks or files.
//
// Running: programs run to completion and nest strictly (a program that fires inside another's helper ends before it), so one
// bump area serves as every program's BPF stack. What compiled code reads while it runs (CPU, current task, time) stands in
// cells of kernel memory: a store from JavaScript costs 1 ns there, against 30 for a mutable WebAssembly global.

import type { Allocator } from '../base/allocator.ts'
import { InternalError } from '../base/errors.ts'
import type { Layouts } from '../base/layouts.ts'
import type { Logger } from '../base/logger.ts'
import type { KernelMemory } from '../base/memory.ts'
import type { HelperImpl } from './helper.ts'
import type { BpfMap } from './maps/map.ts'
import type { VerifiedProgram } from './program.ts'

/** What the machine needs of the kernel around it. */
export interface Platform {
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly log: Logger
  readonly cpus: number
  /** Members of the active kernel's structs; absent where no kernel stands behind the machine. */
  readonly layouts?: Layouts | undefined
  /** CPU that runs now. */
  cpu(): number
  /** CLOCK_MONOTONIC of that CPU, in nanoseconds (bpf_ktime_get_ns). */
  nowNs(): number
  /** Offset of the current task_struct. */
  currentTask(): number
  /** Advance the current CPU's clock by the cost of a helper call. */
  charge(ns: number): void
  /** A random u32 of the machine's own stream. */
  random(): number
}

/** A program loaded into one engine. Its BPF stack comes from the machine; it may be re-entered. */
export interface LoadedProgram {
  readonly program: VerifiedProgram
  readonly engine: EngineName
  /** Slot of its main function in the machine's table: what a prog array holds. */
  readonly slot: number
  /** Run with r1 = the kernel address of `ctx`; returns the low word of r0 (int32). */
  run(ctx: number): number
  /** The same with the whole r0; slower, for tests and TEST_RUN. */
  runWide(ctx: number): bigint
  free(): void
}

export type EngineName = 'jit' | 'interpreter'

/** Turns a verified program into one that runs. Throws only InternalError (or OutOfMemory). */
export interface Engine {
  readonly name: EngineName
  load(machine: Machine, program: VerifiedProgram): LoadedProgram
}

/** Helper implementations by id, kfunc implementations by name. Assembled once per kernel. */
export interface HelperTables {
  readonly helpers: ReadonlyMap<number, HelperImpl>
  readonly kfuncs: ReadonlyMap<string, HelperImpl>
  /**
   * Legacy packet loads (LD | ABS, LD | IND): the `bytes` (1, 2 or 4) at `offset` (int32; negative ones are SKF_NET_OFF and the
   * like) of the packet that the sk_buff at offset `ctx` holds, big endian, as an unsigned number; -1 outside of the packet.
   */
  loadPacket?(ctx: number, offset: number, bytes: number): number
}

/**
 * One entry of the function table. Every entry has the signature (i32) -> i32: a main function takes the offset of its context,
 * a callback the offset of five u64 arguments. It returns the low word of r0 and leaves the high word in `cells.resultHi`.
 */
export interface BpfFunction {
  /** As kallsyms shows it: bpf_prog_<tag>_<name>. */
  readonly name: string
  readonly program: VerifiedProgram
  /** Run it. Compiled code: with the cells refreshed before and the charged time settled after. */
  readonly call: (argument: number) => number
  /** The bare WebAssembly function, where there is one: what compiled code calls through the table. */
  readonly compiled?: (argument: number) => number
}

/** Virtual nanoseconds that one may_goto costs its CPU, in both engines. */
export const MAY_GOTO_COST_NS = 1
/** Iterations a may_goto allows one function invocation (BPF_MAX_LOOPS). */
export const MAY_GOTO_LIMIT = 0x800000
/** Cost of a helper call that does not state its own. */
export const HELPER_COST_NS = 20

/** Thrown by bpf_throw; the engine's outermost frame of that program catches it. */
export class BpfException {
  readonly cookieLo: number
  readonly cookieHi: number
  constructor(cookieLo: number, cookieHi: number) {
    this.cookieLo = cookieLo
    this.cookieHi = cookieHi
  }
}

const RESERVED = {} as BpfFunction
const STACK_AREA_BYTES = 256 << 10
/** BPF text addresses: 0xffffffff_c0000000 and up, 4 KiB a function, as in the modules' area of x86-64. */
const TEXT_LO = 0xc0000000
const TEXT_SHIFT = 12

export class Machine {
  readonly platform: Platform
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly tables: HelperTables
  /** Maps by the offset of their struct bpf_map. */
  readonly maps = new Map<number, BpfMap>()
  /** What the running program was started for (attach cookie, probed function …); the hooks' own type. Saved around nested runs. */
  runContext: unknown = undefined

  /**
   * Offsets of the cells that running programs use, all in kernel memory, 8-byte aligned:
   *   result      u64: what a helper of `gives: 'u64'` stored; high word of a function's r0
   *   args        5 x u64: arguments of a callback
   *   charged     i32: nanoseconds that compiled code owes the clock (see settle)
   *   tailCalls   i32: tail calls made in this invocation
   *   stackTop    i32: lowest free offset of the BPF stack area
   *   cpu, task   i32: the CPU that runs now, offset of the current task
   *   now         u64: ktime, excluding what is still in `charged`
   */
  readonly cells: {
    readonly result: number
    readonly resultHi: number
    readonly args: number
    readonly charged: number
    readonly tailCalls: number
    readonly stackTop: number
    readonly cpu: number
    readonly task: number
    readonly now: number
  }
  readonly stackLimit: number
  readonly #functions: (BpfFunction | undefined)[] = [undefined]
  readonly #freeSlots: number[] = []
  #table: WebAssembly.Table | undefined
  #trampoline: WebAssembly.Module | undefined
  #nextMapId = 1

  /** `tables` is made from the machine, because implementations are bound to it. */
  constructor(platform: Platform, tables: (machine: Machine) => HelperTables) {
    this.platform = platform
    this.mem = platform.mem
    this.alloc = platform.alloc
    const at = this.alloc.alloc(128)
    this.cells = {
      result: at,
      resultHi: at + 4,
      args: at + 8,
      charged: at + 48,
      tailCalls: at + 52,
      stackTop: at + 56,
      cpu: at + 60,
      task: at + 64,
      now: at + 72,
    }
    const stack = this.alloc.allocPages(STACK_AREA_BYTES >> 12)
    this.stackLimit = stack + STACK_AREA_BYTES
    this.mem.dv.setInt32(this.cells.stackTop, stack, true)
    this.tables = tables(this)
  }

  /** Where a helper that `gives: 'u64'` leaves its result. */
  get resultAt(): number {
    return this.cells.result
  }

  /** Leave a 64-bit result given as halves; for `return machine.giveU64(lo, hi)` at the end of a helper. */
  giveU64(lo: number, hi: number): number {
    this.mem.i32[this.cells.result >> 2] = lo
    this.mem.i32[this.cells.resultHi >> 2] = hi
    return 0
  }

  // ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tell the platform what compiled code has charged since the last call. Every helper called from compiled code finds it settled. */
  settle(): void {
    const charged = this.mem.i32[this.cells.charged >> 2]!
    if (charged === 0) return
    this.mem.i32[this.cells.charged >> 2] = 0
    this.platform.charge(charged)
  }

  /** Refresh the cells that compiled code reads. */
  refreshCells(): void {
    const { mem, cells, platform } = this
    mem.i32[cells.cpu >> 2] = platform.cpu()
    mem.i32[cells.task >> 2] = platform.currentTask()
    mem.writeInt64(cells.now, platform.nowNs())
  }

  // ── BPF stacks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Take `bytes` (a multiple of 8) of BPF stack; returns the lowest offset. Give it back with popStack(that offset). */
  pushStack(bytes: number): number {
    const index = this.cells.stackTop >> 2
    const at = this.mem.i32[index]!
    if (at + bytes > this.stackLimit) throw new InternalError('BPF programs nest too deeply for the stack area')
    this.mem.i32[index] = at + bytes
    return at
  }

  popStack(at: number): void {
    this.mem.i32[this.cells.stackTop >> 2] = at
  }

  // ── Functions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Enter a function into the table; slots are never 0. */
  addFunction(entry: BpfFunction): number {
    const slot = this.#freeSlots.pop() ?? this.#functions.length
    this.setFunction(slot, entry)
    return slot
  }

  /** A slot to be filled by setFunction: compiled code holds the addresses of its callbacks before they exist. */
  reserveFunction(): number {
    return this.addFunction(RESERVED)
  }

  setFunction(slot: number, entry: BpfFunction): void {
    this.#functions[slot] = entry
    if (this.#table && entry !== RESERVED) this.#enter(this.#table, slot, entry)
  }

  removeFunction(slot: number): void {
    if (!this.#functions[slot]) throw new InternalError(`BPF function slot ${slot} is free`)
    this.#functions[slot] = undefined
    this.#table?.set(slot, null)
    this.#freeSlots.push(slot)
  }

  functionAt(slot: number): BpfFunction | undefined {
    return this.#functions[slot]
  }

  /** Low word of the text address of a slot's function; the high word is TEXT_HI. */
  static addressOf(slot: number): number {
    return (TEXT_LO + slot * (1 << TEXT_SHIFT)) | 0
  }

  /** Slot that a text address encodes. */
  static slotOfAddress(lo: number): number {
    return ((lo >>> 0) - TEXT_LO) >> TEXT_SHIFT
  }

  /** Slot of a BPF text address, 0 when it is not one of a live function. */
  slotOf(lo: number): number {
    const slot = Machine.slotOfAddress(lo)
    return slot > 0 && this.#functions[slot] ? slot : 0
  }

  /**
   * Call a callback from a helper: `words` are its arguments as pairs of halves (r1 low, r1 high, r2 low …). Returns the low word
   * of r0. Engine-neutral: the callback runs in the engine of its own program.
   */
  call(slot: number, ...words: number[]): number {
    const entry = this.#functions[slot]
    if (!entry) throw new InternalError(`call of BPF function slot ${slot}, which is free`)
    const at = this.cells.args
    for (let i = 0; i < words.length; i++) this.mem.i32[(at >> 2) + i] = words[i]!
    return entry.call(at)
  }

  /** The functions as a WebAssembly table, for compiled code; index = slot. */
  get table(): WebAssembly.Table {
    if (!this.#table) {
      this.#table = new WebAssembly.Table({ element: 'anyfunc', initial: 64 })
      this.#functions.forEach((entry, slot) => {
        if (entry && entry !== RESERVED) this.#enter(this.#table!, slot, entry)
      })
    }
    return this.#table
  }

  #enter(table: WebAssembly.Table, slot: number, entry: BpfFunction): void {
    if (slot >= table.length) table.grow(Math.max(table.length, slot + 1 - table.length))
    if (entry.compiled) {
      table.set(slot, entry.compiled)
      return
    }
    // One that the interpreter runs: exporting an import again makes it a function of WebAssembly.
    this.#trampoline ??= new WebAssembly.Module(TRAMPOLINE)
    const instance = new WebAssembly.Instance(this.#trampoline, { m: { f: entry.call } })
    table.set(slot, instance.exports['f'] as () => number)
  }

  // ── Maps ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next map id, as bpf(2) hands them out. */
  takeMapId(): number {
    return this.#nextMapId++
  }

  /** The map whose struct bpf_map lies at `offset`. */
  mapAt(offset: number): BpfMap {
    const map = this.maps.get(offset)
    if (!map) throw new InternalError(`no map at offset 0x${offset.toString(16)}`)
    return map
  }
}

/** (module (import "m" "f" (func (param i32) (result i32))) (export "f" (func 0))) */
const TRAMPOLINE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 2, 7, 1, 1, 109, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0,
])
