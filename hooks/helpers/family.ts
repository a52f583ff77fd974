// What the helpers of this folder have in common: a family is a function of the host that gives the helpers bound to it.

import type { BoundHelper } from '../../ebpf-vm/helpers/impl/bound.ts'
import type { Machine } from '../../ebpf-vm/machine.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { RunContext } from '../run.ts'
import type { TracePipe } from '../trace-pipe.ts'

/** What implementations reach: the kernel and the machine they run in. */
export interface HelperScope {
  readonly kernel: Kernel
  readonly machine: Machine
  readonly tracePipe: TracePipe
}

export type HelperFamily = (scope: HelperScope) => readonly BoundHelper[]

/** The attachment whose program runs. In BPF_PROG_TEST_RUN there is none. */
export const runContextOf = (machine: Machine): RunContext | undefined => machine.runContext as RunContext | undefined
