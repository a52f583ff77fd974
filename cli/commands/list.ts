// bpfsim list: attach points as `bpftrace -l` lists them, and what else there is to choose from.

import type { Command } from 'commander'
import { UserError } from '../../base/errors.ts'
import { HELPER_NAMES } from '../../ebpf-vm/helpers/names.ts'
import { WORKLOADS } from '../../user-space/activity.ts'
import { attachPoints, matches } from '../../user-space/catalogue.ts'
import { boot } from '../../user-space/session.ts'
import { suggest } from '../../user-space/suggest.ts'
import { examples } from '../examples.ts'
import { addKernelOptions, bootKernel, type KernelFlags } from '../kernel-options.ts'
import { print } from '../output.ts'

interface Flags extends KernelFlags {
  readonly verbose?: true
}

const column = (name: string, text: string, width: number): string => `${name.padEnd(width)} ${text}`.trimEnd()

/** Lists of their own name; any other word is a pattern for attach points. */
const LISTS: Readonly<Record<string, (flags: Flags) => string[]>> = {
  examples: () => examples().map(({ name, about }) => column(name, about, 12)),
  workloads: () => Object.entries(WORKLOADS).map(([name, { about }]) => column(name, about, 12)),
  helpers: (flags) => {
    using session = boot(bootKernel(flags))
    return [...session.host.machine.tables.helpers.entries()]
      .sort((a, b) => a[0] - b[0])
      .map(([id, { partial }]) => column(`bpf_${HELPER_NAMES[id]}`, partial ? `partly: ${partial}` : '', 32))
  },
  'map-types': (flags) => {
    using session = boot(bootKernel(flags))
    return [...session.host.mapTypes.values()].map(({ name, partial }) =>
      column(name, partial ? `partly: ${partial}` : '', 24),
    )
  },
}

export function addList(root: Command): void {
  const command = root
    .command('list')
    .description('attach points that match a pattern; or: examples, workloads, helpers, map-types')
    .argument('[pattern]', "shell pattern, such as 'kprobe:vfs_*' or 'tracepoint:sched:*', or a part of a name")
    .option('-v, --verbose', 'with the declarations of arguments')
  addKernelOptions(command).action((pattern: string | undefined, flags: Flags) => {
    const list = pattern === undefined ? undefined : LISTS[pattern]
    if (list) {
      for (const line of list(flags)) print(line)
      return
    }
    using session = boot(bootKernel(flags))
    const all = attachPoints(session.kernel)
    const found = all.some(({ name }) => name === pattern)
      ? all.filter(({ name }) => name === pattern)
      : all.filter(({ name }) => pattern === undefined || matches(name, pattern))
    if (pattern !== undefined && found.length === 0) {
      const known = [...Object.keys(LISTS), ...all.map(({ name }) => name)]
      throw new UserError(`no attach point matches '${pattern}'${suggest(pattern, known)}`)
    }
    for (const { name, args } of found) {
      print(name)
      if (flags.verbose) for (const arg of args) print(`    ${arg}`)
    }
  })
}
