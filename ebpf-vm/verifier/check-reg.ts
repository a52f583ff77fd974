// Reading and writing registers as operands.

import type { Env } from './env.ts'
import { NOT_INIT, type Reg } from './reg.ts'

/** The register is read: it exists and was initialised. */
export function readReg(env: Env, regno: number): Reg {
  if (regno > 10) env.fail('EINVAL', `R${regno} is invalid`)
  env.scratchReg(regno)
  const reg = env.state.frame.regs[regno]!
  if (reg.type === NOT_INIT) env.fail('EACCES', `R${regno} !read_ok`)
  return reg
}

/** The register is written: it exists and is not the frame pointer. */
export function writableReg(env: Env, regno: number): void {
  if (regno > 10) env.fail('EINVAL', `R${regno} is invalid`)
  env.scratchReg(regno)
  if (regno === 10) env.fail('EACCES', 'frame pointer is read only')
}
