// What a stack slot holds at an instruction, when the store that filled it is near: keys of lookups are mostly written to the stack
// right before the call, and reading the register that was stored saves the way through memory. A store that nothing reads any more
// is not emitted at all.

import { unreachable } from '../../base/errors.ts'
import type { Form } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import { SIZE } from '../isa/opcodes.ts'
import type { AccessKind } from '../program.ts'
import type { Cfg } from './cfg.ts'
import type { Values } from './values.ts'

/** What fills a stack slot: the value of a web, or the immediate of a store. */
export type Source =
  | { readonly kind: 'web'; readonly web: number }
  | { readonly kind: 'constant'; readonly value: number }

export interface Code {
  readonly insns: readonly Insn[]
  readonly forms: readonly (Form | undefined)[]
  readonly access: readonly AccessKind[]
}

/** Helpers that write no memory of their caller: lookups, time, identity of task and CPU, ring buffer reservation. */
const READS_ONLY = new Set([1, 5, 7, 8, 14, 15, 35, 42, 125, 131, 195])
/** Slots looked at, backwards. */
const REACH = 24

/** Source of the `bytes` at r10 + `offset` as they are before `slot`; undefined when that is not plain. */
export function storedAt(
  code: Code,
  cfg: Cfg,
  values: Values,
  slot: number,
  offset: number,
  bytes: number,
): Source | undefined {
  const { insns, forms, access } = code
  const start = cfg.blocks[cfg.blockOf(slot)]!.start
  const redefined = new Set<number>()
  for (let at = slot - 1; at >= start && at > slot - REACH; at--) {
    const form = forms[at]
    if (!form) continue
    if (form.kind === 'stx' || form.kind === 'st') {
      const base = values.dst[at]!
      if (values.isInFrame(base)) {
        const first = values.frameOffset(base) + insns[at]!.off
        const size = SIZE[form.size].bytes
        if (first === offset && size === bytes) {
          if (form.kind === 'st') return { kind: 'constant', value: insns[at]!.imm }
          const web = values.src[at]!
          return redefined.has(web) ? undefined : { kind: 'web', web }
        }
        if (first < offset + bytes && offset < first + size) return undefined
      } else if (mayBeStack(access[at])) {
        return undefined
      }
    } else if (form.kind === 'atomic') {
      if (mayBeStack(access[at])) return undefined
    } else if (form.kind === 'call') {
      if (form.target !== 'helper' || !READS_ONLY.has(insns[at]!.imm)) return undefined
    }
    if (values.def[at]! >= 0) redefined.add(values.def[at]!)
  }
  return undefined
}

const mayBeStack = (access: AccessKind | undefined): boolean =>
  access !== 'map_value' && access !== 'packet' && access !== 'ctx' && access !== 'btf'

/** The key in the pieces in which it is read: of 8, 4, 2 and 1 bytes. */
export function pieces(size: number): { at: number; bytes: number }[] {
  const list: { at: number; bytes: number }[] = []
  let at = 0
  for (const bytes of [8, 4, 2, 1]) for (; at + bytes <= size; at += bytes) list.push({ at, bytes })
  return list
}

/** Whether every piece of the `size` bytes at r10 + `offset` comes from a register or an immediate at `slot`. */
export function isForwarded(code: Code, cfg: Cfg, values: Values, slot: number, offset: number, size: number): boolean {
  return pieces(size).every(
    ({ at, bytes }) => bytes >= 4 && storedAt(code, cfg, values, slot, offset + at, bytes) !== undefined,
  )
}

/**
 * Slots of the stores to the stack frame that nothing reads: no load, no call, no address that gets out of sight. `keyBytes` gives
 * the size of the key of a lookup that is inlined, 0 for every other call.
 */
export function deadStores(code: Code, cfg: Cfg, values: Values, keyBytes: (slot: number) => number): Set<number> {
  const { insns, forms } = code
  const reads: [number, number][] = []
  const stores: [number, number, number][] = []
  for (const block of cfg.blocks) {
    for (let slot = block.start; slot < block.end; slot++) {
      const form = forms[slot]
      if (!form) continue
      const [dst, src] = [values.dst[slot]!, values.src[slot]!]
      const inFrame = (web: number): boolean => web >= 0 && values.isInFrame(web)
      switch (form.kind) {
        case 'ldx':
          if (inFrame(src)) reads.push([values.frameOffset(src) + insns[slot]!.off, SIZE[form.size].bytes])
          break
        case 'st':
        case 'stx':
          if (inFrame(src)) return new Set()
          if (inFrame(dst)) stores.push([slot, values.frameOffset(dst) + insns[slot]!.off, SIZE[form.size].bytes])
          break
        case 'call': {
          const key = values.args.get(slot)![1] ?? -1
          const size = keyBytes(slot)
          const isKey = size > 0 && inFrame(key)
          for (const web of values.args.get(slot)!) if (inFrame(web) && !(isKey && web === key)) return new Set()
          if (isKey && !isForwarded(code, cfg, values, slot, values.frameOffset(key), size)) {
            reads.push([values.frameOffset(key), size])
          }
          break
        }
        case 'alu':
        case 'mov':
        case 'movsx':
        case 'neg':
        case 'end':
        case 'addr_space_cast':
        case 'mov_percpu':
          if ((inFrame(dst) || inFrame(src)) && !inFrame(values.def[slot]!)) return new Set()
          break
        case 'atomic':
          if (inFrame(dst) || inFrame(src)) return new Set()
          break
        case 'exit':
          if (inFrame(values.r0[slot]!)) return new Set()
          break
        case 'jmp':
        case 'ja':
        case 'gotol':
        case 'may_goto':
        case 'ld_imm64':
        case 'ld_abs':
        case 'ld_ind':
          break
        default:
          unreachable(form)
      }
    }
  }
  const isRead = (offset: number, bytes: number): boolean =>
    reads.some(([first, size]) => first < offset + bytes && offset < first + size)
  return new Set(stores.filter(([, offset, bytes]) => !isRead(offset, bytes)).map(([slot]) => slot))
}
