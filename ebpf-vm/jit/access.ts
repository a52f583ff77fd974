// Loads, stores and atomic operations. A proved access is one WebAssembly access: the low half of the address is the offset in
// memory. A probe looks at the whole address and reads 0 (or writes nothing) where nothing is mapped; an access without a proof
// is checked in the same way and stops the program.

import { InternalError } from '../../base/errors.ts'
import { KERNEL_HI, PAGE_SIZE } from '../../base/memory.ts'
import type { FormOf } from '../isa/forms.ts'
import { SIZE, type SizeName } from '../isa/opcodes.ts'
import type { AccessKind } from '../program.ts'
import type { Emitter } from './emitter.ts'
import { SIGNED } from './kinds.ts'
import { needsCheck } from './values.ts'
import { I32, I64, type OpName, type ValueType } from './wasm.ts'

const LOAD32: Record<SizeName, { unsigned: OpName; signed: OpName }> = {
  b: { unsigned: 'i32_load8_u', signed: 'i32_load8_s' },
  h: { unsigned: 'i32_load16_u', signed: 'i32_load16_s' },
  w: { unsigned: 'i32_load', signed: 'i32_load' },
  // The low half of a 64-bit value.
  dw: { unsigned: 'i32_load', signed: 'i32_load' },
}
const LOAD64: Record<SizeName, { unsigned: OpName; signed: OpName }> = {
  b: { unsigned: 'i64_load8_u', signed: 'i64_load8_s' },
  h: { unsigned: 'i64_load16_u', signed: 'i64_load16_s' },
  w: { unsigned: 'i64_load32_u', signed: 'i64_load32_s' },
  dw: { unsigned: 'i64_load', signed: 'i64_load' },
}
const STORE32: Record<Exclude<SizeName, 'dw'>, OpName> = { b: 'i32_store8', h: 'i32_store16', w: 'i32_store' }
const STORE64: Record<SizeName, OpName> = { b: 'i64_store8', h: 'i64_store16', w: 'i64_store32', dw: 'i64_store' }

/** Load of this many bytes, zero-extended: into an i64 for 8, else into an i32. */
export const loadOf = (bytes: number): OpName =>
  bytes === 8 ? 'i64_load' : bytes === 4 ? 'i32_load' : bytes === 2 ? 'i32_load16_u' : 'i32_load8_u'

/** Store of this many bytes, of an i64 for 8, else of an i32. */
export const storeOf = (bytes: number): OpName =>
  bytes === 8 ? 'i64_store' : bytes === 4 ? 'i32_store' : bytes === 2 ? 'i32_store16' : 'i32_store8'

/** An address ready to be pushed: what goes on the stack, and the constant part of the access. */
interface Place {
  push(): void
  readonly offset: number
}

/** The place at the web's address + `off`. Nothing is checked. */
export function placeOf(e: Emitter, web: number, off: number): Place {
  const { code, values } = e
  if (values.isInFrame(web)) {
    e.unit.usesStack = true
    const distance = e.frameDistance(values.frameOffset(web) + off)
    if (distance >= 0) return { push: () => code.get(e.unit.sp), offset: distance }
  } else if (values.isConstant(web)) {
    const at = values.constantLo(web) + off
    if (at >= 0) return { push: () => code.i32(0), offset: at }
  }
  const bias = e.bias(web)
  if (bias + off >= 0 && bias !== 0) return { push: () => code.get(e.localOf(web)), offset: bias + off }
  if (off >= 0) return { push: () => e.get32(web), offset: off }
  return {
    push: () => {
      e.get32(web)
      code.i32(off)
      code.op('i32_add')
    },
    offset: 0,
  }
}

/** Push whether the `bytes` at the web's address + `off` are mapped; the whole address stays in the scratch local `address`. */
function emitCheck(e: Emitter, web: number, off: number, bytes: number): number {
  const { code } = e
  const address = e.scratch('address', I64)
  e.get64(web)
  if (off !== 0) {
    code.i64(off, off >> 31)
    code.op('i64_add')
  }
  code.tee(address)
  code.i64(PAGE_SIZE, KERNEL_HI)
  code.op('i64_sub')
  code.i64(e.compiler.machine.mem.sizeBytes - PAGE_SIZE - bytes, 0)
  code.op('i64_le_u')
  return address
}

/** The place of an access that stops the program when nothing is mapped there. */
function checkedPlace(e: Emitter, slot: number, web: number, off: number, bytes: number): Place {
  const { code } = e
  const address = emitCheck(e, web, off, bytes)
  code.op('i32_eqz')
  code.open('if')
  code.i32(slot)
  code.get(address)
  code.op('i32_wrap_i64')
  code.get(address)
  code.i64(32, 0)
  code.op('i64_shr_u')
  code.op('i32_wrap_i64')
  code.call(e.compiler.imported('fault'))
  code.op('unreachable')
  code.end()
  return {
    push: () => {
      code.get(address)
      code.op('i32_wrap_i64')
    },
    offset: 0,
  }
}

/** Accesses that may miss: a load gives 0, a store is dropped. */
const mayMiss = (access: AccessKind): boolean => access === 'probe' || access === 'btf' || access === 'arena'

const accessKind = (e: Emitter, slot: number): AccessKind => e.compiler.program.access[slot] ?? 'unproved'

/** Push whether an access that may miss finds its memory; the local that it returns holds the address then. */
function emitMayMiss(e: Emitter, access: AccessKind, web: number, off: number, bytes: number): number {
  return access === 'arena' ? emitArenaCheck(e, web, off, bytes) : emitCheck(e, web, off, bytes)
}

/** The same for an address in the arena: its low word counts from that of the arena, and the pages it touches must be there. */
function emitArenaCheck(e: Emitter, web: number, off: number, bytes: number): number {
  const { code } = e
  const arena = e.compiler.arena
  const address = e.scratch('address', I64)
  const index = e.scratch('index', I64)
  e.get32(web)
  code.i32(0)
  code.access('i32_load', arena.origin)
  code.op('i32_sub')
  code.op('i64_extend_i32_u')
  code.i64(off, off >> 31)
  code.op('i64_add')
  code.tee(index)
  code.i64(arena.data, 0)
  code.op('i64_add')
  code.set(address)
  code.get(index)
  const last = arena.maxEntries * PAGE_SIZE - bytes
  code.i64(last | 0, Math.floor(last / 0x1_0000_0000))
  code.op('i64_le_u')
  code.openIf(I32)
  for (const at of bytes === 1 ? [0] : [0, bytes - 1]) {
    code.get(index)
    code.i64(at, 0)
    code.op('i64_add')
    code.i64(12, 0)
    code.op('i64_shr_u')
    code.op('i32_wrap_i64')
    code.access('i32_load8_u', arena.present)
    if (at > 0) code.op('i32_and')
  }
  code.else()
  code.i32(0)
  code.end()
  return address
}

export function emitLoad(
  e: Emitter,
  slot: number,
  form: FormOf<'ldx'> | (FormOf<'atomic'> & { op: 'load_acquire' }),
): void {
  const { code, values } = e
  const def = values.def[slot]!
  const web = values.src[slot]!
  const { off } = e.insn(slot)
  const access = accessKind(e, slot)
  const type = e.typeOf(def)
  const isSigned = form.kind === 'ldx' && form.signed
  const op = (type === I32 ? LOAD32 : LOAD64)[form.size][isSigned ? 'signed' : 'unsigned']
  const { bytes } = SIZE[form.size]
  if (mayMiss(access)) {
    const address = emitMayMiss(e, access, web, off, bytes)
    code.openIf(type)
    code.get(address)
    code.op('i32_wrap_i64')
    code.access(op, 0)
    code.else()
    if (type === I32) code.i32(0)
    else code.i64(0, 0)
    code.end()
  } else {
    const place = needsCheck(access) ? checkedPlace(e, slot, web, off, bytes) : placeOf(e, web, off)
    place.push()
    code.access(op, place.offset)
  }
  e.put(def, type, isSigned ? SIGNED : 64)
}

export function emitStore(
  e: Emitter,
  slot: number,
  form: FormOf<'st' | 'stx'> | (FormOf<'atomic'> & { op: 'store_release' }),
): void {
  if (e.info.deadStores.has(slot)) return
  const { code, values } = e
  const web = values.dst[slot]!
  const insn = e.insn(slot)
  const src = form.kind === 'st' ? -1 : values.src[slot]!
  const access = accessKind(e, slot)
  const { bytes } = SIZE[form.size]
  const store = (place: Place): void => {
    place.push()
    if (form.size === 'dw') {
      if (src < 0) code.i64(insn.imm, insn.imm >> 31)
      else e.get64(src)
      code.access('i64_store', place.offset)
    } else if (src >= 0 && e.typeOf(src) === I64 && !e.isImplicit(src)) {
      code.get(e.localOf(src))
      code.access(STORE64[form.size], place.offset)
    } else {
      if (src < 0) code.i32(insn.imm)
      else e.get32(src)
      code.access(STORE32[form.size], place.offset)
    }
  }
  if (mayMiss(access)) {
    const address = emitMayMiss(e, access, web, insn.off, bytes)
    code.open('if')
    store({
      push: () => {
        code.get(address)
        code.op('i32_wrap_i64')
      },
      offset: 0,
    })
    code.end()
  } else {
    store(needsCheck(access) ? checkedPlace(e, slot, web, insn.off, bytes) : placeOf(e, web, insn.off))
  }
}

const COMBINE = { add: 'add', or: 'or', and: 'and', xor: 'xor' } as const

/** A simulated CPU runs nothing beside the program: an atomic operation is a load, the operation and a store. */
export function emitAtomic(e: Emitter, slot: number, form: FormOf<'atomic'>): void {
  if (form.op === 'load_acquire') {
    emitLoad(e, slot, form as FormOf<'atomic'> & { op: 'load_acquire' })
    return
  }
  if (form.op === 'store_release') {
    emitStore(e, slot, form as FormOf<'atomic'> & { op: 'store_release' })
    return
  }
  const { code, values } = e
  const access = accessKind(e, slot)
  if (access === 'probe' || access === 'btf')
    throw new InternalError(`atomic operation through a ${access} pointer at slot ${slot}`)
  const insn = e.insn(slot)
  const web = values.dst[slot]!
  const src = values.src[slot]!
  const def = values.def[slot]!
  const type: ValueType = form.size === 'w' ? I32 : I64
  const { bytes } = SIZE[form.size]
  const name = form.op.replace('fetch_', '')
  if (access === 'arena') {
    // Where the page is missing, nothing happens: the destination keeps what it held.
    if (def >= 0) {
      e.get(name === 'cmpxchg' ? values.r0[slot]! : src, type)
      e.put(def, type, 32)
    }
    const address = emitArenaCheck(e, web, insn.off, bytes)
    code.open('if')
    emitReadModifyWrite(e, slot, form, name, {
      push: () => {
        code.get(address)
        code.op('i32_wrap_i64')
      },
      offset: 0,
    })
    code.end()
    return
  }
  const place = needsCheck(access) ? checkedPlace(e, slot, web, insn.off, bytes) : placeOf(e, web, insn.off)
  emitReadModifyWrite(e, slot, form, name, place)
}

function emitReadModifyWrite(e: Emitter, slot: number, form: FormOf<'atomic'>, name: string, place: Place): void {
  const { code, values } = e
  const src = values.src[slot]!
  const def = values.def[slot]!
  const type: ValueType = form.size === 'w' ? I32 : I64
  const load: OpName = type === I32 ? 'i32_load' : 'i64_load'
  const store: OpName = type === I32 ? 'i32_store' : 'i64_store'
  if (def < 0) {
    place.push()
    place.push()
    code.access(load, place.offset)
    e.get(src, type)
    code.op(`${type === I32 ? 'i32' : 'i64'}_${COMBINE[name as keyof typeof COMBINE]}`)
    code.access(store, place.offset)
    return
  }
  const old = e.scratch('old', type)
  place.push()
  code.access(load, place.offset)
  code.set(old)
  if (name === 'cmpxchg') {
    code.get(old)
    e.get(values.r0[slot]!, type)
    code.op(type === I32 ? 'i32_eq' : 'i64_eq')
    code.open('if')
    place.push()
    e.get(src, type)
    code.access(store, place.offset)
    code.end()
  } else {
    place.push()
    if (name !== 'xchg') code.get(old)
    e.get(src, type)
    if (name !== 'xchg') code.op(`${type === I32 ? 'i32' : 'i64'}_${COMBINE[name as keyof typeof COMBINE]}`)
    code.access(store, place.offset)
  }
  code.get(old)
  e.put(def, type, 32)
}

/** The kernel's address of a place in the arena is its low word; user space's has the arena's high word, but for NULL. */
export function emitCast(e: Emitter, slot: number, form: FormOf<'addr_space_cast'>): void {
  const { code, values } = e
  const def = values.def[slot]!
  e.get32(values.src[slot]!)
  if (form.to === 'kernel') {
    e.put(def, I32, 32)
    return
  }
  const low = e.scratch('low', I32)
  code.tee(low)
  code.op('i64_extend_i32_u')
  code.i32(0)
  code.access('i64_load32_u', e.compiler.arena.origin + 4)
  code.i64(32, 0)
  code.op('i64_shl')
  code.op('i64_or')
  code.i64(0, 0)
  code.get(low)
  code.op('select')
  e.put(def, I64, 64)
}
