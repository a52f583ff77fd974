// verify(): a program and a kernel's facts in, a VerifiedProgram or Linux's errno and log out. Whatever comes in, it does not throw
// for a guest's mistake.

import { ERRNO } from '../../base/errno.ts'
import type { KernelFacts } from '../../base/facts.ts'
import type { ProgramInput, VerifyOptions, VerifyResult, VerifyStats } from '../program.ts'
import { checkAttachTarget } from './attach.ts'
import { framePointer } from './calls/frames.ts'
import { entryRegs, prepareArgs } from './calls/global.ts'
import { checkCfg, checkSubprogs, computePostorder, computeScc, findSubprogs } from './cfg.ts'
import { Env, MAX_INSNS_PROCESSED, Reject } from './env.ts'
import { checkFuncInfo } from './func-info.ts'
import { checkInsn } from './insn.ts'
import { computeLiveRegs } from './live-regs.ts'
import { LiveStack } from './live-stack.ts'
import { LEVEL_STATS } from './log.ts'
import { popBranch } from './paths.ts'
import { pushHistory } from './precision.ts'
import { endBranch, isVisited } from './prune.ts'
import { CTX, Reg, UNSET } from './reg.ts'
import { resolveImmediates } from './resolve.ts'
import { buildProgram } from './rewrite/build.ts'
import * as S from './scalar/scalar.ts'
import { SccVisits } from './scc.ts'
import { checkStackDepth, formatStackDepths } from './stack-depth.ts'
import { Frame, State } from './state.ts'

const MAX_INSNS_UNPRIVILEGED = 4096

export function verify(input: ProgramInput, facts: KernelFacts, options: VerifyOptions): VerifyResult {
  const type = facts.programTypes.get(input.type)
  const none: VerifyStats = { processed: 0, peakStates: 0, totalStates: 0 }
  if (!type) return { ok: false, errno: ERRNO.EINVAL, log: '', stats: none }
  const { length } = input.insns
  const limit = facts.capabilities.bpf ? MAX_INSNS_PROCESSED : MAX_INSNS_UNPRIVILEGED
  if (length === 0 || length > limit) return { ok: false, errno: ERRNO.E2BIG, log: '', stats: none }
  const env = new Env(input, facts, type, options.logLevel)
  try {
    checkAll(env)
    env.verified = true
    const program = buildProgram(env)
    printStats(env)
    return { ok: true, program, log: env.log.text(), stats: statsOf(env) }
  } catch (error) {
    if (!(error instanceof Reject)) throw error
    printStats(env)
    return { ok: false, errno: error.errno, log: env.log.text(), stats: statsOf(env) }
  }
}

const statsOf = (env: Env): VerifyStats => ({
  processed: env.insnProcessed,
  peakStates: env.peakStates,
  totalStates: env.totalStates,
})

function checkAll(env: Env): void {
  findSubprogs(env)
  checkSubprogs(env)
  checkFuncInfo(env)
  resolveImmediates(env)
  checkCfg(env)
  computePostorder(env)
  env.live = new LiveStack(env)
  env.sccVisits = new SccVisits(env)
  checkAttachTarget(env)
  computeScc(env)
  computeLiveRegs(env)
  walkSubprog(env, 0)
  walkGlobals(env)
  checkStackDepth(env)
  if (env.unresolvedKfunc) env.fail('EINVAL', 'invalid kernel function call not eliminated in verifier pass')
}

/** Global functions are verified one by one, as they are found to be called. */
function walkGlobals(env: Env): void {
  if (!env.input.funcInfo?.length) return
  const done = new Set<number>()
  for (let again = true; again; ) {
    again = false
    for (let i = 1; i < env.subprogs.length; i++) {
      const subprog = env.subprogs[i]!
      if (!subprog.isGlobal || done.has(i)) continue
      const isException = env.exceptionCallbackSubprog === i
      if (!subprog.called && !isException) continue
      done.add(i)
      walkSubprog(env, i)
      if (env.log.insns && env.log.enabled)
        env.print(`Func#${i} ('${subprog.name}') is safe for any args that match its prototype\n`)
      again = true
    }
  }
}

/** Walk all paths from the start of the main program or of a global function. */
function walkSubprog(env: Env, index: number): void {
  const subprog = env.subprogs[index]!
  env.prevLine = -1
  env.insnIdx = subprog.start
  env.prevInsnIdx = -1
  const state = new State()
  state.branches = 1
  state.inSleepable = env.sleepable
  const frame = new Frame(-1, 0, index)
  frame.regs.fill(UNSET)
  frame.regs[10] = framePointer(0)
  state.frames = [frame]
  state.firstInsn = subprog.start
  env.state = state
  env.explored = []
  env.stack.length = 0
  env.live.resetChain()
  if (index !== 0) {
    if (env.log.insns) env.print(`Validating ${subprog.name}() func#${index}...\n`)
    if (env.exceptionCallbackSubprog === index) frame.inExceptionCallback = true
    const args = prepareArgs(env, index)
    if (!args) env.fail('EINVAL')
    entryRegs(env, args).forEach((reg, i) => {
      frame.regs[i + 1] = reg
    })
  } else {
    const ctx = new Reg()
    ctx.type = CTX
    ctx.s = S.KNOWN_ZERO
    frame.regs[1] = ctx
  }
  env.scratchAll()
  walk(env)
  // At level 1 an accepted program leaves nothing behind.
  if (!env.log.verbose) env.log.reset(0)
}

function walk(env: Env): void {
  const count = env.insns.length
  let printState = false
  let previous = -1
  for (;;) {
    env.historyEntry = undefined
    env.prevInsnIdx = previous
    const at = env.insnIdx
    if (at >= count) env.fail('EFAULT', `invalid insn idx ${at} insn_cnt ${count}`)
    if (++env.insnProcessed > MAX_INSNS_PROCESSED)
      env.fail('E2BIG', `BPF program is too large. Processed ${env.insnProcessed} insn`)
    const { state } = env
    state.lastInsn = env.prevInsnIdx
    state.insnIdx = at
    let ended = false
    if (env.aux.prunePoint[at] === 1 && isVisited(env, at)) {
      if (env.log.insns) {
        const speculative = state.speculative ? ' (speculative execution)' : ''
        if (printState) env.print(`\nfrom ${previous} to ${at}${speculative}: safe\n`)
        else env.print(`${at}: safe\n`)
      }
      ended = true
    }
    if (!ended) {
      if (env.aux.jmpPoint[at] === 1) pushHistory(env, state)
      if (env.log.enabled) printBefore(env, printState, previous)
      if (env.log.verbose) printState = false
      env.aux.seen[at] = 1
      previous = at
      if (state.speculative && env.aux.nospec[at]) ended = true
      else {
        const outcome = step(env, at)
        if (outcome === 'end') ended = true
        else if (outcome === 'returned') printState = true
        else if (env.state.speculative && env.aux.nospecResult[at]) ended = true
      }
    }
    if (!ended) continue
    env.scratchAll()
    env.live.update()
    endBranch(env, env.state)
    if (!popBranch(env)) return
    previous = env.prevInsnIdx
    printState = true
  }
}

/** One instruction; a mistake that only speculation can make ends the path with a barrier instead. */
function step(env: Env, at: number): 'next' | 'end' | 'returned' {
  env.live.begin(at)
  try {
    const outcome = checkInsn(env)
    env.live.commit()
    return outcome
  } catch (error) {
    if (!(error instanceof Reject) || !env.state.speculative) throw error
    const recoverable =
      error.errno === ERRNO.EPERM ||
      error.errno === ERRNO.EACCES ||
      error.errno === ERRNO.EINVAL ||
      error.errno === ERRNO.EOPNOTSUPP
    if (!recoverable) throw error
    env.aux.nospec[at] = 1
    env.aluStates.delete(at)
    return 'end'
  }
}

function printBefore(env: Env, printState: boolean, previous: number): void {
  const { state, log } = env
  const at = env.insnIdx
  if (log.verbose && printState) {
    env.print(`\nfrom ${previous} to ${at}${state.speculative ? ' (speculative execution)' : ''}:`)
    env.printState(state, state.curframe, true)
  }
  if (!log.insns) return
  if (env.scratched.regs | env.scratched.stackL | env.scratched.stackH) env.printInsnState(state, state.curframe)
  env.printLine(at, '; ')
  const start = log.end
  env.print(`${at}: ${env.insnText(at)}\n`)
  env.prevInsnPrintLength = log.end - start
  env.prevLogPosition = log.end
}

function printStats(env: Env): void {
  if (env.log.level & LEVEL_STATS) {
    // The time is the host's business; a log of the simulated kernel is the same on every run.
    env.print('verification time 0 usec\n')
    env.print(`stack depth ${formatStackDepths(env)}\n`)
  }
  env.print(
    `processed ${env.insnProcessed} insns (limit ${MAX_INSNS_PROCESSED}) max_states_per_insn ${env.maxStatesPerInsn} total_states ${env.totalStates} peak_states ${env.peakStates} mark_read 0\n`,
  )
}
