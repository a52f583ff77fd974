// A helper's implementation under its number and name (enum bpf_func_id without BPF_FUNC_).

import type { HelperImpl } from '../../helper.ts'

export interface BoundHelper extends HelperImpl {
  readonly id: number
  readonly name: string
}

/** u64 flags as an unsigned number; bits above 32 are known to no helper, so all bits are set then. */
export const flagsOf = (lo: number, hi: number): number => (hi === 0 ? lo >>> 0 : 0xffffffff)
