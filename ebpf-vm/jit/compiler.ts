// Compiles one verified program to a WebAssembly module: analyses its subprograms callees first, decides what is inlined, emits, and
// names what the module imports.

import { InternalError } from '../../base/errors.ts'
import { BPF_FUNC_TAIL_CALL, type HelperImpl } from '../helper.ts'
import type { Form } from '../isa/forms.ts'
import { type Insn, isHelperCall } from '../isa/insn.ts'
import type { Machine } from '../machine.ts'
import { ArenaMap } from '../maps/arena.ts'
import type { BpfMap } from '../maps/map.ts'
import { RingbufMap } from '../maps/ringbuf.ts'
import type { AccessKind, Subprogram, VerifiedProgram } from '../program.ts'
import { GIVES_KIND, resultType } from './calls.ts'
import { buildCfg, type Cfg, formsOf } from './cfg.ts'
import { Emitter, type Unit } from './emitter.ts'
import { emitBody } from './flow.ts'
import { deadStores } from './forward.ts'
import { commonImports, helperImport, type Import, type Run } from './imports.ts'
import { inlinedKeyBytes } from './inline.ts'
import { join, type Kind, OR_NULL, UNKNOWN, UNSET } from './kinds.ts'
import { type CallShape, Values } from './values.ts'
import { Code, I32, I64, ModuleBuilder, type ValueType } from './wasm.ts'

export interface SubInfo {
  readonly index: number
  readonly sub: Subprogram
  readonly cfg: Cfg
  readonly values: Values
  /** Kind of what it returns. */
  readonly result: Kind
  /** Stores to its stack frame that nothing reads. */
  readonly deadStores: ReadonlySet<number>
  readonly hasMayGoto: boolean
  /** It calls helpers or counts may_goto itself, or by what is inlined into it. */
  readonly charges: boolean
  readonly inline: boolean
  /** Slots emitted for it, inlined callees included. */
  readonly size: number
  /** BPF stack of it and the deepest chain below it. */
  readonly totalStack: number
}

/** Subprograms up to this many slots are inlined wherever they are called; larger ones when there is one call only. */
const INLINE_SLOTS = 40
const INLINE_ONCE_SLOTS = 400

export interface Compiled {
  readonly bytes: Uint8Array
  readonly imports: Record<string, Run>
  readonly usesTable: boolean
  /** Exports `main`, and `callback<index>` for each of these subprograms. */
  readonly callbacks: readonly number[]
  /** Cells that must be fresh when it is entered. */
  readonly uses: { readonly cpu: boolean; readonly task: boolean; readonly now: boolean }
}

export class Compiler {
  readonly machine: Machine
  readonly program: VerifiedProgram
  readonly forms: readonly (Form | undefined)[]
  /** The program's code, as the analyses of the stack see it. */
  readonly code: {
    readonly insns: readonly Insn[]
    readonly forms: readonly (Form | undefined)[]
    readonly access: readonly AccessKind[]
  }
  readonly module: ModuleBuilder
  /** Whether helpers are inlined; off in tests that compare. */
  readonly inlines: boolean
  readonly #functionAddress: (index: number) => number
  readonly #infos = new Map<number, SubInfo>()
  readonly #byStart = new Map<number, number>()
  readonly #functions = new Map<number, number>()
  readonly #imports: Record<string, Run> = {}
  readonly #importIndex = new Map<string, number>()
  readonly #helperFunctions = new Map<string, number>()
  /** Calls of each subprogram. */
  readonly #calls: number[]
  /** Cells that the code reads, to be fresh when it is entered. */
  readonly uses = { cpu: false, task: false, now: false }
  /** Where task_struct keeps what helpers read; undefined without a kernel. */
  readonly task: { readonly pid: number; readonly tgid: number; readonly comm: number } | undefined
  readonly ringbufs: readonly RingbufMap[]
  readonly #arena: ArenaMap | undefined
  /** Whether anything may call JavaScript. Known before the code is: exits may be emitted ahead of the calls. */
  #mayCallOut: boolean

  /** `functionAddress`: low half of the address of a subprogram that is used as a callback. */
  constructor(machine: Machine, program: VerifiedProgram, functionAddress: (index: number) => number, inlines = true) {
    this.machine = machine
    this.program = program
    this.inlines = inlines
    this.forms = formsOf(program.insns)
    this.code = { insns: program.insns, forms: this.forms, access: program.access }
    this.module = new ModuleBuilder(machine.mem.sizeBytes >>> 16)
    this.#functionAddress = functionAddress
    program.subprograms.forEach((sub, i) => {
      this.#byStart.set(sub.start, i)
    })
    this.task = machine.platform.layouts?.bind('task_struct', { pid: 'pid', tgid: 'tgid', comm: 'comm' })
    const maps = program.maps.map((facts) => machine.maps.get(facts.address))
    this.ringbufs = maps.filter((map) => map instanceof RingbufMap)
    this.#arena = maps.find((map) => map instanceof ArenaMap)
    this.#calls = program.subprograms.map(() => 0)
    this.#mayCallOut = false
    this.forms.forEach((form, slot) => {
      if (form?.kind === 'ld_abs' || form?.kind === 'ld_ind') this.#mayCallOut = true
      if (form?.kind !== 'call') return
      if (form.target === 'local') this.#calls[this.#calleeIndex(slot)]!++
      else this.#mayCallOut = true
    })
  }

  /** The arena of the program: there is at most one. */
  get arena(): ArenaMap {
    if (!this.#arena) throw new InternalError(`${this.program.name} uses an arena that is not among its maps`)
    return this.#arena
  }

  unsupported(slot: number, what: string): never {
    throw new InternalError(`${what} at slot ${slot} is not compiled`)
  }

  functionAddress(index: number): number {
    return this.#functionAddress(index)
  }

  // ── Analysis ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #calleeIndex(slot: number): number {
    const index = this.#byStart.get(slot + 1 + this.program.insns[slot]!.imm)
    if (index === undefined) throw new InternalError(`call at slot ${slot} leads to no subprogram`)
    return index
  }

  calleeAt(slot: number): SubInfo {
    return this.#info(this.#calleeIndex(slot))
  }

  #info(index: number): SubInfo {
    let info = this.#infos.get(index)
    if (!info) this.#infos.set(index, (info = this.#analyse(index)))
    return info
  }

  #analyse(index: number): SubInfo {
    const { insns, access } = this.program
    const sub = this.program.subprograms[index]!
    const cfg = buildCfg(insns, this.forms, sub)
    const callees: SubInfo[] = []
    let charges = false
    let hasMayGoto = false
    let leaves: Kind = UNSET
    for (let slot = sub.start; slot < sub.end; slot++) {
      const form = this.forms[slot]
      if (form?.kind === 'may_goto') charges = hasMayGoto = true
      if (form?.kind === 'ld_abs' || form?.kind === 'ld_ind') leaves = join(leaves, 0)
      if (form?.kind !== 'call') continue
      if (form.target === 'local') callees.push(this.calleeAt(slot))
      else charges = true
      if (form.target === 'helper' && insns[slot]!.imm === BPF_FUNC_TAIL_CALL) leaves = UNKNOWN
    }
    const values = new Values({
      insns,
      access,
      cfg,
      forms: this.forms,
      inputs: index === 0 ? [OR_NULL] : [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
      callShape: (slot) => this.callShape(slot),
      functionAddress: this.#functionAddress,
    })
    const inlined = callees.filter((callee) => callee.inline)
    const size = inlined.reduce((sum, callee) => sum + callee.size, sub.end - sub.start)
    return {
      index,
      sub,
      cfg,
      values,
      result: Math.max(0, join(values.result, leaves)),
      deadStores: deadStores(this.code, cfg, values, (slot) => this.#inlinedKeyBytes(slot, values)),
      hasMayGoto,
      charges: charges || inlined.some((callee) => callee.charges),
      inline: index !== 0 && (size <= INLINE_SLOTS || (this.#calls[index] === 1 && size <= INLINE_ONCE_SLOTS)),
      size,
      totalStack: sub.stackBytes + Math.max(0, ...callees.map((callee) => callee.totalStack)),
    }
  }

  callShape(slot: number): CallShape {
    const form = this.forms[slot]!
    if (form.kind !== 'call') throw new InternalError(`slot ${slot} is no call`)
    if (form.target === 'local') {
      const { values, result } = this.calleeAt(slot)
      const args = [1, 2, 3, 4, 5]
        .filter((register) => values.inputs[register]! >= 0)
        .map((register) => ({ register, wide: values.isWide(values.inputs[register]!) }))
      return { args, result }
    }
    if (form.target === 'helper' && this.program.insns[slot]!.imm === BPF_FUNC_TAIL_CALL) {
      return { args: [1, 2, 3].map((register) => ({ register, wide: false })), result: 0 }
    }
    const impl = this.#implOf(slot, form.target)
    return {
      args: impl.takes.map((takes, i) => ({ register: i + 1, wide: takes === 'u64' })),
      result: GIVES_KIND[impl.gives],
    }
  }

  /** Bytes of the key that the call at `slot` reads, if it is a lookup that is inlined. */
  #inlinedKeyBytes(slot: number, values: Values): number {
    const isLookup = isHelperCall(this.program.insns[slot]!) && this.program.insns[slot]!.imm === MAP_LOOKUP
    return isLookup && this.inlines ? inlinedKeyBytes(this.#mapOf(slot, values.args.get(slot)![0]!, values)) : 0
  }

  #implOf(slot: number, target: 'helper' | 'kfunc'): HelperImpl {
    const { tables } = this.machine
    const { imm } = this.program.insns[slot]!
    const name = this.program.kfuncs.get(slot)?.name ?? ''
    const impl = target === 'helper' ? tables.helpers.get(imm) : tables.kfuncs.get(name)
    if (!impl) throw new InternalError(`${target} ${name || imm} at slot ${slot} is not implemented`)
    return impl
  }

  /** The one map that a call's map argument is, if that is known. */
  mapOf(slot: number, web: number): BpfMap | undefined {
    return this.#mapOf(slot, web, this.#infoAround(slot).values)
  }

  #mapOf(slot: number, web: number, values: Values): BpfMap | undefined {
    const facts = this.program.calls.get(slot)?.map
    if (facts) return this.machine.maps.get(facts.address)
    return values.isConstant(web) ? this.machine.maps.get(values.constantLo(web)) : undefined
  }

  #infoAround(slot: number): SubInfo {
    return this.#info(this.program.subprograms.findIndex((sub) => slot >= sub.start && slot < sub.end))
  }

  // ── Imports ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Declare every import that the program can need, before its first function: function indexes count imports first. */
  #declareImports(): void {
    const declare = (name: string, { words, run }: Import): void => {
      if (this.#importIndex.has(name)) return
      this.#importIndex.set(name, this.module.import(name, Array(words).fill(I32), [I32]))
      this.#imports[name] = run
    }
    const { machine, program } = this
    for (const [name, common] of Object.entries(commonImports(machine, program, this.forms))) declare(name, common)
    this.forms.forEach((form, slot) => {
      if (form?.kind !== 'call' || form.target === 'local') return
      const { imm } = this.program.insns[slot]!
      if (form.target === 'helper' && imm === BPF_FUNC_TAIL_CALL) return
      const impl = this.#implOf(slot, form.target)
      const name = form.target === 'helper' ? `helper ${imm}` : `kfunc ${this.program.kfuncs.get(slot)?.name}`
      declare(name, helperImport(machine, program, impl))
    })
  }

  /** A function of the module that helpers share, made when it is first asked for: (i32 x params) -> i32. */
  helperFunction(name: string, params: number, make: () => Code): number {
    let index = this.#helperFunctions.get(name)
    if (index === undefined) {
      index = this.module.function(Array(params).fill(I32), [I32])
      this.#helperFunctions.set(name, index)
      this.module.define(index, make())
    }
    return index
  }

  imported(name: string): number {
    const index = this.#importIndex.get(name)
    if (index === undefined) throw new InternalError(`import ${name} was not declared`)
    return index
  }

  // ── Functions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  compile(): Compiled {
    this.#declareImports()
    const callbacks = new Set<number>()
    this.forms.forEach((form, slot) => {
      if (form?.kind === 'ld_imm64' && form.pseudo === 'func') callbacks.add(this.program.insns[slot]!.imm)
    })
    this.program.subprograms.forEach((sub, i) => {
      if (sub.isExceptionCallback) callbacks.add(i)
    })
    this.module.export('main', this.#emitMain(this.#info(0)))
    for (const index of callbacks) this.module.export(`callback${index}`, this.#emitCallback(this.#info(index)))
    return {
      bytes: this.module.encode(),
      imports: this.#imports,
      usesTable: this.module.usesTable,
      callbacks: [...callbacks],
      uses: this.uses,
    }
  }

  /** (calls.ts cannot import flow.ts, which imports it.) */
  emitBody(e: Emitter): void {
    emitBody(e)
  }

  #unit(params: number, charges: boolean, sp: number): Unit {
    const code = new Code(params)
    return {
      code,
      sp: sp >= 0 ? sp : code.local(I32),
      cost: charges ? code.local(I32) : -1,
      usesStack: false,
    }
  }

  /** (i32 context) -> i32: low half of r0; the high half goes to its cell. */
  #emitMain(info: SubInfo): number {
    const index = this.module.function([I32], [I32])
    const unit = this.#unit(1, info.charges, -1)
    const e = new Emitter(this, info, unit, 0, { kind: 'main' })
    const context = info.values.inputs[1]!
    if (context >= 0) {
      unit.code.get(0)
      e.put(context, I32, OR_NULL)
    }
    emitBody(e)
    this.#enterMain(unit, info.totalStack)
    this.module.define(index, unit.code)
    return index
  }

  /** (i32 arguments) -> i32, as #emitMain, for a function whose five u64 arguments lie in memory. */
  #emitCallback(info: SubInfo): number {
    const target = this.functionOf(info)
    const index = this.module.function([I32], [I32])
    const unit = this.#unit(1, false, -1)
    const { code } = unit
    unit.usesStack = true
    code.get(unit.sp)
    for (const register of [1, 2, 3, 4, 5]) {
      const web = info.values.inputs[register]!
      if (web < 0) continue
      code.get(0)
      code.access(info.values.types[web] === I32 ? 'i32_load' : 'i64_load', (register - 1) * 8)
    }
    code.call(target)
    const type = resultType(info.result)
    const result = code.local(type)
    code.set(result)
    this.leaveMain(unit)
    code.i32(0)
    code.get(result)
    const e = new Emitter(this, info, unit, 0, { kind: 'main' })
    if (type === I64) e.highOf64()
    else e.highOf(info.result)
    code.access('i32_store', this.machine.cells.resultHi)
    code.get(result)
    if (type === I64) code.op('i32_wrap_i64')
    this.#enterMain(unit, info.totalStack)
    this.module.define(index, code)
    return index
  }

  /** Index of a subprogram's own function: (i32 sp, its arguments …) -> its result. */
  functionOf(info: SubInfo): number {
    const known = this.#functions.get(info.index)
    if (known !== undefined) return known
    const { values } = info
    const registers = [1, 2, 3, 4, 5].filter((register) => values.inputs[register]! >= 0)
    const types: ValueType[] = registers.map((register) => values.types[values.inputs[register]!]!)
    const type = resultType(info.result)
    const index = this.module.function([I32, ...types], [type])
    this.#functions.set(info.index, index)
    const unit = this.#unit(1 + registers.length, info.charges, 0)
    const e = new Emitter(this, info, unit, 0, { kind: 'function', type })
    registers.forEach((register, i) => {
      e.bind(values.inputs[register]!, 1 + i)
    })
    emitBody(e)
    this.module.define(index, unit.code)
    return index
  }

  /** What an entry function does first: find its stack, and see that it fits. */
  #enterMain(unit: Unit, stackBytes: number): void {
    if (!unit.usesStack) return
    const { code } = unit
    code.atStart(() => {
      code.i32(0)
      code.access('i32_load', this.machine.cells.stackTop)
      code.set(unit.sp)
      code.get(unit.sp)
      code.i32(this.machine.stackLimit - stackBytes)
      code.op('i32_gt_u')
      code.open('if')
      code.call(this.imported('overflow'))
      code.op('drop')
      code.end()
    })
  }

  /** What it does last: free the stack that was protected while it called out. */
  leaveMain(unit: Unit): void {
    const { code } = unit
    if (!this.#mayCallOut) return
    unit.usesStack = true
    code.i32(0)
    code.get(unit.sp)
    code.access('i32_store', this.machine.cells.stackTop)
  }
}

const MAP_LOOKUP = 1
