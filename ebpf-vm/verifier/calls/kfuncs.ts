// Calls of kernel functions (kfuncs): found by BTF id, allowed by their sets, checked by their prototypes and flags.

import type { Insn } from '../../isa/insn.ts'
import type { Env } from '../env.ts'
import { findKfunc } from '../lookup.ts'

export function callKfunc(env: Env, insn: Insn): 'next' | 'throw' {
  if (insn.imm === 0) {
    // Not resolved by the loader: fine as long as it is dead code.
    env.unresolvedKfunc = true
    env.insnIdx++
    return 'next'
  }
  const call = findKfunc(env, insn)
  if (!call?.facts) env.fail('EACCES', `calling kernel function ${call?.name ?? ''} is not allowed`)
  env.fail('EACCES', `calling kernel function ${call.name} is not allowed`)
}
