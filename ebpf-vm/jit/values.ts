// What values a subprogram's registers hold. Definitions that reach a common use form a *web*; each web becomes one WebAssembly local.
// Of every web this finds: its kind (kinds.ts), whether it is one constant or one address within the stack frame, whether anything
// looks at its upper half, and from these its type. A web whose upper half is known or unused lives in an i32.

import { unreachable } from '../../base/errors.ts'
import type { Form } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import { SIZE } from '../isa/opcodes.ts'
import type { AccessKind } from '../program.ts'
import type { Cfg } from './cfg.ts'
import { findInduction } from './induction.ts'
import {
  alu32Kind,
  aluKind,
  comparison,
  isNarrow,
  join,
  KERNEL,
  type Kind,
  kindOfConstant,
  lowBits,
  SIGNED,
  UNKNOWN,
  UNSET,
} from './kinds.ts'
import { I32, I64, type ValueType } from './wasm.ts'

/** What a call reads and gives, as far as values go. */
export interface CallShape {
  /** Registers that it reads, r1 first. */
  readonly args: readonly { readonly register: number; readonly wide: boolean }[]
  readonly result: Kind
}

export interface Subject {
  readonly insns: readonly Insn[]
  readonly forms: readonly (Form | undefined)[]
  readonly access: readonly AccessKind[]
  readonly cfg: Cfg
  /** Kind of the argument registers r1 to r5. */
  readonly inputs: readonly Kind[]
  callShape(slot: number): CallShape
  /** Low half of the address of subprogram `index`; the high one is TEXT_HI. */
  functionAddress(index: number): number
}

/** Web of the frame pointer: r10 is never written. */
export const FRAME = 0

/** What a web is known to be. */
const VARIES = 0
const CONSTANT = 1
const IN_FRAME = 2
const NOTHING_YET = 3

export class Values {
  /** By slot: the webs that it reads through dst, src and r0, and the one it defines; -1 for none. */
  readonly dst: Int32Array
  readonly src: Int32Array
  readonly r0: Int32Array
  readonly def: Int32Array
  /** Webs of a call's arguments, in the order of its shape. */
  readonly args = new Map<number, readonly number[]>()
  /** Web of r1 to r5 at entry, by register; -1 when it is not read. */
  readonly inputs = new Int32Array(11).fill(-1)
  count = 0
  kinds: Int8Array = new Int8Array(0)
  types: ValueType[] = []
  /** Whether anything needs the upper half (meaningless for narrow kinds, whose low half tells it). */
  upper: Uint8Array = new Uint8Array(0)
  #state: Uint8Array = new Uint8Array(0)
  #lo: Int32Array = new Int32Array(0)
  #hi: Int32Array = new Int32Array(0)
  readonly #induction: ReadonlyMap<number, Kind>
  #liveIn: readonly number[] = []
  readonly #subject: Subject
  /** Join of what is returned. */
  result: Kind = UNSET

  constructor(subject: Subject) {
    this.#subject = subject
    const slots = subject.insns.length
    this.dst = new Int32Array(slots).fill(-1)
    this.src = new Int32Array(slots).fill(-1)
    this.r0 = new Int32Array(slots).fill(-1)
    this.def = new Int32Array(slots).fill(-1)
    this.#buildWebs()
    this.#induction = findInduction(subject, this)
    this.#findKinds()
    this.#findSums()
    this.#findDemand()
    this.#chooseTypes()
  }

  /** Whether a register's value is looked at in block `index` or behind it. */
  isLiveIn(index: number, register: number): boolean {
    return ((this.#liveIn[index]! >> register) & 1) === 1
  }

  /**
   * An address that is a constant (or a place in the frame) plus a register: `base` is the web of the constant part, `index` that of the
   * register. Its local holds what varies; accesses have the rest in their offset.
   */
  sumOf(web: number): { readonly base: number; readonly index: number } | undefined {
    return this.#sums.get(web)
  }

  readonly #sums = new Map<number, { base: number; index: number }>()

  #findSums(): void {
    const defs = new Int32Array(this.count)
    for (const web of this.def) if (web >= 0) defs[web]!++
    for (const web of this.inputs) if (web >= 0) defs[web]!++
    const { cfg, forms } = this.#subject
    for (const block of cfg.blocks) {
      for (let slot = block.start; slot < block.end; slot++) {
        const form = forms[slot]
        if (form?.kind !== 'alu' || form.op !== 'add' || form.width !== 64 || form.source !== 'reg') continue
        const web = this.def[slot]!
        if (defs[web] !== 1 || this.kinds[web] !== KERNEL || this.#state[web] !== VARIES) continue
        const [dst, src] = [this.dst[slot]!, this.src[slot]!]
        const [base, index] = this.#state[dst] === VARIES ? [src, dst] : [dst, src]
        if (this.#state[base] === VARIES || this.#state[index] !== VARIES) continue
        // An offset counts upwards from an unsigned address: below a constant base nothing may be subtracted.
        if (this.isConstant(base) && this.kinds[index]! > 31) continue
        this.#sums.set(web, { base, index })
      }
    }
  }

  isConstant(web: number): boolean {
    return this.#state[web] === CONSTANT
  }
  constantLo(web: number): number {
    return this.#lo[web]!
  }
  constantHi(web: number): number {
    return this.#hi[web]!
  }
  /** An address at a fixed distance from r10. */
  isInFrame(web: number): boolean {
    return this.#state[web] === IN_FRAME
  }
  /** That distance. */
  frameOffset(web: number): number {
    return this.#lo[web]!
  }

  // ── Webs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #buildWebs(): void {
    const { cfg, insns, forms } = this.#subject
    const { blocks } = cfg
    const uses = blocks.map(() => 0)
    const defs = blocks.map(() => 0)
    blocks.forEach((block, b) => {
      for (let slot = block.start; slot < block.end; slot++) {
        const form = forms[slot]
        if (!form) continue
        uses[b]! |= readMask(form, insns[slot]!, this.#shape(form, slot)) & ~defs[b]!
        const defined = definedRegister(form, insns[slot]!)
        if (defined >= 0) defs[b]! |= 1 << defined
      }
    })
    const liveIn = blocks.map(() => 0)
    for (let changed = true; changed; ) {
      changed = false
      for (let b = blocks.length - 1; b >= 0; b--) {
        let out = 0
        for (const succ of blocks[b]!.succs) out |= liveIn[succ]!
        const live = uses[b]! | (out & ~defs[b]!)
        if (live !== liveIn[b]) {
          liveIn[b] = live
          changed = true
        }
      }
    }

    this.#liveIn = liveIn

    const parent: number[] = [FRAME]
    const fresh = (): number => parent.push(parent.length) - 1
    const find = (web: number): number => {
      while (parent[web] !== web) web = parent[web] = parent[parent[web]!]!
      return web
    }
    const union = (a: number, b: number): void => {
      const [low, high] = [find(a), find(b)]
      if (low < high) parent[high] = low
      else parent[low] = high
    }
    // At the start of a block with several ways in, every live register is a web of its own, united with what each way brings.
    const atStart: (Int32Array | undefined)[] = blocks.map(() => undefined)
    const atEnd: Int32Array[] = []
    blocks.forEach((block, b) => {
      const now = new Int32Array(11).fill(-1)
      const joins = b === 0 || block.preds.length > 1
      for (let register = 0; register < 10; register++) {
        if (!((liveIn[b]! >> register) & 1)) continue
        now[register] = joins ? fresh() : atEnd[block.preds[0]!]![register]!
        if (b === 0) this.inputs[register] = now[register]!
      }
      now[10] = FRAME
      if (joins) atStart[b] = now.slice()
      for (let slot = block.start; slot < block.end; slot++) {
        const form = forms[slot]
        if (!form) continue
        const insn = insns[slot]!
        if (readsDst(form)) this.dst[slot] = now[insn.dst]!
        if (readsSrc(form)) this.src[slot] = now[insn.src]!
        if (form.kind === 'ld_abs' || form.kind === 'ld_ind') this.dst[slot] = now[6]!
        if (form.kind === 'exit' || (form.kind === 'atomic' && form.op === 'cmpxchg')) this.r0[slot] = now[0]!
        const shape = this.#shape(form, slot)
        if (shape)
          this.args.set(
            slot,
            shape.args.map(({ register }) => now[register]!),
          )
        const defined = definedRegister(form, insn)
        if (defined >= 0) now[defined] = this.def[slot] = fresh()
      }
      atEnd[b] = now
    })
    blocks.forEach((block, b) => {
      const start = atStart[b]
      if (!start) return
      for (const pred of block.preds) {
        for (let register = 0; register < 10; register++) {
          if (start[register]! >= 0 && atEnd[pred]![register]! >= 0) union(start[register]!, atEnd[pred]![register]!)
        }
      }
    })
    // Number the webs densely.
    const numbers = new Int32Array(parent.length).fill(-1)
    const number = (web: number): number => {
      if (web < 0) return -1
      const root = find(web)
      if (numbers[root]! < 0) numbers[root] = this.count++
      return numbers[root]!
    }
    number(FRAME)
    for (const column of [this.dst, this.src, this.r0, this.def, this.inputs]) {
      for (let i = 0; i < column.length; i++) column[i] = number(column[i]!)
    }
    for (const [slot, webs] of this.args) this.args.set(slot, webs.map(number))
  }

  #shape(form: Form, slot: number): CallShape | undefined {
    return form.kind === 'call' ? this.#subject.callShape(slot) : undefined
  }

  // ── Kinds and constants ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #findKinds(): void {
    const { cfg, inputs } = this.#subject
    this.kinds = new Int8Array(this.count).fill(UNSET)
    this.#state = new Uint8Array(this.count).fill(NOTHING_YET)
    this.#lo = new Int32Array(this.count)
    this.#hi = new Int32Array(this.count)
    this.kinds[FRAME] = KERNEL
    this.#state[FRAME] = IN_FRAME
    this.inputs.forEach((web, register) => {
      if (web < 0) return
      this.kinds[web] = inputs[register - 1] ?? UNKNOWN
      this.#state[web] = VARIES
    })
    let changed = true
    for (let round = 0; changed; round++) {
      changed = false
      for (const block of cfg.blocks) {
        for (let slot = block.start; slot < block.end; slot++) {
          const web = this.def[slot]!
          if (web < 0) continue
          if (this.#meet(slot, web)) changed = true
          let kind = join(this.kinds[web]!, this.#kindOf(slot))
          // A count that grows by one bit a round would take long to settle.
          if (kind !== this.kinds[web] && round > 3 && kind < 64) kind = kind <= 32 && this.#is32(slot) ? 32 : UNKNOWN
          if (kind === this.kinds[web]) continue
          this.kinds[web] = kind
          changed = true
        }
      }
    }
    for (const block of cfg.blocks) {
      const web = this.r0[block.last]!
      if (this.#subject.forms[block.last]!.kind === 'exit' && web >= 0)
        this.result = join(this.result, this.kinds[web]!)
    }
  }

  #is32(slot: number): boolean {
    const form = this.#subject.forms[slot]!
    return (form.kind === 'alu' || form.kind === 'mov' || form.kind === 'neg') && form.width === 32
  }

  /** Merge what the definition at `slot` makes of its web: one constant, one frame address, or something that varies. */
  #meet(slot: number, web: number): boolean {
    if (this.#state[web] === VARIES) return false
    const { insns, forms } = this.#subject
    const form = forms[slot]!
    const insn = insns[slot]!
    let state = VARIES
    let lo = 0
    let hi = 0
    if (form.kind === 'ld_imm64') {
      state = CONSTANT
      lo = form.pseudo === 'func' ? this.#subject.functionAddress(insn.imm) : insn.imm
      hi = form.pseudo === 'func' ? -1 : insns[slot + 1]!.imm
    } else if (form.kind === 'mov' && form.source === 'imm') {
      state = CONSTANT
      lo = insn.imm
      hi = form.width === 32 ? 0 : insn.imm >> 31
    } else if (form.kind === 'mov') {
      const from = this.src[slot]!
      state = this.#state[from]!
      lo = this.#lo[from]!
      hi = form.width === 32 ? 0 : this.#hi[from]!
      if (state === IN_FRAME && form.width === 32) state = VARIES
    } else if (
      form.kind === 'alu' &&
      form.width === 64 &&
      form.source === 'imm' &&
      (form.op === 'add' || form.op === 'sub')
    ) {
      const from = this.dst[slot]!
      const add = form.op === 'add' ? insn.imm : -insn.imm
      state = this.#state[from]!
      const sum = (this.#lo[from]! >>> 0) + add
      lo = sum | 0
      hi = (this.#hi[from]! + Math.floor(sum / 0x1_0000_0000)) | 0
      if (state === IN_FRAME) {
        lo = (this.#lo[from]! + add) | 0
        hi = 0
      }
    }
    if (state === NOTHING_YET) return false
    if (this.#state[web] === NOTHING_YET) {
      this.#state[web] = state
      this.#lo[web] = lo
      this.#hi[web] = hi
      return true
    }
    if (state === this.#state[web] && lo === this.#lo[web] && hi === this.#hi[web]) return false
    this.#state[web] = VARIES
    return true
  }

  /** Kind of the operand behind `source`. */
  sourceKind(slot: number, source: 'imm' | 'reg'): Kind {
    if (source === 'reg') return this.kinds[this.src[slot]!]!
    const { imm } = this.#subject.insns[slot]!
    return kindOfConstant(imm, imm >> 31)
  }

  #kindOf(slot: number): Kind {
    const { insns, forms } = this.#subject
    const form = forms[slot]!
    const insn = insns[slot]!
    const web = this.def[slot]!
    if (this.#state[web] === CONSTANT) return kindOfConstant(this.#lo[web]!, this.#hi[web]!)
    if (this.#state[web] === IN_FRAME) return KERNEL
    switch (form.kind) {
      case 'alu': {
        const bounded = this.#induction.get(slot)
        if (bounded !== undefined) return bounded
        const a = this.kinds[this.dst[slot]!]!
        const b =
          form.source === 'imm' && form.width === 32 ? 32 - Math.clz32(insn.imm) : this.sourceKind(slot, form.source)
        if (a === UNSET || b === UNSET) return UNSET
        const shift = form.source === 'imm' ? insn.imm & (form.width - 1) : -1
        const divisor = form.source === 'imm' && insn.imm !== 0
        return (form.width === 64 ? aluKind : alu32Kind)(form.op, a, b, shift, divisor, form.signed)
      }
      case 'mov': {
        const kind = this.sourceKind(slot, form.source)
        return form.width === 64 || kind === UNSET ? kind : lowBits(kind)
      }
      case 'movsx':
        return form.width === 64 ? SIGNED : 32
      case 'neg':
        return form.width
      case 'end':
        return form.bits
      case 'ld_abs':
      case 'ld_ind':
        return 8 * SIZE[form.size].bytes
      case 'ldx':
        return form.signed ? SIGNED : 8 * SIZE[form.size].bytes
      case 'atomic':
        return 8 * SIZE[form.size].bytes
      case 'addr_space_cast':
        return form.to === 'kernel' ? 32 : UNKNOWN
      case 'call':
        return this.#subject.callShape(slot).result
      default:
        return UNKNOWN
    }
  }

  // ── Upper halves ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the value of this web must be there in full: something looks at an upper half that the low one does not tell. */
  isWide(web: number): boolean {
    return this.upper[web] === 1 && !isNarrow(this.kinds[web]!)
  }

  #findDemand(): void {
    this.upper = new Uint8Array(this.count)
    const { blocks } = this.#subject.cfg
    let changed = true
    const need = (web: number): void => {
      if (web < 0 || this.upper[web]) return
      this.upper[web] = 1
      changed = true
    }
    while (changed) {
      changed = false
      for (let b = blocks.length - 1; b >= 0; b--) {
        const block = blocks[b]!
        for (let slot = block.end - 1; slot >= block.start; slot--) {
          if (this.#subject.forms[slot]) this.#demandOf(slot, need)
        }
      }
    }
  }

  #demandOf(slot: number, need: (web: number) => void): void {
    const { forms, insns, access } = this.#subject
    const form = forms[slot]!
    const insn = insns[slot]!
    const wide = this.def[slot]! >= 0 && this.isWide(this.def[slot]!)
    const checked = needsCheck(access[slot] ?? 'unproved')
    switch (form.kind) {
      case 'alu':
        if (form.width === 32) return
        if (isLowClosed(form.op) || (form.op === 'lsh' && form.source === 'reg')) {
          if (wide) {
            need(this.dst[slot]!)
            if (form.op !== 'lsh') need(this.src[slot]!)
          }
        } else if (form.op === 'lsh') {
          if (wide && (insn.imm & 63) < 32) need(this.dst[slot]!)
        } else {
          need(this.dst[slot]!)
          if (form.op === 'div' || form.op === 'mod') need(this.src[slot]!)
        }
        return
      case 'mov':
        if (form.width === 64 && wide) need(this.src[slot]!)
        return
      case 'neg':
        if (form.width === 64 && wide) need(this.dst[slot]!)
        return
      case 'end':
        if (form.bits === 64) need(this.dst[slot]!)
        return
      case 'ldx':
        if (checked) need(this.src[slot]!)
        return
      case 'st':
        if (checked) need(this.dst[slot]!)
        return
      case 'stx':
        if (checked) need(this.dst[slot]!)
        if (form.size === 'dw') need(this.src[slot]!)
        return
      case 'atomic':
        if (checked) need(form.op === 'load_acquire' ? this.src[slot]! : this.dst[slot]!)
        if (form.size === 'dw' && form.op !== 'load_acquire') need(this.src[slot]!)
        if (form.size === 'dw') need(this.r0[slot]!)
        return
      case 'jmp': {
        if (form.width === 32 || this.comparisonAt(slot) !== 'whole') return
        if (form.op === 'jset' && form.source === 'imm' && insn.imm >= 0) return
        need(this.dst[slot]!)
        need(this.src[slot]!)
        return
      }
      case 'call': {
        const webs = this.args.get(slot)!
        this.#subject.callShape(slot).args.forEach((arg, i) => {
          if (arg.wide) need(webs[i]!)
        })
        return
      }
      case 'exit':
        need(this.r0[slot]!)
        return
      case 'mov_percpu':
        need(this.src[slot]!)
        return
      case 'addr_space_cast':
      case 'movsx':
      case 'ld_imm64':
      case 'ld_abs':
      case 'ld_ind':
      case 'ja':
      case 'gotol':
      case 'may_goto':
        return
      default:
        unreachable(form)
    }
  }

  /** How the 64-bit jump at `slot` compares. */
  comparisonAt(slot: number): 'unsigned32' | 'same32' | 'whole' {
    const form = this.#subject.forms[slot]!
    if (form.kind !== 'jmp' || form.op === 'jset') return 'whole'
    const isEquality = form.op === 'jeq' || form.op === 'jne'
    const isSigned = form.op === 'jsgt' || form.op === 'jsge' || form.op === 'jslt' || form.op === 'jsle'
    return comparison(this.kinds[this.dst[slot]!]!, this.sourceKind(slot, form.source), isEquality, isSigned)
  }

  /** i32 where the upper half is unused; where it is known, what most uses like better. */
  #chooseTypes(): void {
    const likes = new Int32Array(this.count)
    const { cfg, forms, access } = this.#subject
    const like = (web: number, amount: number): void => {
      if (web >= 0) likes[web]! += amount
    }
    for (const block of cfg.blocks) {
      for (let slot = block.start; slot < block.end; slot++) {
        const form = forms[slot]
        if (!form) continue
        const def = this.def[slot]!
        if (form.kind === 'alu') {
          const amount =
            form.width === 32 || (isNarrow(this.kinds[def]!) && isLowClosed(form.op)) || !this.isWide(def) ? 1 : -1
          like(this.dst[slot]!, amount)
          like(this.src[slot]!, amount)
          like(def, form.width === 32 ? 1 : 0)
        } else if (form.kind === 'ldx' || form.kind === 'st' || form.kind === 'stx') {
          const address = form.kind === 'ldx' ? this.src[slot]! : this.dst[slot]!
          like(address, needsCheck(access[slot] ?? 'unproved') ? -1 : 1)
          if (form.kind === 'stx') like(this.src[slot]!, form.size === 'dw' ? -1 : 1)
        } else if (form.kind === 'jmp') {
          const amount = form.width === 32 || this.comparisonAt(slot) !== 'whole' ? 1 : -1
          like(this.dst[slot]!, amount)
          like(this.src[slot]!, amount)
        } else if (form.kind === 'mov') {
          if (form.source === 'reg' && form.width === 64 && this.isWide(def)) like(this.src[slot]!, -1)
        }
      }
    }
    for (let web = 0; web < this.count; web++) {
      const kind = this.kinds[web]!
      const small = isNarrow(kind) ? kind > 32 || likes[web]! >= 0 : this.upper[web] === 0
      this.types.push(small ? I32 : I64)
    }
  }
}

/** Operations whose low half needs low halves only. */
export const isLowClosed = (op: string): boolean =>
  op === 'add' || op === 'sub' || op === 'mul' || op === 'and' || op === 'or' || op === 'xor'

/** Accesses whose address is looked at in full at run time. */
export const needsCheck = (access: AccessKind): boolean =>
  access === 'probe' || access === 'btf' || access === 'unproved' || access === 'none'

function readsDst(form: Form): boolean {
  switch (form.kind) {
    case 'alu':
    case 'neg':
    case 'end':
    case 'st':
    case 'stx':
    case 'jmp':
      return true
    case 'atomic':
      return form.op !== 'load_acquire'
    default:
      return false
  }
}

function readsSrc(form: Form): boolean {
  switch (form.kind) {
    case 'alu':
    case 'mov':
    case 'jmp':
      return form.source === 'reg'
    case 'movsx':
    case 'addr_space_cast':
    case 'mov_percpu':
    case 'ldx':
    case 'stx':
    case 'atomic':
    case 'ld_ind':
      return true
    default:
      return false
  }
}

/** Registers read, as a bit mask. */
function readMask(form: Form, insn: Insn, shape: CallShape | undefined): number {
  let mask = 0
  if (readsDst(form)) mask |= 1 << insn.dst
  if (readsSrc(form)) mask |= 1 << insn.src
  if (form.kind === 'exit' || (form.kind === 'atomic' && form.op === 'cmpxchg')) mask |= 1
  if (form.kind === 'ld_abs' || form.kind === 'ld_ind') mask |= 1 << 6
  if (shape) for (const { register } of shape.args) mask |= 1 << register
  return mask & 0x3ff
}

/** The register that it writes, -1 for none. */
function definedRegister(form: Form, insn: Insn): number {
  switch (form.kind) {
    case 'alu':
    case 'mov':
    case 'movsx':
    case 'neg':
    case 'end':
    case 'addr_space_cast':
    case 'mov_percpu':
    case 'ld_imm64':
    case 'ldx':
      return insn.dst
    case 'atomic':
      if (form.op === 'load_acquire') return insn.dst
      if (form.op === 'cmpxchg') return 0
      return form.op.startsWith('fetch') || form.op === 'xchg' ? insn.src : -1
    case 'call':
    case 'ld_abs':
    case 'ld_ind':
      return 0
    default:
      return -1
  }
}
