// Control flow. A reducible graph becomes nested blocks, loops and ifs along its dominator tree (Ramsey, "Beyond Relooper", 2022):
// a block's code is followed by that of the blocks it dominates; merge points among them are the ends of enclosing `block`s. An
// irreducible graph becomes one loop with a br_table over all its blocks.

import { unreachable } from '../../base/errors.ts'
import { MAY_GOTO_COST_NS, MAY_GOTO_LIMIT } from '../machine.ts'
import { emitAtomic, emitCast, emitLoad, emitStore } from './access.ts'
import { emitAlu, emitCondition, emitEnd, emitMov, emitMovsx, emitNeg } from './alu.ts'
import { emitCall, emitPacketLoad } from './calls.ts'
import type { Emitter } from './emitter.ts'
import { findLoops, type Loops } from './loops.ts'
import { I32 } from './wasm.ts'

/** Emit the whole subprogram. Control never comes out at the end: exits leave by themselves. */
export function emitBody(e: Emitter): void {
  if (e.info.hasMayGoto) {
    e.budget = e.code.local(I32)
    e.code.i32(MAY_GOTO_LIMIT)
    e.code.set(e.budget)
  }
  if (e.info.cfg.reducible) new Structured(e).tree(0)
  else emitDispatch(e)
  e.code.op('unreachable')
}

function emitInsns(e: Emitter, index: number): void {
  const block = e.block(index)
  for (let slot = block.start; slot < block.end; slot++) {
    const form = e.compiler.forms[slot]
    if (!form) continue
    switch (form.kind) {
      case 'alu':
        emitAlu(e, slot, form)
        break
      case 'mov':
        emitMov(e, slot, form)
        break
      case 'movsx':
        emitMovsx(e, slot, form)
        break
      case 'neg':
        emitNeg(e, slot, form)
        break
      case 'end':
        emitEnd(e, slot, form)
        break
      case 'ldx':
        emitLoad(e, slot, form)
        break
      case 'st':
      case 'stx':
        emitStore(e, slot, form)
        break
      case 'atomic':
        emitAtomic(e, slot, form)
        break
      case 'call':
        emitCall(e, slot, form)
        break
      case 'ld_abs':
      case 'ld_ind':
        emitPacketLoad(e, slot, form)
        break
      case 'exit':
        e.leave(e.values.r0[slot]!)
        break
      case 'addr_space_cast':
        emitCast(e, slot, form)
        break
      case 'mov_percpu':
        e.compiler.unsupported(slot, form.kind)
        break
      case 'ld_imm64':
        e.loadConstant(slot)
        break
      case 'jmp':
      case 'ja':
      case 'gotol':
      case 'may_goto':
        break
      default:
        unreachable(form)
    }
  }
}

/** Push the condition under which a two-way block goes to its first successor. */
function emitTest(e: Emitter, slot: number): void {
  const form = e.form(slot)
  if (form.kind === 'jmp') {
    emitCondition(e, slot, form)
    return
  }
  // may_goto: taken when the budget is 0, else one less.
  const { code, budget } = e
  e.charge(MAY_GOTO_COST_NS)
  code.get(budget)
  code.op('i32_eqz')
  code.get(budget)
  code.get(budget)
  code.i32(0)
  code.op('i32_ne')
  code.op('i32_sub')
  code.set(budget)
}

class Structured {
  readonly #e: Emitter
  readonly #loops: Loops
  /** Label to branch to, by block: of its loop (for back edges), of the block that ends before it (for forward edges). */
  readonly #again = new Map<number, number>()
  readonly #follows = new Map<number, number>()

  constructor(e: Emitter) {
    this.#e = e
    this.#loops = findLoops(e.info.cfg)
  }

  /** Emit block `index` and everything that it dominates. What a loop leads to comes behind the loop. */
  tree(index: number): void {
    const { code } = this.#e
    const exits = this.#loops.exits.get(index)
    if (!exits) {
      this.#body(index)
      return
    }
    this.#openBlocks(exits)
    this.#again.set(index, code.open('loop'))
    this.#body(index)
    code.end()
    this.#closeBlocks(exits)
  }

  /** Open a block for each of these, the last in the order outermost. */
  #openBlocks(targets: readonly number[]): void {
    for (let i = targets.length - 1; i >= 0; i--) this.#follows.set(targets[i]!, this.#e.code.open('block'))
  }

  #closeBlocks(targets: readonly number[]): void {
    for (const target of targets) {
      this.#e.code.end()
      this.#follows.delete(target)
      this.tree(target)
    }
  }

  #body(index: number): void {
    const merges = this.#e
      .block(index)
      .children.filter((child) => this.#e.block(child).isMerge && !this.#loops.isExit(child))
    this.#openBlocks(merges)
    emitInsns(this.#e, index)
    this.#leave(index)
    this.#closeBlocks(merges)
  }

  /** The label of a branch from `from` to `to`, or 0 when `to`'s code comes in place of the branch. */
  #label(from: number, to: number): number {
    if (to <= from) return this.#again.get(to)!
    return this.#follows.get(to) ?? 0
  }

  #go(from: number, to: number): void {
    const label = this.#label(from, to)
    if (label === 0) this.tree(to)
    else this.#e.code.br(label)
  }

  #leave(index: number): void {
    const { code } = this.#e
    const { succs, last } = this.#e.block(index)
    if (succs.length === 0) return
    const [taken, next] = succs
    if (next === undefined || next === taken) {
      this.#go(index, taken!)
      return
    }
    emitTest(this.#e, last)
    const takenLabel = this.#label(index, taken!)
    const nextLabel = this.#label(index, next)
    if (takenLabel !== 0) {
      code.brIf(takenLabel)
      this.#go(index, next)
    } else if (nextLabel !== 0) {
      code.op('i32_eqz')
      code.brIf(nextLabel)
      this.#go(index, taken!)
    } else {
      code.open('if')
      this.tree(taken!)
      code.end()
      this.tree(next)
    }
  }
}

/** Every block ends by setting the number of the next one and going round. */
function emitDispatch(e: Emitter): void {
  const { code } = e
  const { blocks } = e.info.cfg
  const next = code.local(I32)
  code.i32(0)
  code.set(next)
  const again = code.open('loop')
  const labels = blocks.map(() => 0)
  for (let i = blocks.length - 1; i >= 0; i--) labels[i] = code.open('block')
  code.get(next)
  code.brTable(labels, labels[0]!)
  blocks.forEach((block, i) => {
    code.end()
    emitInsns(e, i)
    const [taken, other] = block.succs
    if (taken === undefined) return
    if (other === undefined) code.i32(taken)
    else {
      const condition = e.scratch('condition', I32)
      emitTest(e, block.last)
      code.set(condition)
      code.i32(taken)
      code.i32(other)
      code.get(condition)
      code.op('select')
    }
    code.set(next)
    code.br(again)
  })
  code.end()
}
