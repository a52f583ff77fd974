// Stack of whole call chains: at most 512 bytes together (or one page's worth of private stacks), eight frames deep.

import { isLdImm64, isLocalCall } from '../isa/insn.ts'
import { PSEUDO } from '../isa/opcodes.ts'
import type { Env } from './env.ts'

const roundUp = (n: number): number => Math.ceil(n / 16) * 16

export function formatStackDepths(env: Env): string {
  return env.subprogs
    .filter((subprog) => !env.verified || isAlive(env, subprog))
    .map((subprog) => subprog.stackDepth)
    .join('+')
}

/** Functions that no path enters are removed from a verified program. */
function isAlive(env: Env, { start, end }: { start: number; end: number }): boolean {
  return env.aux.seen.subarray(start, end).includes(1)
}

export function checkStackDepth(env: Env): void {
  checkFrom(env, 0)
  env.subprogs.forEach((subprog, i) => {
    if (i > 0 && subprog.isAsyncCallback) checkFrom(env, i)
  })
}

function checkFrom(env: Env, start: number): void {
  const { subprogs, insns } = env
  let tailCallReachable = false
  const chain: number[] = []

  const visit = (index: number, depth: number, frame: number): void => {
    const subprog = subprogs[index]!
    if (index && subprog.hasTailCall && depth >= 256) {
      env.print(`tail_calls are not allowed when call stack of previous frames is ${depth} bytes. Too large\n`)
      env.fail('EACCES')
    }
    const total = depth + roundUp(subprog.stackDepth)
    if (total > 512) {
      env.print(`combined stack size of ${frame + 1} calls is ${total}. Too large\n`)
      env.fail('EACCES')
    }
    chain.push(index)
    for (let i = subprog.start; i < subprog.end; i++) {
      const insn = insns[i]!
      const isFunc = isLdImm64(insn) && insn.src === PSEUDO.func
      if (!isLocalCall(insn) && !isFunc) continue
      const target = env.findSubprog(i + insn.imm + 1)
      if (target < 0) env.fail('EFAULT', `verifier bug: no program starts at insn ${i + insn.imm + 1}`)
      const callee = subprogs[target]!
      if (callee.isAsyncCallback) {
        if (callee.hasTailCall) {
          env.print('verifier bug. subprog has tail_call and async cb\n')
          env.fail('EFAULT')
        }
        if (isFunc) continue
      }
      if (isFunc && !callee.isCallback) continue
      if (callee.hasTailCall) tailCallReachable = true
      if (frame + 1 >= 8) env.fail('E2BIG', `the call stack of ${frame + 1} frames is too deep !`)
      visit(target, total, frame + 1)
    }
    chain.pop()
  }
  visit(start, 0, 0)
  if (tailCallReachable) for (const subprog of subprogs) if (subprog.hasTailCall) subprog.tailCallReachable = true
}
