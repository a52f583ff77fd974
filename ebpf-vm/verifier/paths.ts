// Paths that wait to be walked: where a branch was taken both ways.

import type { Env } from './env.ts'
import { MAX_JMPS } from './env.ts'
import type { State } from './state.ts'

/** Queue a copy of the current state at `insn`; the caller refines it. */
export function pushBranch(env: Env, insn: number, previous: number, speculative: boolean): State {
  const state = env.state.copy()
  state.branches = 1
  state.speculative = state.speculative || speculative
  env.stack.push({ state, insnIdx: insn, previous, logPosition: env.log.end })
  if (env.stack.length > MAX_JMPS) env.fail('E2BIG', `The sequence of ${env.stack.length} jumps is too complex.`)
  if (state.parent) state.parent.branches++
  return state
}

/** Make the last queued path the current one; false when none is left. */
export function popBranch(env: Env): boolean {
  const next = env.stack.pop()
  if (!next) return false
  env.state = next.state
  env.insnIdx = next.insnIdx
  env.prevInsnIdx = next.previous
  // At level 1 only the path that fails is shown.
  if (!env.log.verbose) env.log.reset(next.logPosition)
  env.live.resetChain()
  return true
}
