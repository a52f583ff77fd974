// The helpers of a host: those that need no kernel, and the families of this folder laid over them.

import { arenaKfuncs } from '../../ebpf-vm/helpers/impl/arena.ts'
import { plainHelpers, plainKfuncs } from '../../ebpf-vm/helpers/impl/plain.ts'
import type { HelperTables } from '../../ebpf-vm/machine.ts'
import { attachHelpers } from './attach.ts'
import type { HelperFamily, HelperScope } from './family.ts'
import { memoryHelpers } from './memory.ts'
import { pathHelpers } from './path.ts'
import { percpuHelpers } from './percpu.ts'
import { perfHelpers } from './perf.ts'
import { stackHelpers } from './stack.ts'
import { taskHelpers } from './task.ts'
import { timeHelpers } from './time.ts'
import { traceHelpers } from './trace.ts'

const FAMILIES: readonly HelperFamily[] = [
  taskHelpers,
  memoryHelpers,
  timeHelpers,
  percpuHelpers,
  pathHelpers,
  stackHelpers,
  perfHelpers,
  traceHelpers,
  attachHelpers,
]

export function helperTables(scope: HelperScope): HelperTables {
  const helpers = plainHelpers(scope.machine)
  for (const family of FAMILIES) for (const helper of family(scope)) helpers.set(helper.id, helper)
  return { helpers, kfuncs: new Map([...plainKfuncs, ...arenaKfuncs(scope.machine)]) }
}
