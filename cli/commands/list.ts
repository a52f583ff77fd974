// bpfsim list: attach points as `bpftrace -l` lists them, and what else there is to choose from.

import type { Command } from 'commander'
import { HELPER_NAMES } from '../../ebpf-vm/helpers/names.ts'
import { WORKLOADS } from '../../user-space/activity.ts'
import { attachPoints, matches } from '../../user-space/catalogue.ts'
import { boot } from '../../user-space/session.ts'
import { examples } from '../examples.ts'
import { readMaybeGzip } from '../files.ts'
import { print } from '../output.ts'

interface Flags {
  readonly verbose?: true
  readonly kernel?: string
  readonly btf?: string
}

const column = (name: string, text: string, width: number): string => `${name.padEnd(width)} ${text}`.trimEnd()

/** Lists of their own name; any other word is a pattern for attach points. */
const LISTS: Readonly<Record<string, (flags: Flags) => string[]>> = {
  examples: () => examples().map(({ name, about }) => column(name, about, 12)),
  workloads: () => Object.entries(WORKLOADS).map(([name, { about }]) => column(name, about, 12)),
  helpers: (flags) => {
    using session = bootFor(flags)
    return [...session.host.machine.tables.helpers.entries()]
      .sort((a, b) => a[0] - b[0])
      .map(([id, { partial }]) => column(`bpf_${HELPER_NAMES[id]}`, partial ? `partly: ${partial}` : '', 32))
  },
  'map-types': (flags) => {
    using session = bootFor(flags)
    return [...session.host.mapTypes.values()].map(({ name, partial }) =>
      column(name, partial ? `partly: ${partial}` : '', 24),
    )
  },
}

const bootFor = ({ kernel, btf }: Flags): ReturnType<typeof boot> =>
  boot({ ...(kernel !== undefined && { kernel }), ...(btf !== undefined && { btf: readMaybeGzip(btf) }) })

export function addList(root: Command): void {
  root
    .command('list')
    .description('attach points that match a pattern; or: examples, workloads, helpers, map-types')
    .argument('[pattern]', "shell pattern, such as 'kprobe:vfs_*' or 'tracepoint:sched:*', or a part of a name")
    .option('-v, --verbose', 'with the declarations of arguments')
    .option('--kernel <version>', 'kernel version: 6.12 (default) or 6.1')
    .option('--btf <file>', 'the BTF of a real kernel')
    .action((pattern: string | undefined, flags: Flags) => {
      const list = pattern === undefined ? undefined : LISTS[pattern]
      if (list) {
        for (const line of list(flags)) print(line)
        return
      }
      using session = bootFor(flags)
      for (const { name, args } of attachPoints(session.kernel)) {
        if (pattern !== undefined && !matches(name, pattern)) continue
        print(name)
        if (flags.verbose) for (const arg of args) print(`    ${arg}`)
      }
    })
}
