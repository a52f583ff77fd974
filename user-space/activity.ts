// What happens on a session's kernel: a workload, or whatever else can start tasks (a recording).

import { UserError } from '../base/errors.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Workload } from '../kernel-sim/user/api.ts'
import { launch } from './launch.ts'
import { suggest } from './suggest.ts'
import { shell } from './workloads/shell.ts'

export interface ReplaySummary {
  readonly syscalls: number
  readonly diverged: number
  readonly bySyscall: ReadonlyMap<string, number>
}

export interface Activity {
  readonly name: string
  /** Called once, before time moves. */
  start(kernel: Kernel): void
  /** Of a replay: how it went, for the summary. */
  readonly report?: ReplaySummary
}

/** The built-in workloads by name; the first is the default of `bpfsim run`. */
export const WORKLOADS: Readonly<Record<string, Workload>> = { shell }

/** Throws UserError for a name that is no workload's. */
export function activityOf(what: string | Workload | Activity): Activity {
  if (typeof what === 'string') {
    const found = Object.hasOwn(WORKLOADS, what) ? WORKLOADS[what] : undefined
    if (!found) throw new UserError(`no workload '${what}'${suggest(what, Object.keys(WORKLOADS))}`)
    return activityOf(found)
  }
  if ('start' in what) return what
  return { name: what.name, start: (kernel) => void launch(kernel, what) }
}
