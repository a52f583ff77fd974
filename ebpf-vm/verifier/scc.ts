// Loops while they are walked. A state inside a loop is not finished until the loop is: its precision marks may still grow. States
// that were pruned against such a state (back edges) are kept and get their marks when the walk leaves the loop.

import type { Env } from './env.ts'
import { markAllScalarsPrecise, propagatePrecision } from './precision.ts'
import type { State } from './state.ts'

const MAX_ROUNDS = 64

interface Visit {
  readonly name: string
  entry: State | undefined
  backedges: State[]
}

export class SccVisits {
  readonly #visits = new Map<string, Visit>()
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  /** `callsite,…,scc` of the innermost loop that the state is in, undefined outside of loops. */
  #chain(state: State): string | undefined {
    let chain = ''
    for (let i = 0; i < state.frames.length; i++) {
      const at = state.frameInsn(i)
      const scc = this.#env.aux.scc[at]!
      if (scc) return `${chain}${scc}`
      chain += `${at},`
    }
    return undefined
  }

  enter(state: State): void {
    const chain = this.#chain(state)
    if (chain === undefined) return
    let visit = this.#visits.get(chain)
    if (!visit) this.#visits.set(chain, (visit = { name: chain, entry: undefined, backedges: [] }))
    if (visit.entry) return
    visit.entry = state
    if (this.#env.log.verbose) this.#env.print(`SCC enter (${chain})\n`)
  }

  exit(state: State): void {
    const chain = this.#chain(state)
    if (chain === undefined) return
    const visit = this.#visits.get(chain)
    if (!visit || visit.entry !== state) return
    const env = this.#env
    if (env.log.verbose) env.print(`SCC exit (${chain})\n`)
    visit.entry = undefined
    for (let round = 0, changed = true; changed; round++) {
      if (round >= MAX_ROUNDS) {
        if (env.log.verbose) env.print('propagate_backedges: too many iterations\n')
        for (const edge of visit.backedges) markAllScalarsPrecise(env, edge)
        break
      }
      changed = false
      for (const edge of visit.backedges) if (propagatePrecision(env, edge.equalState!, edge)) changed = true
    }
    visit.backedges = []
  }

  addBackedge(of: State, edge: State): void {
    const chain = this.#chain(of)
    if (chain === undefined) return
    this.#visits.get(chain)?.backedges.push(edge)
  }

  /** Whether marks of this state may still grow. */
  isIncomplete(state: State): boolean {
    const chain = this.#chain(state)
    return chain !== undefined && (this.#visits.get(chain)?.backedges.length ?? 0) > 0
  }
}
