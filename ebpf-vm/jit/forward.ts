// What a stack slot holds at an instruction, when the store that filled it is near: keys and values of helpers are mostly written to
// the stack right before the call, and reading the register that was stored saves the way through memory.

import { SIZE } from '../isa/opcodes.ts'
import type { Emitter } from './emitter.ts'
import { I32, I64, type ValueType } from './wasm.ts'

type Source = { readonly kind: 'web'; readonly web: number } | { readonly kind: 'constant'; readonly value: number }

/** Helpers that write no memory of their caller: lookups, time, identity of task and CPU, ring buffer reservation. */
const READS_ONLY = new Set([1, 5, 7, 8, 14, 15, 35, 42, 125, 131, 195])
/** Slots looked at, backwards. */
const REACH = 24

/** Source of the `bytes` at r10 + `offset` as they are before `slot`; undefined when that is not plain. */
function stored(e: Emitter, slot: number, offset: number, bytes: number): Source | undefined {
  const { forms, program } = e.compiler
  const start = blockStart(e, slot)
  const redefined = new Set<number>()
  for (let at = slot - 1; at >= start && at > slot - REACH; at--) {
    const form = forms[at]
    if (!form) continue
    if (form.kind === 'stx' || form.kind === 'st') {
      const base = e.values.dst[at]!
      if (e.values.isInFrame(base)) {
        const first = e.values.frameOffset(base) + e.insn(at).off
        const size = SIZE[form.size].bytes
        if (first === offset && size === bytes) {
          if (form.kind === 'st') return { kind: 'constant', value: e.insn(at).imm }
          const web = e.values.src[at]!
          return redefined.has(web) ? undefined : { kind: 'web', web }
        }
        if (first < offset + bytes && offset < first + size) return undefined
      } else if (mayBeStack(program.access[at])) {
        return undefined
      }
    } else if (form.kind === 'atomic') {
      if (mayBeStack(program.access[at])) return undefined
    } else if (form.kind === 'call') {
      if (form.target !== 'helper' || !READS_ONLY.has(e.insn(at).imm)) return undefined
    }
    if (e.values.def[at]! >= 0) redefined.add(e.values.def[at]!)
  }
  return undefined
}

const mayBeStack = (access: string | undefined): boolean =>
  access !== 'map_value' && access !== 'packet' && access !== 'ctx' && access !== 'btf'

function blockStart(e: Emitter, slot: number): number {
  for (const block of e.info.cfg.blocks) if (slot >= block.start && slot < block.end) return block.start
  return slot
}

/**
 * Pushes parts of what the pointer `web` points to at `slot`: from the register that was stored there where that is known, else from
 * memory. `at` and the size are in bytes.
 */
export class Pointee {
  readonly #e: Emitter
  readonly #web: number
  readonly #slot: number

  constructor(e: Emitter, slot: number, web: number) {
    this.#e = e
    this.#web = web
    this.#slot = slot
  }

  #source(at: number, bytes: number): Source | undefined {
    const { values } = this.#e
    if (!values.isInFrame(this.#web)) return undefined
    return stored(this.#e, this.#slot, values.frameOffset(this.#web) + at, bytes)
  }

  /** Push `bytes` (1, 2, 4 as i32, 8 as i64) from byte `at` on. */
  push(at: number, bytes: number): void {
    const { code } = this.#e
    const type: ValueType = bytes === 8 ? I64 : I32
    const source = this.#source(at, bytes)
    if (source && (bytes === 4 || bytes === 8)) {
      if (source.kind === 'web') this.#e.get(source.web, type)
      else if (type === I32) code.i32(source.value)
      else code.i64(source.value, source.value >> 31)
      return
    }
    this.#e.address(this.#web, at, (offset) => {
      if (bytes === 8) code.access('i64_load', offset)
      else code.access(bytes === 4 ? 'i32_load' : bytes === 2 ? 'i32_load16_u' : 'i32_load8_u', offset)
    })
  }
}
