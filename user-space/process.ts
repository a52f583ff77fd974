// Starting a process that nothing forked: with an address space, a working directory and open files, as if a shell had made it.
// It is made before time moves, so nobody sees the calls that open its files.

import { InternalError, UserError } from '../base/errors.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import { type ExecPlace, randomPlace } from '../kernel-sim/mm/exec-image.ts'
import { fileSyscalls } from '../kernel-sim/syscalls/files.ts'
import type { Task } from '../kernel-sim/task/task.ts'
import { UserArena } from '../kernel-sim/user/arena.ts'
import type { UserSide } from '../kernel-sim/user/user-side.ts'

export interface ProcessOptions {
  readonly comm: string
  readonly user: (task: Task) => UserSide
  /** The next free one by default. */
  readonly pid?: number
  /** Default: init. */
  readonly parent?: Task
  readonly argv?: readonly string[]
  /** Default `/`. */
  readonly cwd?: string
  /** Open files by descriptor: paths, opened for reading and writing; default a terminal at 0, 1 and 2. */
  readonly files?: ReadonlyMap<number, string>
  /** When it starts, not before now. */
  readonly atNs?: number
}

const O_RDWR = 2
const TERMINAL = '/dev/tty'
const STANDARD: ReadonlyMap<number, string> = new Map([0, 1, 2].map((fd) => [fd, TERMINAL]))

export function startProcess(kernel: Kernel, options: ProcessOptions): Task {
  const { comm, argv = [comm], cwd = '/', files = STANDARD } = options
  const mm = kernel.memory.newMm()
  const rng = kernel.rng(`image/${comm}/${options.pid ?? 0}`)
  const place: ExecPlace = randomPlace((low, high) => rng.between(low, high))
  const error = kernel.memory.load(mm, {
    filename: argv[0] ?? comm,
    argv,
    envp: [],
    file: undefined,
    fileBytes: 0,
    place,
    ids: { uid: 0, euid: 0, gid: 0, egid: 0 },
    random: () => rng.u32(),
  })
  if (error !== 0) throw new UserError(`${comm}: its arguments are too long`)
  const task = kernel.spawn({
    comm,
    user: options.user,
    mm,
    files: kernel.vfs.newFiles(),
    fs: kernel.vfs.newFsStruct(),
    ...(options.pid !== undefined && { pid: options.pid }),
    ...(options.parent && { parent: options.parent }),
    ...(options.atNs !== undefined && { atNs: options.atNs }),
  })
  if (!options.files) kernel.vfs.setControllingTerminal(task)
  kernel.as(task, () => {
    const arena = new UserArena(task)
    const call = (name: string, ...args: number[]): number => {
      const [a = 0, b = 0, c = 0] = args
      const result = fileSyscalls[name]!(kernel, task, a, b, c, 0, 0, 0)
      if (typeof result !== 'number') throw new InternalError(`${name} waits while a process is being set up`)
      return result
    }
    const path = (text: string): number => arena.place(Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0)))
    if (call('chdir', path(cwd)) < 0) throw new UserError(`${comm}: no directory ${cwd} to start in`)
    for (const [fd, name] of [...files].sort((a, b) => a[0] - b[0])) {
      let opened = call('open', path(name), O_RDWR, 0)
      if (opened < 0) opened = call('open', path(name), 0, 0)
      if (opened < 0) throw new UserError(`${comm}: cannot open ${name} as descriptor ${fd}: there is no such file`)
      if (opened === fd) continue
      call('dup2', opened, fd)
      call('close', opened)
    }
  })
  return task
}
