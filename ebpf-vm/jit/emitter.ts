// Emits one subprogram's instructions into a WebAssembly function: reads and writes of webs, stack addresses, charged time. The
// instruction families are in alu.ts, access.ts, calls.ts and flow.ts; all of them speak through this class.

import { unreachable } from '../../base/errors.ts'
import { KERNEL_HI, TEXT_HI } from '../../base/memory.ts'
import type { Form } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import { loadOf, placeOf } from './access.ts'
import type { Block } from './cfg.ts'
import type { Compiler, SubInfo } from './compiler.ts'
import { storedAt } from './forward.ts'
import { KERNEL, type Kind, OR_NULL, SIGNED } from './kinds.ts'
import type { Values } from './values.ts'
import { type Code, I32, I64, type ValueType } from './wasm.ts'

/** One WebAssembly function in the making; subprograms inlined into it share it. */
export interface Unit {
  readonly code: Code
  /** Local that holds the lowest offset of the BPF stack this function and its callees use. */
  readonly sp: number
  /** Local that collects nanoseconds to charge, -1 when nothing in here charges. */
  readonly cost: number
  /** Set when anything reads `sp`. */
  usesStack: boolean
}

/** Where `exit` goes: out of the WebAssembly function, or to the end of an inlined body. */
export type Exit =
  | { readonly kind: 'main' }
  | { readonly kind: 'function'; readonly type: ValueType }
  | { readonly kind: 'inline'; readonly label: number; readonly result: number; readonly type: ValueType }

export class Emitter {
  readonly compiler: Compiler
  readonly info: SubInfo
  readonly unit: Unit
  readonly code: Code
  readonly values: Values
  readonly exit: Exit
  /** Distance from `sp` to the start of this subprogram's frame. */
  readonly frame: number
  readonly #locals: Int32Array
  readonly #scratch = new Map<string, number>()
  /** Local that counts may_goto down, or -1. */
  budget = -1

  constructor(compiler: Compiler, info: SubInfo, unit: Unit, frame: number, exit: Exit) {
    this.compiler = compiler
    this.info = info
    this.unit = unit
    this.code = unit.code
    this.values = info.values
    this.exit = exit
    this.frame = frame
    this.#locals = new Int32Array(info.values.count).fill(-1)
  }

  form(slot: number): Form {
    return this.compiler.forms[slot]!
  }

  insn(slot: number): Insn {
    return this.compiler.program.insns[slot]!
  }

  block(index: number): Block {
    return this.info.cfg.blocks[index]!
  }

  /** A local of its own purpose within this subprogram; the same name gives the same local. */
  scratch(name: string, type: ValueType): number {
    const key = `${name}:${type}`
    let local = this.#scratch.get(key)
    if (local === undefined) this.#scratch.set(key, (local = this.code.local(type)))
    return local
  }

  // ── Webs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  typeOf(web: number): ValueType {
    return this.values.types[web]!
  }

  /** The local of a web; a parameter of the function may be given to it beforehand. */
  localOf(web: number): number {
    let local = this.#locals[web]!
    if (local < 0) local = this.#locals[web] = this.code.local(this.typeOf(web))
    return local
  }

  bind(web: number, local: number): void {
    this.#locals[web] = local
  }

  /** Push the low half. */
  get32(web: number): void {
    const { values, code } = this
    if (values.isConstant(web)) code.i32(values.constantLo(web))
    else if (values.isInFrame(web)) this.frameAddress(values.frameOffset(web))
    else {
      code.get(this.localOf(web))
      if (this.typeOf(web) === I64) code.op('i32_wrap_i64')
      const bias = this.bias(web)
      if (bias === 0) return
      code.i32(bias)
      code.op('i32_add')
    }
  }

  /** What the value of a sum (Values.sumOf) exceeds its local by; 0 for any other web. */
  bias(web: number): number {
    const { values } = this
    const sum = values.sumOf(web)
    if (!sum) return 0
    return values.isConstant(sum.base) ? values.constantLo(sum.base) : this.frameDistance(values.frameOffset(sum.base))
  }

  /** Push the whole value. */
  get64(web: number): void {
    const { values, code } = this
    if (values.isConstant(web)) code.i64(values.constantLo(web), values.constantHi(web))
    else if (values.isInFrame(web)) {
      this.frameAddress(values.frameOffset(web))
      this.widen(KERNEL)
    } else if (this.typeOf(web) === I64) code.get(this.localOf(web))
    else {
      this.get32(web)
      this.widen(values.kinds[web]!)
    }
  }

  get(web: number, type: ValueType): void {
    if (type === I32) this.get32(web)
    else this.get64(web)
  }

  /** Make the whole value of the low half on the stack. */
  widen(kind: Kind): void {
    const { code } = this
    if (kind === SIGNED) {
      code.op('i64_extend_i32_s')
    } else if (kind === OR_NULL) {
      const low = this.scratch('widen', I32)
      code.tee(low)
      code.op('i64_extend_i32_u')
      code.i64(0, KERNEL_HI)
      code.op('i64_or')
      code.i64(0, 0)
      code.get(low)
      code.op('select')
    } else {
      code.op('i64_extend_i32_u')
      if (kind !== KERNEL) return
      code.i64(0, KERNEL_HI)
      code.op('i64_or')
    }
  }

  /** Push the high half. */
  getHigh(web: number): void {
    const { values, code } = this
    if (values.isConstant(web)) code.i32(values.constantHi(web))
    else if (this.typeOf(web) === I32) {
      this.get32(web)
      this.highOf(values.kinds[web]!)
    } else {
      this.get64(web)
      this.highOf64()
    }
  }

  /** Replace the low half on the stack by the high half that its kind implies. */
  highOf(kind: Kind): void {
    const { code } = this
    if (kind === SIGNED) {
      code.i32(31)
      code.op('i32_shr_s')
      return
    }
    if (kind !== OR_NULL) {
      code.op('drop')
      code.i32(kind === KERNEL ? KERNEL_HI : 0)
      return
    }
    const low = this.scratch('widen', I32)
    code.set(low)
    code.i32(KERNEL_HI)
    code.i32(0)
    code.get(low)
    code.op('select')
  }

  /** Replace the i64 on the stack by its high half. */
  highOf64(): void {
    this.code.i64(32, 0)
    this.code.op('i64_shr_u')
    this.code.op('i32_wrap_i64')
  }

  /**
   * Push `bytes` (1, 2, 4: as i32; 8: i64) of what `web` points to at `slot`, from byte `at` on: out of the register that was stored
   * there where that is known, else from memory.
   */
  pushPointee(slot: number, web: number, at: number, bytes: number): void {
    const { code, values } = this
    const source =
      values.isInFrame(web) && bytes >= 4
        ? storedAt(this.compiler.code, this.info.cfg, values, slot, values.frameOffset(web) + at, bytes)
        : undefined
    if (source?.kind === 'web') this.get(source.web, bytes === 8 ? I64 : I32)
    else if (source && bytes === 8) code.i64(source.value, source.value >> 31)
    else if (source) code.i32(source.value)
    else this.address(web, at, (offset) => code.access(loadOf(bytes), offset))
  }

  /** Emit an access at the web's address + `at`: push the address, then `access` gets the constant offset to use. */
  address(web: number, at: number, access: (offset: number) => void): void {
    const place = placeOf(this, web, at)
    place.push()
    access(place.offset)
  }

  /**
   * r0 of a lookup: `value` pushes the address (whatever when there is none), `isNull` whether there is none. Where the program's own
   * test of r0 follows at once, that test becomes `isNull` and r0 is never made 0 (it is dead on that side).
   */
  putOrNull(def: number, slot: number, value: () => void, isNull: () => void): void {
    const { code } = this
    const test = this.nullTestBehind(slot)
    if (test >= 0) {
      const flag = this.scratch(`null${slot}`, I32)
      isNull()
      code.set(flag)
      this.#nullTests.set(test, flag)
      value()
      this.put(def, I32, KERNEL)
      return
    }
    value()
    code.i32(0)
    isNull()
    code.op('i32_eqz')
    code.op('select')
    this.put(def, I32, OR_NULL)
  }

  readonly #nullTests = new Map<number, number>()

  /** The local that tells what the jump at `slot` tests (1: r0 is NULL), where a lookup left it; else -1. */
  nullFlag(slot: number): number {
    return this.#nullTests.get(slot) ?? -1
  }

  /**
   * The slot of the jump that ends the block of the call at `slot` by testing r0, or a copy of it, for 0, when nothing looks at the
   * value before and nothing on the NULL side ever does; else -1.
   */
  nullTestBehind(slot: number): number {
    const { compiler, values } = this
    const { insns } = compiler.program
    const block = this.block(this.info.cfg.blockOf(slot))
    const { last } = block
    const test = this.form(last)
    if (test.kind !== 'jmp' || test.source !== 'imm' || test.width !== 64 || insns[last]!.imm !== 0) return -1
    if (test.op !== 'jeq' && test.op !== 'jne') return -1
    // Registers that hold the value, by their webs.
    const holders = new Map([[0, values.def[slot]!]])
    const isHeld = (web: number): boolean => web >= 0 && [...holders.values()].includes(web)
    for (let at = slot + 1; at < last; at++) {
      const form = compiler.forms[at]
      if (!form) continue
      if (form.kind === 'call') return -1
      const isCopy = form.kind === 'mov' && form.width === 64 && form.source === 'reg' && isHeld(values.src[at]!)
      if (isHeld(values.dst[at]!) || (isHeld(values.src[at]!) && !isCopy)) return -1
      if (values.def[at]! < 0) continue
      for (const [register, web] of holders) if (web === values.def[at]!) holders.delete(register)
      if (isCopy) holders.set(insns[at]!.dst, values.def[at]!)
      else holders.delete(insns[at]!.dst)
    }
    if (holders.get(insns[last]!.dst) !== values.dst[last]) return -1
    const nullSide = block.succs[test.op === 'jeq' ? 0 : 1]!
    for (const register of holders.keys()) if (values.isLiveIn(nullSide, register)) return -1
    return last
  }

  /** Whether the web needs no code: its value is pushed where it is used. */
  isImplicit(web: number): boolean {
    return this.values.isConstant(web) || this.values.isInFrame(web)
  }

  /** Pop a value of `type` into the web. An i32 that goes into an i64 is widened as `kind` says. */
  put(web: number, type: ValueType, kind: Kind): void {
    const { code } = this
    if (this.isImplicit(web)) {
      code.op('drop')
      return
    }
    if (this.typeOf(web) !== type) {
      if (type === I64) code.op('i32_wrap_i64')
      else this.widen(kind)
    }
    code.set(this.localOf(web))
  }

  /** ld_imm64 whose web is no single constant. */
  loadConstant(slot: number): void {
    const def = this.values.def[slot]!
    if (this.isImplicit(def)) return
    const form = this.form(slot)
    const insn = this.insn(slot)
    const isFunction = form.kind === 'ld_imm64' && form.pseudo === 'func'
    const lo = isFunction ? this.compiler.functionAddress(insn.imm) : insn.imm
    const hi = isFunction ? TEXT_HI : this.insn(slot + 1).imm
    if (this.typeOf(def) === I32) this.code.i32(lo)
    else this.code.i64(lo, hi)
    this.code.set(this.localOf(def))
  }

  // ── The BPF stack ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Distance from `sp` of the address r10 + `offset`. */
  frameDistance(offset: number): number {
    return this.frame + this.info.sub.stackBytes + offset
  }

  /** Push the offset in memory of r10 + `offset`. */
  frameAddress(offset: number): void {
    this.unit.usesStack = true
    this.code.get(this.unit.sp)
    this.code.i32(this.frameDistance(offset))
    this.code.op('i32_add')
  }

  // ── Leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Leave the main function with the value of `web`, or a subprogram with it. */
  leave(web: number): void {
    const { code, exit } = this
    switch (exit.kind) {
      case 'main':
        this.flushCharge()
        this.compiler.leaveMain(this.unit)
        code.i32(0)
        this.getHigh(web)
        code.access('i32_store', this.compiler.machine.cells.resultHi)
        this.get32(web)
        code.op('return')
        break
      case 'function':
        this.flushCharge()
        this.get(web, exit.type)
        code.op('return')
        break
      case 'inline':
        this.get(web, exit.type)
        code.set(exit.result)
        code.br(exit.label)
        break
      default:
        unreachable(exit)
    }
  }

  /** Leave with r0 = 0. */
  leaveWithZero(): void {
    const { code, exit } = this
    if (exit.kind === 'main') {
      this.flushCharge()
      this.compiler.leaveMain(this.unit)
      code.i32(0)
      code.i32(0)
      code.access('i32_store', this.compiler.machine.cells.resultHi)
      code.i32(0)
      code.op('return')
      return
    }
    if (exit.type === I32) code.i32(0)
    else code.i64(0, 0)
    this.#leaveWithTop(exit)
  }

  /** Leave with what an entry of the function table returned: the low half is on the stack, the high one in its cell. */
  leaveWithResult(): void {
    const { code, exit, compiler } = this
    if (exit.kind === 'main') {
      code.op('return')
      return
    }
    if (exit.type === I64) {
      code.op('i64_extend_i32_u')
      code.i32(0)
      code.access('i64_load32_u', compiler.machine.cells.resultHi)
      code.i64(32, 0)
      code.op('i64_shl')
      code.op('i64_or')
    }
    this.#leaveWithTop(exit)
  }

  #leaveWithTop(exit: Exclude<Exit, { kind: 'main' }>): void {
    const { code } = this
    if (exit.kind === 'function') {
      code.op('return')
    } else {
      code.set(exit.result)
      code.br(exit.label)
    }
  }

  // ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  charge(ns: number): void {
    if (ns === 0) return
    const { code, unit } = this
    code.get(unit.cost)
    code.i32(ns)
    code.op('i32_add')
    code.set(unit.cost)
  }

  /** Move what was collected into the cell that the platform's clock is settled from. */
  flushCharge(): void {
    const { code, unit, compiler } = this
    if (unit.cost < 0) return
    const { charged } = compiler.machine.cells
    code.i32(0)
    code.i32(0)
    code.access('i32_load', charged)
    code.get(unit.cost)
    code.op('i32_add')
    code.access('i32_store', charged)
    code.i32(0)
    code.set(unit.cost)
  }

  /** Before a call that may start other programs: settle time and protect our stack. */
  prepareCallOut(): void {
    const { code, unit, compiler } = this
    this.flushCharge()
    unit.usesStack = true
    code.i32(0)
    code.get(unit.sp)
    code.i32(this.frame + this.info.sub.stackBytes)
    code.op('i32_add')
    code.access('i32_store', compiler.machine.cells.stackTop)
  }
}
