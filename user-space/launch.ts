// Starting a workload's first task.

import type { PreparedNode } from '../kernel-sim/fs/prepare.ts'
import { prepareFiles } from '../kernel-sim/fs/prepare.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Task } from '../kernel-sim/task/task.ts'
import type { Workload } from '../kernel-sim/user/api.ts'
import { ProgramUser } from '../kernel-sim/user/program.ts'
import { startProcess } from './process.ts'

/** Bytes of a program's file that the root file system does not have. */
const PROGRAM_BYTES = 16_384

const ELF = [{ at: 0, text: '\x7fELF\x02\x01\x01' }]

/** The first task of the workload, ready to run. Programs that it names and that are missing get a file, so that execve finds them. */
export function launch(kernel: Kernel, { name, main, programs }: Workload): Task {
  const missing = Object.keys(programs).filter((path) => path.startsWith('/') && !exists(kernel, path))
  prepareFiles(
    kernel.vfs,
    missing.map((path): PreparedNode => ({ path, kind: 'file', mode: 0o755, size: PROGRAM_BYTES, content: ELF })),
  )
  const context = {
    workload: name,
    seed: kernel.seed,
    programs,
    syscallNumber: (call: string) => kernel.syscalls.numberOf(call),
  }
  return startProcess(kernel, { comm: name, user: (task) => new ProgramUser(context, task, main, [name]) })
}

function exists(kernel: Kernel, path: string): boolean {
  let at = kernel.vfs.root.dentry
  for (const part of path.split('/').filter((each) => each !== '')) {
    const next = at.children.get(part)
    if (!next?.inode) return false
    // Behind a symbolic link, as /bin is one, everything counts as there.
    if (!next.inode.isDir) return true
    at = next
  }
  return true
}
