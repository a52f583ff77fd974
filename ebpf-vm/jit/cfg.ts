// The control-flow graph of one subprogram: basic blocks in reverse postorder, dominators, merge points and loop headers.
// Blocks are numbered by reverse postorder, so an edge to a lower or equal number is a back edge.

import { InternalError } from '../../base/errors.ts'
import { classify, type Form, fallsThrough, jumpTarget, slotsOf } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import type { Subprogram } from '../program.ts'

export interface Block {
  /** Slots `[start, end)`. */
  readonly start: number
  readonly end: number
  /** Slot of its last instruction. */
  readonly last: number
  /** Successors by block number: of a conditional jump, first the one taken. */
  succs: number[]
  preds: number[]
  /** Immediate dominator; the entry's is itself. */
  idom: number
  /** Blocks that it dominates immediately, by ascending number. */
  children: number[]
  isLoopHeader: boolean
  /** More than one forward edge comes in. */
  isMerge: boolean
}

export interface Cfg {
  readonly blocks: readonly Block[]
  /** Number of the block that holds an instruction. */
  blockOf(slot: number): number
  /** Every back edge goes to a dominator. If not, the graph has no structured form. */
  readonly reducible: boolean
}

/** Forms by slot; the second slot of a wide load has none. */
export function formsOf(insns: readonly Insn[]): (Form | undefined)[] {
  const forms: (Form | undefined)[] = new Array(insns.length)
  for (let slot = 0; slot < insns.length; slot++) {
    const form = classify(insns[slot]!)
    if (!form) throw new InternalError(`slot ${slot} holds no instruction`)
    forms[slot] = form
    if (slotsOf(form) === 2) forms[++slot] = undefined
  }
  return forms
}

export function buildCfg(insns: readonly Insn[], forms: readonly (Form | undefined)[], sub: Subprogram): Cfg {
  const { start, end } = sub
  const leader = new Uint8Array(end - start + 1)
  leader[0] = 1
  for (let slot = start; slot < end; slot++) {
    const form = forms[slot]
    if (!form) continue
    const target = jumpTarget(form, insns[slot]!, slot)
    const ends = target >= 0 || !fallsThrough(form)
    if (target >= 0) {
      if (target < start || target >= end) throw new InternalError(`jump out of ${sub.name} at slot ${slot}`)
      leader[target - start] = 1
    }
    if (ends) leader[slot + slotsOf(form) - start] = 1
  }
  // Blocks in program order, then numbered by reverse postorder of what is reachable.
  const blockAt = new Int32Array(end - start + 1).fill(-1)
  const raw: { start: number; end: number; last: number; succs: number[] }[] = []
  for (let slot = start; slot < end; ) {
    const first = slot
    let last = slot
    do {
      last = slot
      slot += slotsOf(forms[slot]!)
    } while (slot < end && !leader[slot - start])
    blockAt[first - start] = raw.length
    raw.push({ start: first, end: slot, last, succs: [] })
  }
  for (const block of raw) {
    const form = forms[block.last]!
    const target = jumpTarget(form, insns[block.last]!, block.last)
    if (target >= 0) block.succs.push(blockAt[target - start]!)
    if (fallsThrough(form)) {
      if (block.end >= end) throw new InternalError(`${sub.name} runs off its end`)
      block.succs.push(blockAt[block.end - start]!)
    }
  }
  const order = reversePostorder(raw.map((block) => block.succs))
  const number = new Int32Array(raw.length).fill(-1)
  order.forEach((id, i) => {
    number[id] = i
  })
  const blocks: Block[] = order.map((id) => {
    const { start: first, end: behind, last, succs } = raw[id]!
    return {
      start: first,
      end: behind,
      last,
      succs: succs.map((succ) => number[succ]!),
      preds: [],
      idom: -1,
      children: [],
      isLoopHeader: false,
      isMerge: false,
    }
  })
  blocks.forEach((block, i) => {
    for (const succ of block.succs) blocks[succ]!.preds.push(i)
  })
  const numberAt = new Int32Array(end - start).fill(-1)
  blocks.forEach((block, i) => {
    numberAt.fill(i, block.start - start, block.end - start)
  })
  return { blocks, reducible: dominators(blocks), blockOf: (slot) => numberAt[slot - start]! }
}

function reversePostorder(succs: readonly (readonly number[])[]): number[] {
  const order: number[] = []
  const seen = new Uint8Array(succs.length)
  const path: [number, number][] = [[0, 0]]
  seen[0] = 1
  while (path.length > 0) {
    const top = path.at(-1)!
    // The taken edge is walked first, so that the fall-through comes right behind its block in the order.
    const next = succs[top[0]]![top[1]++]
    if (next === undefined) {
      order.push(top[0])
      path.pop()
    } else if (!seen[next]) {
      seen[next] = 1
      path.push([next, 0])
    }
  }
  return order.reverse()
}

/** Fills idom, children, isLoopHeader and isMerge (Cooper, Harvey, Kennedy); returns whether the graph is reducible. */
function dominators(blocks: Block[]): boolean {
  const entry = blocks[0]!
  entry.idom = 0
  for (let changed = true; changed; ) {
    changed = false
    for (let i = 1; i < blocks.length; i++) {
      let idom = -1
      for (const pred of blocks[i]!.preds) {
        if (blocks[pred]!.idom < 0) continue
        idom = idom < 0 ? pred : intersect(blocks, idom, pred)
      }
      if (blocks[i]!.idom !== idom) {
        blocks[i]!.idom = idom
        changed = true
      }
    }
  }
  let reducible = true
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]!
    if (i > 0) blocks[block.idom]!.children.push(i)
    let forward = i === 0 ? 1 : 0
    for (const pred of block.preds) {
      if (pred < i) {
        forward++
        continue
      }
      block.isLoopHeader = true
      if (intersect(blocks, pred, i) !== i) reducible = false
    }
    block.isMerge = forward > 1
  }
  return reducible
}

function intersect(blocks: readonly Block[], a: number, b: number): number {
  while (a !== b) {
    while (a > b) a = blocks[a]!.idom
    while (b > a) b = blocks[b]!.idom
  }
  return a
}
