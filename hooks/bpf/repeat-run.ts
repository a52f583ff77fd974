// The loop of a test run over one context.

import { runContext } from '../attach/tracepoint.ts'
import type { BpfHost } from '../host.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { Attr } from '../uapi/bpf-attr.ts'

export type RunAttr = Attr<'prog_test_run'>

/** Run `repeat` times on one context; the last r0, and the mean duration of a run. Pending signals do not end it early here. */
export function repeatRun(host: BpfHost, prog: BpfProg, ctx: number, attr: RunAttr): number {
  const { kernel, runner } = host
  const context = runContext(prog, 0n)
  const times = Math.max(1, attr.repeat)
  const startNs = kernel.nowNs
  let result = 0
  for (let i = 0; i < times; i++) result = runner.run(context, ctx)
  attr.duration = Math.floor((kernel.nowNs - startNs) / times)
  return result
}
