// Calls: subprograms (inlined when small), helpers (inlined by inline.ts, else imported), tail calls, legacy packet loads, exit.

import { InternalError, unreachable } from '../../base/errors.ts'
import { BPF_FUNC_TAIL_CALL, type HelperImpl } from '../helper.ts'
import type { FormOf } from '../isa/forms.ts'
import { MAX_TAIL_CALLS, SIZE } from '../isa/opcodes.ts'
import { HELPER_COST_NS, Machine } from '../machine.ts'
import { ProgArray } from '../maps/references.ts'
import { Emitter } from './emitter.ts'
import { INLINE } from './inline.ts'
import { isNarrow, type Kind, OR_NULL, SIGNED, UNKNOWN } from './kinds.ts'
import { I32, I64, type ValueType } from './wasm.ts'

/** Kind of r0 behind a helper, by what it gives. */
export const GIVES_KIND: Record<HelperImpl['gives'], Kind> = {
  void: 0,
  s32: SIGNED,
  u32: 32,
  ptr: OR_NULL,
  u64: UNKNOWN,
}

/** WebAssembly type of a subprogram's result. */
export const resultType = (kind: Kind): ValueType => (isNarrow(kind) ? I32 : I64)

export function emitCall(e: Emitter, slot: number, form: FormOf<'call'>): void {
  switch (form.target) {
    case 'local':
      emitLocalCall(e, slot)
      break
    case 'helper':
      emitHelper(e, slot)
      break
    case 'kfunc': {
      const name = e.compiler.program.kfuncs.get(slot)?.name ?? ''
      const impl = e.compiler.machine.tables.kfuncs.get(name)
      if (!impl) throw new InternalError(`kfunc ${name || e.insn(slot).imm} at slot ${slot} is not implemented`)
      emitImported(e, slot, impl, `kfunc ${name}`)
      break
    }
    default:
      unreachable(form.target)
  }
}

function emitLocalCall(e: Emitter, slot: number): void {
  const { code, values, compiler } = e
  const callee = compiler.calleeAt(slot)
  const frame = e.frame + e.info.sub.stackBytes
  const args = values.args.get(slot)!
  const def = values.def[slot]!
  const type = resultType(callee.result)
  const shape = compiler.callShape(slot)
  if (!callee.inline) {
    e.unit.usesStack = true
    code.get(e.unit.sp)
    code.i32(frame)
    code.op('i32_add')
    shape.args.forEach(({ register }, i) => {
      e.get(args[i]!, callee.values.types[callee.values.inputs[register]!]!)
    })
    // The callee collects time of its own and may look at the clock.
    e.flushCharge()
    code.call(compiler.functionOf(callee))
    e.put(def, type, callee.result)
    return
  }
  const result = code.local(type)
  const label = code.open('block')
  const inner = new Emitter(compiler, callee, e.unit, frame, { kind: 'inline', label, result, type })
  // All arguments are read before any is written: they may come from the same locals only in another instance of this callee.
  shape.args.forEach(({ register }, i) => {
    const web = callee.values.inputs[register]!
    e.get(args[i]!, inner.typeOf(web))
    code.set(inner.localOf(web))
  })
  compiler.emitBody(inner)
  code.end()
  code.get(result)
  e.put(def, type, callee.result)
}

function emitHelper(e: Emitter, slot: number): void {
  const { imm } = e.insn(slot)
  if (imm === BPF_FUNC_TAIL_CALL) {
    emitTailCall(e, slot)
    return
  }
  const impl = e.compiler.machine.tables.helpers.get(imm)
  if (!impl) throw new InternalError(`helper ${imm} at slot ${slot} is not implemented`)
  if (e.compiler.inlines && INLINE.get(imm)?.(e, slot, impl)) return
  emitImported(e, slot, impl, `helper ${imm}`)
}

/** Call an implementation in JavaScript: words in, one word out (helper.ts). */
function emitImported(e: Emitter, slot: number, impl: HelperImpl, name: string): void {
  const { code, values, compiler } = e
  e.charge(impl.costNs ?? HELPER_COST_NS)
  e.prepareCallOut()
  const args = values.args.get(slot)!
  impl.takes.forEach((takes, i) => {
    const web = args[i]!
    if (takes === 'func') {
      if (values.isConstant(web)) code.i32(Machine.slotOfAddress(values.constantLo(web)))
      else {
        e.get32(web)
        code.i32(Machine.addressOf(0))
        code.op('i32_sub')
        code.i32(12)
        code.op('i32_shr_u')
      }
      return
    }
    e.get32(web)
    if (takes !== 'u64') return
    e.getHigh(web)
  })
  code.call(compiler.imported(name))
  const def = values.def[slot]!
  if (impl.gives === 'u64') {
    code.op('drop')
    code.i32(0)
    code.access('i64_load', compiler.machine.cells.result)
    e.put(def, I64, UNKNOWN)
  } else if (impl.gives === 'void') {
    code.op('drop')
    code.i32(0)
    e.put(def, I32, 0)
  } else {
    e.put(def, I32, GIVES_KIND[impl.gives])
  }
}

/**
 * bpf_tail_call: the program in the array's slot runs in place of this function and its result is ours. Falls through when there is
 * none, or too many were entered this way.
 */
function emitTailCall(e: Emitter, slot: number): void {
  const { code, values, compiler } = e
  const { cells } = compiler.machine
  const [context, mapWeb, index] = values.args.get(slot) as [number, number, number]
  const map = compiler.mapOf(slot, mapWeb)
  e.charge(HELPER_COST_NS)
  const target = e.scratch('target', I32)
  code.open('block')
  const out = code.depth
  if (map instanceof ProgArray) {
    e.get32(index)
    code.i32(map.maxEntries)
    code.op('i32_ge_u')
    code.brIf(out)
    e.get32(index)
    code.i32(3)
    code.op('i32_shl')
    code.access('i32_load', map.data)
    code.tee(target)
    code.op('i32_eqz')
    code.brIf(out)
    code.get(target)
    code.i32(Machine.addressOf(0))
    code.op('i32_sub')
    code.i32(12)
    code.op('i32_shr_u')
    code.set(target)
  } else {
    e.get32(mapWeb)
    e.get32(index)
    code.call(compiler.imported('programSlot'))
    code.tee(target)
    code.op('i32_eqz')
    code.brIf(out)
  }
  code.i32(0)
  code.access('i32_load', cells.tailCalls)
  code.i32(MAX_TAIL_CALLS)
  code.op('i32_ge_s')
  code.brIf(out)
  code.i32(0)
  code.i32(0)
  code.access('i32_load', cells.tailCalls)
  code.i32(1)
  code.op('i32_add')
  code.access('i32_store', cells.tailCalls)
  e.flushCharge()
  e.unit.usesStack = true
  // Our own frame is given up.
  code.i32(0)
  code.get(e.unit.sp)
  code.i32(e.frame)
  code.op('i32_add')
  code.access('i32_store', cells.stackTop)
  e.get32(context)
  code.get(target)
  compiler.module.usesTable = true
  code.callIndirect(compiler.module.type([I32], [I32]))
  e.leaveWithResult()
  code.end()
  code.i32(0)
  e.put(values.def[slot]!, I32, 0)
}

/** LD | ABS and LD | IND: outside of the packet the function ends with r0 = 0. */
export function emitPacketLoad(e: Emitter, slot: number, form: FormOf<'ld_abs' | 'ld_ind'>): void {
  const { code, values, compiler } = e
  if (!compiler.machine.tables.loadPacket) throw new InternalError('legacy packet load, but this kernel has no packets')
  const { imm } = e.insn(slot)
  e.prepareCallOut()
  e.get32(values.dst[slot]!)
  if (form.kind === 'ld_ind') {
    e.get32(values.src[slot]!)
    code.i32(imm)
    code.op('i32_add')
  } else {
    code.i32(imm)
  }
  code.i32(SIZE[form.size].bytes)
  code.call(compiler.imported('loadPacket'))
  e.put(values.def[slot]!, I32, 32)
  // The import leaves 1 in the result's high half when nothing was there.
  code.i32(0)
  code.access('i32_load', compiler.machine.cells.resultHi)
  code.open('if')
  e.leaveWithZero()
  code.end()
}
