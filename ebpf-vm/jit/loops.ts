// The loops of a reducible graph, and what each leads to.

import type { Cfg } from './cfg.ts'

export interface Loops {
  /** By header: the blocks outside of the loop that its blocks lead to and dominate, by ascending number. */
  readonly exits: ReadonlyMap<number, readonly number[]>
  isExit(block: number): boolean
}

export function findLoops(cfg: Cfg): Loops {
  const { blocks } = cfg
  /** Header of the innermost loop around each block, -1 for none; of a header, its own. */
  const loopOf = new Int32Array(blocks.length).fill(-1)
  const parent = new Map<number, number>()
  const outermost = (block: number): number => {
    let at = loopOf[block]!
    if (at < 0) return block
    for (let outer = parent.get(at); outer !== undefined; outer = parent.get(at)) at = outer
    return at
  }
  // Inner loops have higher headers, so they are found first; then each stands as one node in the loops around it.
  for (let header = blocks.length - 1; header >= 0; header--) {
    if (!blocks[header]!.isLoopHeader) continue
    loopOf[header] = header
    const work = blocks[header]!.preds.filter((pred) => pred >= header)
    while (work.length > 0) {
      const node = outermost(work.pop()!)
      if (node === header) continue
      if (loopOf[node] === node) parent.set(node, header)
      else loopOf[node] = header
      work.push(...blocks[node]!.preds)
    }
  }
  const contains = (header: number, block: number): boolean => {
    for (let loop: number | undefined = loopOf[block]!; loop !== undefined && loop >= 0; loop = parent.get(loop)) {
      if (loop === header) return true
    }
    return false
  }
  const exits = new Map<number, number[]>()
  const all = new Set<number>()
  blocks.forEach((block, i) => {
    if (block.isLoopHeader) exits.set(i, [])
  })
  for (let i = 1; i < blocks.length; i++) {
    let left = -1
    for (
      let loop: number | undefined = loopOf[blocks[i]!.idom]!;
      loop !== undefined && loop >= 0;
      loop = parent.get(loop)
    ) {
      if (!contains(loop, i)) left = loop
    }
    if (left < 0) continue
    exits.get(left)!.push(i)
    all.add(i)
  }
  return { exits, isExit: (block) => all.has(block) }
}
