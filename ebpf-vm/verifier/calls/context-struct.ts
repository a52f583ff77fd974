// The struct by which programs name their context in BTF.

import type { Env } from '../env.ts'

export function contextStructOf(env: Env): string {
  const { context } = env.type
  switch (context.kind) {
    case 'fields':
      return context.name
    case 'bytes':
      return context.name === 'pt_regs' ? 'bpf_user_pt_regs_t' : ''
    default:
      return 'bpf_raw_tracepoint_args'
  }
}
