// What the calling task may do, from the effective capabilities of its credentials.

import type { Capabilities } from '../base/facts.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Task } from '../kernel-sim/task/task.ts'

const CAP = { netAdmin: 12, sysAdmin: 21, perfmon: 38, bpf: 39 } as const

/** CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too, as bpf_capable() and perfmon_capable() have it. */
export function capabilitiesOf(kernel: Kernel, task: Task): Capabilities {
  const at = task.cred + kernel.layout.cred.capEffective
  const has = (capability: number): boolean =>
    ((kernel.mem.i32[(at >> 2) + (capability >> 5)]! >>> (capability & 31)) & 1) === 1
  const sysAdmin = has(CAP.sysAdmin)
  return {
    sysAdmin,
    bpf: sysAdmin || has(CAP.bpf),
    perfmon: sysAdmin || has(CAP.perfmon),
    netAdmin: sysAdmin || has(CAP.netAdmin),
  }
}

/** uid of the task's credentials, as user 0 sees it. */
export const uidOf = (kernel: Kernel, task: Task): number =>
  kernel.mem.dv.getUint32(task.cred + kernel.layout.cred.uid, true)
