// Arbitrary programs that Linux's verifier accepts, of every class of instruction: arithmetic, branches, loops, stack, memory, atomics,
// maps, functions, callbacks. A program is a small tree (so that a failing one shrinks) lowered to instructions.
//
// Registers: r0 and r2 to r7 hold scalars at every statement, r8 the address of 64 bytes of map memory, r9 the loop counter; r1 is
// scratch. 64 bytes of stack below r10 are initialised; maps' keys and values go below those.

import fc from 'fast-check'
import { FORMS, type Form } from '../../ebpf-vm/isa/forms.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import { ALU, ATOMIC, CALL, CLASS, JMP, MODE, PSEUDO, SIZE, SRC_X } from '../../ebpf-vm/isa/opcodes.ts'
import type { AccessKind } from '../../ebpf-vm/program.ts'

/** What a statement does; `fresh` are the values that r2 to r5 get after a call. */
export type Statement =
  | { readonly kind: 'insn'; readonly insns: readonly Insn[]; readonly access: AccessKind }
  /** The load or store at r8 + (index & mask), in `insn` relative to r1. */
  | { readonly kind: 'indexed'; readonly index: number; readonly mask: number; readonly insn: Insn }
  /** A load that may miss: through r8, or through whatever number a scalar is. */
  | { readonly kind: 'probe'; readonly insn: Insn }
  /** A legacy packet load. */
  | { readonly kind: 'packet'; readonly insn: Insn; readonly fresh: readonly number[] }
  | { readonly kind: 'if'; readonly test: Insn; readonly body: readonly Statement[] }
  /** The same with the test turned around: it jumps to the body, past a jump over it. */
  | { readonly kind: 'unless'; readonly test: Insn; readonly long: boolean; readonly body: readonly Statement[] }
  | { readonly kind: 'loop'; readonly times: number; readonly mayGoto: boolean; readonly body: readonly Statement[] }
  /** Blocks that jump to each other as they like, loops of several entries included, until `fuel` blocks were run. */
  | { readonly kind: 'graph'; readonly fuel: number; readonly blocks: readonly Block[] }
  | { readonly kind: 'call'; readonly callee: number; readonly fresh: readonly number[] }
  | { readonly kind: 'iterate'; readonly callee: number; readonly times: number; readonly fresh: readonly number[] }
  | {
      readonly kind: 'map'
      readonly map: 'array' | 'hash'
      readonly op: 'lookup' | 'update' | 'delete'
      readonly key: number
      readonly value: number
      readonly flags: number
      readonly fresh: readonly number[]
    }

/** Ends with a jump to block `taken` when the test holds, else to block `otherwise` (modulo their number). */
export interface Block {
  readonly body: readonly Statement[]
  readonly test: Insn
  readonly taken: number
  readonly otherwise: number
}

export interface FuzzFunction {
  readonly isCallback: boolean
  /** Initial values of r0 and r2 to r7 (those that are no arguments) and of the eight stack words. */
  readonly initial: readonly number[]
  readonly body: readonly Statement[]
}

export interface FuzzProgram {
  readonly functions: readonly FuzzFunction[]
  /** What the 64 bytes that r8 points to hold at first. */
  readonly memory: Uint8Array
}

/** The maps of every program, by the number that its references carry as imm. */
export const FUZZ_MAPS = { memory: 0, array: 1, hash: 2 } as const
export const MEMORY_BYTES = 64
export const ARRAY_ENTRIES = 4
export const HASH_ENTRIES = 4

export interface Lowered {
  /** Map references are still LD_IMM64 with PSEUDO.map_fd or map_value and a number of FUZZ_MAPS. */
  readonly insns: readonly Insn[]
  /** What each access is by construction. */
  readonly access: readonly AccessKind[]
}

const SCALARS = [0, 2, 3, 4, 5, 6, 7]
const MEMORY = 8
const COUNTER = 9
const STACK = 10
const SCRATCH = 1
const KEY_AT = -72
const VALUE_AT = -80

const insn = (code: number, dst: number, src: number, off: number, imm: number): Insn => ({ code, dst, src, off, imm })
const movImm = (dst: number, imm: number): Insn => insn(CLASS.alu64 | ALU.mov.code, dst, 0, 0, imm)
const movReg = (dst: number, src: number): Insn => insn(CLASS.alu64 | ALU.mov.code | SRC_X, dst, src, 0, 0)
const addImm = (dst: number, imm: number): Insn => insn(CLASS.alu64 | ALU.add.code, dst, 0, 0, imm)
const stx = (size: 'w' | 'dw', base: number, off: number, src: number): Insn =>
  insn(CLASS.stx | MODE.mem | SIZE[size].code, base, src, off, 0)
const ldx64 = (dst: number, base: number, off: number): Insn =>
  insn(CLASS.ldx | MODE.mem | SIZE.dw.code, dst, base, off, 0)
const wide = (dst: number, pseudo: number, imm: number): Insn[] => [
  insn(CLASS.ld | MODE.imm | SIZE.dw.code, dst, pseudo, 0, imm),
  insn(0, 0, 0, 0, 0),
]
const callHelper = (id: number): Insn => insn(CLASS.jmp | JMP.call.code, 0, CALL.helper, 0, id)
const GOTO = insn(CLASS.jmp | JMP.ja.code, 0, 0, 0, 0)
const GOTOL = insn(CLASS.jmp32 | JMP.ja.code, 0, 0, 0, 0)
const EXIT = insn(CLASS.jmp | JMP.exit.code, 0, 0, 0, 0)

// ── Arbitraries ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

const scalar = fc.constantFrom(...SCALARS)
const edges = [0, 1, -1, 2, 7, 31, 32, 33, 63, 64, 0x7fffffff, -0x80000000, 0xffff, 0x10000]
const imm = fc.oneof(
  fc.constantFrom(...edges),
  fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  fc.integer({ min: -8, max: 8 }),
)
const fresh = fc.array(imm, { minLength: 4, maxLength: 4 })

const formsOf = (...kinds: Form['kind'][]): Form[] => FORMS.filter((form) => kinds.includes(form.kind))

/** An instruction of scalars only, with immediates that the verifier takes. */
const computation: fc.Arbitrary<Statement> = fc
  .constantFrom(...formsOf('alu', 'mov', 'movsx', 'neg', 'end'), ...formsOf('ld_imm64').slice(0, 1))
  .chain((form) => {
    const { layout } = form
    const pick = (field: 'free' | number, free: fc.Arbitrary<number>): fc.Arbitrary<number> =>
      field === 'free' ? free : fc.constant(field)
    let operand = imm
    if (form.kind === 'alu') {
      const isShift = form.op === 'lsh' || form.op === 'rsh' || form.op === 'arsh'
      if (isShift) operand = fc.nat(form.width - 1)
      if (form.op === 'div' || form.op === 'mod') operand = imm.map((value) => value || 3)
    }
    return fc
      .tuple(
        pick(layout.dst, scalar),
        pick(layout.src, scalar),
        pick(layout.off, fc.constant(0)),
        pick(layout.imm, operand),
        imm,
      )
      .map(([dst, src, off, value, high]): Statement => {
        const first = insn(layout.code, dst, src, off, value)
        const insns = form.kind === 'ld_imm64' ? [first, insn(0, 0, 0, 0, high)] : [first]
        return { kind: 'insn', insns, access: 'none' }
      })
  })

const accesses = formsOf('ldx', 'st', 'stx', 'atomic')
const bytesOf = (form: Form): number => ('size' in form ? SIZE[form.size].bytes : 0)

/** Fills an access in: its address register, its scalar, its immediate. */
function accessInsn(form: Form, base: number, register: number, off: number, value: number): Insn {
  const { code, imm: fixed } = form.layout
  const isLoad = form.kind === 'ldx' || (form.kind === 'atomic' && form.op === 'load_acquire')
  const src = form.kind === 'st' ? 0 : isLoad ? base : register
  return insn(code, isLoad ? register : base, src, off, fixed === 'free' ? value : fixed)
}

/** A load, store or atomic at a constant place: the stack's words, aligned, or map memory, where plain accesses need no alignment. */
const access: fc.Arbitrary<Statement> = fc
  .tuple(fc.constantFrom(...accesses), fc.boolean(), scalar, fc.nat(MEMORY_BYTES - 1), imm)
  .map(([form, onStack, register, place, value]): Statement => {
    const bytes = bytesOf(form)
    const aligned = onStack || form.kind === 'atomic'
    const at = Math.min(aligned ? place - (place % bytes) : place, MEMORY_BYTES - bytes)
    const base = onStack ? STACK : MEMORY
    const insns = [accessInsn(form, base, register, onStack ? at - MEMORY_BYTES : at, value)]
    return { kind: 'insn', insns, access: onStack ? 'stack' : 'map_value' }
  })

const indexed: fc.Arbitrary<Statement> = fc
  .tuple(fc.constantFrom(...accesses), scalar, scalar, fc.constantFrom(7, 8, 24, 31, 48), fc.nat(8), imm)
  .map(([form, register, index, mask, off, value]): Statement => {
    const aligned = form.kind === 'atomic'
    return {
      kind: 'indexed',
      index,
      mask: aligned ? mask & ~7 : mask,
      insn: accessInsn(form, SCRATCH, register, aligned ? 0 : off, value),
    }
  })

const probe: fc.Arbitrary<Statement> = fc
  .tuple(fc.constantFrom(...formsOf('ldx')), scalar, fc.oneof(scalar, fc.constant(MEMORY)), fc.nat(MEMORY_BYTES - 8))
  .map(([form, register, base, off]): Statement => ({ kind: 'probe', insn: accessInsn(form, base, register, off, 0) }))

const packet: fc.Arbitrary<Statement> = fc
  .tuple(fc.constantFrom(...formsOf('ld_abs', 'ld_ind')), scalar, fc.integer({ min: -1, max: MEMORY_BYTES }), fresh)
  .map(([{ layout }, index, offset, values]): Statement => {
    const register = layout.src === 'free' ? index : 0
    return { kind: 'packet', insn: insn(layout.code, 0, register, 0, offset), fresh: values }
  })

const test: fc.Arbitrary<Insn> = fc
  .tuple(fc.constantFrom(...formsOf('jmp')), scalar, scalar, imm)
  .map(([form, dst, src, value]) => {
    const { layout } = form
    return insn(layout.code, dst, layout.src === 'free' ? src : 0, 0, layout.imm === 'free' ? value : 0)
  })

const map: fc.Arbitrary<Statement> = fc
  .record({
    map: fc.constantFrom('array' as const, 'hash' as const),
    op: fc.constantFrom('lookup' as const, 'lookup' as const, 'update' as const, 'delete' as const),
    key: fc.nat(5),
    value: scalar,
    flags: fc.constantFrom(0, 0, 1, 2),
    fresh,
  })
  .map((fields) => ({ kind: 'map', ...fields }))

const straight = fc.oneof(
  { arbitrary: computation, weight: 10 },
  { arbitrary: access, weight: 5 },
  { arbitrary: indexed, weight: 2 },
  { arbitrary: probe, weight: 1 },
)

const graph: fc.Arbitrary<Statement> = fc.record({
  kind: fc.constant('graph' as const),
  fuel: fc.integer({ min: 1, max: 40 }),
  blocks: fc.array(
    fc.record({ body: fc.array(straight, { maxLength: 3 }), test, taken: fc.nat(11), otherwise: fc.nat(11) }),
    { minLength: 2, maxLength: 8, size: 'max' },
  ),
})

/** Loops do not nest within one function: their counter is a register. */
const { inLoop, anywhere } = fc.letrec<{ inLoop: Statement; anywhere: Statement }>((tie) => {
  const block = (statement: fc.Arbitrary<unknown>): fc.Arbitrary<Statement[]> =>
    fc.array(statement as fc.Arbitrary<Statement>, { maxLength: 5, size: 'max' })
  const branches = (statement: fc.Arbitrary<unknown>): fc.Arbitrary<Statement>[] => [
    fc.record({ kind: fc.constant('if' as const), test, body: block(statement) }),
    fc.record({ kind: fc.constant('unless' as const), test, long: fc.boolean(), body: block(statement) }),
    fc.record({ kind: fc.constant('call' as const), callee: fc.nat(9), fresh }),
    map,
    packet,
  ]
  return {
    inLoop: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      { arbitrary: straight, weight: 8 },
      ...branches(tie('inLoop')),
    ),
    anywhere: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      { arbitrary: straight, weight: 8 },
      ...branches(tie('anywhere')),
      fc.record({
        kind: fc.constant('loop' as const),
        times: fc.integer({ min: 1, max: 4 }),
        mayGoto: fc.boolean(),
        body: block(tie('inLoop')),
      }),
      graph,
      fc.record({ kind: fc.constant('iterate' as const), callee: fc.nat(9), times: fc.nat(4), fresh }),
    ),
  }
})

const fuzzFunction = (isCallback: boolean): fc.Arbitrary<FuzzFunction> =>
  fc.record({
    isCallback: fc.constant(isCallback),
    initial: fc.array(imm, { minLength: 15, maxLength: 15 }),
    body: fc.array(isCallback ? inLoop : anywhere, { maxLength: 16, size: 'max' }),
  })

export const fuzzProgram: fc.Arbitrary<FuzzProgram> = fc.record({
  functions: fc
    .tuple(fuzzFunction(false), fc.array(fc.boolean().chain(fuzzFunction), { maxLength: 3, size: 'max' }))
    .map(([main, others]) => [main, ...others]),
  memory: fc.uint8Array({ minLength: MEMORY_BYTES, maxLength: MEMORY_BYTES }),
})

// ── Lowering ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Instructions of a program. They start with a main function that calls the first of the program's with r1 = its memory, and stores
 * the whole r0 behind the memory. `forLinux` leaves out what the real verifier would not take here: callbacks (they need BTF), packet
 * loads in functions, probes.
 */
export function lower(program: FuzzProgram, { forLinux = false } = {}): Lowered {
  const insns: Insn[] = []
  const kinds: AccessKind[] = []
  const starts: number[] = []
  /** Slots of calls and function references, with the function meant. */
  const references: { slot: number; callee: number }[] = []

  const emit = (...added: Insn[]): void => {
    for (const one of added) {
      insns.push(one)
      kinds.push('none')
    }
  }
  const emitAccess = (kind: AccessKind, one: Insn): void => {
    insns.push(one)
    kinds.push(kind)
  }
  const refer = (callee: number): void => {
    references.push({ slot: insns.length, callee })
  }
  const refresh = (values: readonly number[]): void => {
    emit(...values.map((value, i) => movImm(2 + i, value)))
  }

  /** A jump over `body`: its distance is filled in. */
  const over = (jump: Insn, field: 'off' | 'imm', body: () => void): void => {
    const at = insns.length
    emit(jump)
    body()
    insns[at] = { ...jump, [field]: insns.length - at - 1 }
  }

  function block(statements: readonly Statement[], self: number): void {
    for (const statement of statements) one(statement, self)
  }

  /** Functions call only later ones, so that nothing recurses. */
  const pick = (self: number, callee: number, isCallback: boolean): number | undefined => {
    const able = program.functions.flatMap((f, i) => (i > self && f.isCallback === isCallback ? [i] : []))
    return able.length > 0 ? able[callee % able.length] : undefined
  }

  function one(statement: Statement, self: number): void {
    switch (statement.kind) {
      case 'insn':
        for (const part of statement.insns) emitAccess(statement.access, part)
        break
      case 'indexed':
        emit(movReg(SCRATCH, statement.index))
        emit(insn(CLASS.alu64 | ALU.and.code, SCRATCH, 0, 0, statement.mask))
        emit(insn(CLASS.alu64 | ALU.add.code | SRC_X, SCRATCH, MEMORY, 0, 0))
        emitAccess('map_value', statement.insn)
        break
      case 'probe':
        if (!forLinux) emitAccess('probe', statement.insn)
        break
      case 'packet':
        if (forLinux) break
        // r6 is the context, which packet loads of a machine without a kernel do not look at.
        emit(statement.insn)
        refresh(statement.fresh)
        break
      case 'if':
        over(statement.test, 'off', () => block(statement.body, self))
        break
      case 'unless':
        emit({ ...statement.test, off: 1 })
        if (statement.long) over(GOTOL, 'imm', () => block(statement.body, self))
        else over(GOTO, 'off', () => block(statement.body, self))
        break
      case 'loop':
        loop(statement, self)
        break
      case 'graph':
        flow(statement, self)
        break
      case 'call': {
        const callee = pick(self, statement.callee, false)
        if (callee === undefined) break
        emit(movReg(SCRATCH, MEMORY))
        refer(callee)
        emit(insn(CLASS.jmp | JMP.call.code, 0, CALL.local, 0, 0))
        refresh(statement.fresh)
        break
      }
      case 'iterate': {
        const callee = pick(self, statement.callee, true)
        if (callee === undefined || forLinux) break
        emit(movImm(1, statement.times))
        refer(callee)
        emit(...wide(2, PSEUDO.func, 0))
        emit(movReg(3, MEMORY), movImm(4, 0), callHelper(181))
        refresh(statement.fresh)
        break
      }
      case 'map':
        mapCall(statement)
        break
    }
  }

  function loop({ times, mayGoto, body }: Extract<Statement, { kind: 'loop' }>, self: number): void {
    emit(movImm(COUNTER, times))
    const top = insns.length
    const round = (): void => {
      block(body, self)
      emit(addImm(COUNTER, -1))
      emit(insn(CLASS.jmp | JMP.jne.code, COUNTER, 0, top - insns.length - 1, 0))
    }
    if (mayGoto) over(insn(CLASS.jmp | JMP.jcond.code, 0, 0, 0, 0), 'off', round)
    else round()
  }

  function flow({ fuel, blocks }: Extract<Statement, { kind: 'graph' }>, self: number): void {
    // Linux's verifier follows every path.
    emit(movImm(COUNTER, forLinux ? Math.min(fuel, 5) : fuel))
    const at: number[] = []
    const jumps: { slot: number; to: number }[] = []
    const jump = (one: Insn, to: number): void => {
      jumps.push({ slot: insns.length, to })
      emit(one)
    }
    // Linux refuses blocks that nothing reaches.
    const reached = new Set([0])
    for (const i of reached) reached.add(blocks[i]!.taken % blocks.length).add(blocks[i]!.otherwise % blocks.length)
    blocks.forEach(({ body, test: branch, taken, otherwise }, i) => {
      if (!reached.has(i)) return
      at[i] = insns.length
      emit(addImm(COUNTER, -1))
      jump(insn(CLASS.jmp | JMP.jeq.code, COUNTER, 0, 0, 0), blocks.length)
      block(body, self)
      jump(branch, taken % blocks.length)
      jump(GOTO, otherwise % blocks.length)
    })
    at[blocks.length] = insns.length
    for (const { slot, to } of jumps) insns[slot] = { ...insns[slot]!, off: at[to]! - slot - 1 }
  }

  function mapCall({ map: which, op, key, value, flags, fresh: values }: Extract<Statement, { kind: 'map' }>): void {
    emitAccess('stack', insn(CLASS.st | MODE.mem | SIZE.w.code, STACK, 0, KEY_AT, key))
    emitAccess('stack', stx('dw', STACK, VALUE_AT, value))
    emit(...wide(1, PSEUDO.map_fd, FUZZ_MAPS[which]))
    emit(movReg(2, STACK), addImm(2, KEY_AT))
    if (op === 'update') emit(movReg(3, STACK), addImm(3, VALUE_AT), movImm(4, flags))
    emit(callHelper({ lookup: 1, update: 2, delete: 3 }[op]))
    if (op === 'lookup') {
      over(insn(CLASS.jmp | JMP.jeq.code, 0, 0, 0, 0), 'off', () => {
        emit(movImm(2, key + 1))
        emitAccess('map_value', insn(CLASS.stx | MODE.atomic | SIZE.dw.code, 0, 2, 0, ATOMIC.add.imm))
        emitAccess('map_value', ldx64(0, 0, 0))
      })
    }
    refresh(values)
  }

  function define({ isCallback, initial, body }: FuzzFunction, self: number): void {
    starts[self] = insns.length
    emit(movReg(MEMORY, isCallback ? 2 : 1))
    if (isCallback) emit(movReg(2, 1))
    // Arguments: r1 = memory and r2 to r5 of a function, r1 = index and r2 = memory of a callback.
    const given = isCallback || self === 0 ? [2] : [2, 3, 4, 5]
    SCALARS.forEach((register, i) => {
      if (!given.includes(register)) emit(movImm(register, initial[i]!))
    })
    for (let i = 0; i < 8; i++) {
      emitAccess('stack', insn(CLASS.st | MODE.mem | SIZE.dw.code, STACK, 0, -8 * (i + 1), initial[7 + i]!))
    }
    block(body, self)
    if (isCallback) emit(insn(CLASS.alu64 | ALU.and.code, 0, 0, 0, 1))
    emit(EXIT)
  }

  emit(...wide(1, PSEUDO.map_value, FUZZ_MAPS.memory), movImm(2, MEMORY_BYTES))
  refer(0)
  emit(insn(CLASS.jmp | JMP.call.code, 0, CALL.local, 0, 0))
  emit(...wide(1, PSEUDO.map_value, FUZZ_MAPS.memory))
  emitAccess('map_value', stx('dw', 1, MEMORY_BYTES, 0))
  emit(movImm(0, 0), EXIT)
  program.functions.forEach((f, i) => {
    // Linux refuses functions that nothing reaches.
    if (i === 0 || references.some(({ callee }) => callee === i)) define(f, i)
  })
  for (const { slot, callee } of references) insns[slot] = { ...insns[slot]!, imm: starts[callee]! - slot - 1 }
  return { insns, access: kinds }
}
