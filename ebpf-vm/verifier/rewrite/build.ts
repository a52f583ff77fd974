// From a verified program to one that runs: dead code out, map references as addresses, context accesses as loads of the kernel's own
// structs. Each original instruction becomes zero or more new ones; jumps are laid again at the end.

import { Layouts } from '../../../base/layouts.ts'
import { type Insn, isKfuncCall, isLdImm64, isLocalCall } from '../../isa/insn.ts'
import { CLASS, JMP, MODE, PSEUDO } from '../../isa/opcodes.ts'
import type { AccessKind, CallFacts, Subprogram, VerifiedProgram } from '../../program.ts'
import type { Env } from '../env.ts'
import { findKfunc } from '../lookup.ts'
import { convertContext } from './context.ts'

const KERNEL_HI = 0xffff8880 | 0

/** New instructions of one original; `target` is the original index that its (last) jump goes to. */
interface Unit {
  readonly insns: Insn[]
  readonly access: AccessKind
  /** A context access: its first load is of the context, those behind it follow pointers of the kernel. */
  readonly converted?: boolean
  readonly target: number
}

const isAccess = ({ code }: Insn): boolean => (code & 7) >= CLASS.ldx && (code & 7) <= CLASS.stx

const jumpsTo = (insn: Insn, at: number): number => {
  const cls = insn.code & 7
  if (cls !== CLASS.jmp && cls !== CLASS.jmp32) return -1
  const op = insn.code & 0xf0
  if (op === JMP.exit.code || op === JMP.call.code) return -1
  return at + 1 + (insn.code === (CLASS.jmp32 | JMP.ja.code) ? insn.imm : insn.off)
}

export function buildProgram(env: Env): VerifiedProgram {
  const { insns } = env
  const count = insns.length
  const layouts = env.facts.btf ? new Layouts(env.facts.btf) : undefined
  const units: (Unit | undefined)[] = new Array(count).fill(undefined)
  let unsupported: string | undefined
  for (let i = 0; i < count; i++) {
    if (!isLive(env, i)) continue
    const wide = isLdImm64(insns[i]!)
    const made = unitOf(env, i, layouts)
    if (typeof made === 'string') {
      unsupported ??= made
      units[i] = { insns: [insns[i]!], access: 'unproved', target: -1 }
    } else units[i] = made
    if (wide) i++
  }
  // Where each original instruction starts now; removed ones continue at what follows them.
  const starts = new Int32Array(count + 1)
  let at = 0
  for (let i = 0; i < count; i++) {
    starts[i] = at
    at += units[i]?.insns.length ?? 0
  }
  starts[count] = at
  const out: Insn[] = []
  const access: AccessKind[] = []
  const originalIndex: number[] = []
  const calls = new Map<number, CallFacts>()
  const kfuncs = new Map<number, { name: string; module?: string }>()
  for (let i = 0; i < count; i++) {
    const unit = units[i]
    if (!unit) continue
    unit.insns.forEach((insn, k) => {
      const slot = out.length
      const isLast = k === unit.insns.length - 1
      let placed = { ...insn }
      if (isLast && unit.target >= 0) {
        const distance = starts[unit.target]! - slot - 1
        if (placed.code === (CLASS.jmp32 | JMP.ja.code)) placed.imm = distance
        else if (placed.code === (CLASS.jmp | JMP.ja.code) && (distance > 0x7fff || distance < -0x8000))
          placed = { ...placed, code: CLASS.jmp32 | JMP.ja.code, off: 0, imm: distance }
        else placed.off = distance
      }
      if (isLocalCall(placed)) placed.imm = starts[i + 1 + insns[i]!.imm]! - slot - 1
      out.push(placed)
      if (unit.converted) access.push(isAccess(insn) ? (unit.insns.findIndex(isAccess) === k ? 'ctx' : 'btf') : 'none')
      else access.push(isLast && insn.code !== 0 ? unit.access : 'none')
      originalIndex.push(i)
    })
    const facts = env.proofs.calls.get(i)
    if (facts) calls.set(out.length - 1, facts)
    const kfunc = isKfuncCall(insns[i]!) && insns[i]!.imm !== 0 ? findKfunc(env, insns[i]!) : undefined
    if (kfunc)
      kfuncs.set(
        out.length - 1,
        kfunc.module === undefined ? { name: kfunc.name } : { name: kfunc.name, module: kfunc.module },
      )
  }
  const { input } = env
  return {
    name: input.name,
    type: input.type,
    expectedAttachType: input.expectedAttachType,
    insns: out,
    access,
    calls,
    subprograms: env.subprogs.map(
      (subprog): Subprogram => ({
        name: subprog.name,
        start: starts[subprog.start]!,
        end: starts[subprog.end]!,
        stackBytes: subprog.stackDepth,
        isCallback: subprog.isCallback,
        isAsyncCallback: subprog.isAsyncCallback,
        isExceptionCallback: subprog.isExceptionCallback,
      }),
    ),
    maps: env.usedMaps,
    kfuncs,
    gplCompatible: env.gpl,
    sleepable: env.sleepable,
    hasTailCall: env.subprogs.some((subprog) => subprog.hasTailCall),
    maxCtxOffset: env.maxCtxOffset,
    attachBtfId: input.attachBtfId ?? 0,
    attachModule: input.attachModule,
    btf: input.btf,
    funcInfo: input.funcInfo,
    lineInfo: input.lineInfo,
    original: input.insns,
    originalIndex,
    unsupported,
  }
}

/** Seen by some path that is not only speculative; unprivileged programs keep all their code. */
function isLive(env: Env, at: number): boolean {
  return env.aux.seen[at] === 1
}

function unitOf(env: Env, i: number, layouts: Layouts | undefined): Unit | string {
  const insn = env.insns[i]!
  if (isLdImm64(insn)) return { insns: immediate(env, i), access: 'none', target: -1 }
  const kinds = env.proofs.access.get(i)
  const access: AccessKind = kinds ? (kinds.size === 1 ? [...kinds][0]! : 'unproved') : 'none'
  const target = jumpsTo(insn, i)
  if (target >= 0) {
    const isConditional = (insn.code & 0xf0) !== JMP.ja.code && (insn.code & 0xf0) !== JMP.jcond.code
    if (isConditional && env.aux.seen[target] === 0) return { insns: [], access: 'none', target: -1 }
    const isAlways = !isConditional ? (insn.code & 0xf0) === JMP.ja.code : env.aux.seen[i + 1] === 0
    if (isAlways && onlyDeadBetween(env, i + 1, target)) return { insns: [], access: 'none', target: -1 }
    if (isConditional && env.aux.seen[i + 1] === 0)
      return {
        insns: [{ code: CLASS.jmp | JMP.ja.code, dst: 0, src: 0, off: 0, imm: 0 }],
        access: 'none',
        target,
      }
    return { insns: [insn], access, target }
  }
  if (access === 'ctx' && (insn.code & 0xe0) !== MODE.atomic) {
    const made = convertContext(env, insn, env.proofs.contextLoads.get(i), layouts)
    if (typeof made === 'string') return made
    return { insns: made, access, converted: true, target: -1 }
  }
  return { insns: [insn], access, target: -1 }
}

/** A jump over nothing but removed code. */
function onlyDeadBetween(env: Env, from: number, to: number): boolean {
  if (to < from) return false
  for (let i = from; i < to; i++) if (isLive(env, i)) return false
  return true
}

/** Maps and map values as addresses; functions by the index of their subprogram; the rest as it is. */
function immediate(env: Env, i: number): Insn[] {
  const first = env.insns[i]!
  const second = env.insns[i + 1]!
  const constant = (L: number, H: number): Insn[] => [
    { ...first, src: 0, imm: L },
    { ...second, imm: H },
  ]
  const found = env.immediates.get(i)
  switch (found?.kind) {
    case 'map':
      return constant(found.map.address, found.map.address === 0 ? 0 : KERNEL_HI)
    case 'map_value': {
      const { directValue } = found.map
      return constant(directValue + found.offset, directValue === 0 ? 0 : KERNEL_HI)
    }
    case 'func':
      return [{ ...first, src: PSEUDO.func, imm: found.subprog }, second]
    case 'btf_var':
      return [first, second]
    default:
      return [first, second]
  }
}
