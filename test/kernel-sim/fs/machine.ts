// A kernel with a file system and tasks that make system calls one at a time, without a scheduler: what sleeps is driven by the test.
import { boot } from '../../../kernel-sim/boot.ts'
import type { PreparedNode } from '../../../kernel-sim/fs/prepare.ts'
import { DEFAULT_ROOT } from '../../../kernel-sim/fs/rootfs.ts'
import type { VfsHost } from '../../../kernel-sim/fs/vfs.ts'
import type { Kernel } from '../../../kernel-sim/kernel.ts'
import { profileFor } from '../../../kernel-sim/profiles/profile.ts'
import type { SyscallFamily } from '../../../kernel-sim/syscalls/family.ts'
import { fileSyscalls } from '../../../kernel-sim/syscalls/files.ts'
import { memorySyscalls } from '../../../kernel-sim/syscalls/memory.ts'
import type { Task } from '../../../kernel-sim/task/task.ts'
import type { UserSide } from '../../../kernel-sim/user/user-side.ts'
import type { Wait } from '../../../kernel-sim/wait.ts'

const FAMILIES: readonly SyscallFamily[] = [fileSyscalls, memorySyscalls]

/** A user side that never does anything: the test makes the calls. */
const NOBODY: UserSide = {
  next: () => ({ kind: 'idle', untilNs: Number.MAX_SAFE_INTEGER }),
  returned() {},
  handleSignal() {},
  executed() {},
  forked: () => NOBODY,
  stack: () => [],
}

type Argument = number | string | Uint8Array

export class Machine {
  readonly k: Kernel
  readonly signals: number[] = []

  constructor(options: { kernel?: string; nodes?: readonly PreparedNode[]; families?: readonly SyscallFamily[] } = {}) {
    this.k = boot({
      profile: profileFor(options.kernel ?? '6.12'),
      memoryBytes: 256 << 20,
      files: [...DEFAULT_ROOT, ...(options.nodes ?? [])],
    })
    const host: VfsHost = {
      *wait(_queues, condition) {
        while (!condition()) yield
        return 0
      },
      signal: (signal) => void this.signals.push(signal),
      later: (work) => work(),
    }
    Object.assign(this.k.vfs.host, host)
    this.families = [...FAMILIES, ...(options.families ?? [])]
  }

  readonly families: readonly SyscallFamily[]

  /** A process of its own, as root unless ids are given. */
  process(ids: { uid?: number; gid?: number } = {}): Process {
    const { k } = this
    const task = k.spawn({
      comm: 'test',
      user: NOBODY,
      cred: k.credentials.make(ids.uid ?? 0, ids.gid ?? 0),
      mm: k.memory.newMm(),
      fs: k.vfs.newFsStruct(),
      files: k.vfs.newFiles(),
    })
    return new Process(this, task)
  }
}

export class Process {
  readonly machine: Machine
  readonly task: Task
  /** User memory for arguments, and for results at `out`. */
  readonly scratch: number
  readonly out: number
  #at = 0

  constructor(machine: Machine, task: Task) {
    this.machine = machine
    this.task = task
    this.scratch = machine.k.memory.mapScratch(task.mm!, 64)
    this.out = this.scratch + 32 * 4096
  }

  /** Make a system call; strings and bytes are put into user memory. Throws if it sleeps. */
  sys(name: string, ...args: Argument[]): number {
    const result = this.begin(name, ...args)
    if (typeof result === 'number') return result
    throw new Error(`${name} sleeps`)
  }

  /** The same for a call that may sleep: a number, or what is still running; step it with `resume`. */
  begin(name: string, ...args: Argument[]): number | Wait<number> {
    const { k, families } = this.machine
    const handler = families.find((family) => name in family)?.[name]
    if (!handler) throw new Error(`no system call ${name}`)
    this.#at = 0
    const words = args.map((argument) => (typeof argument === 'number' ? argument : this.put(argument)))
    k.current = this.task
    const { sp } = this.task
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words
    const result = handler(k, this.task, a, b, c, d, e, f)
    if (typeof result === 'number') this.task.sp = sp
    else {
      const first = this.resume(result)
      if (first !== undefined) return first
    }
    return result
  }

  /** sendmsg or recvmsg with a header already in user memory. */
  sendRaw(name: 'sendmsg' | 'recvmsg', fd: number, header: number): number {
    return this.sys(name, fd, header, 0)
  }

  /** The result, or undefined while it still sleeps. */
  resume(wait: Wait<number>): number | undefined {
    this.machine.k.current = this.task
    const step = wait.next()
    return step.done ? step.value : undefined
  }

  /** Bytes (a string with its NUL) in user memory; their address. */
  put(value: string | Uint8Array): number {
    const bytes = typeof value === 'string' ? Uint8Array.from(value + '\0', (c) => c.charCodeAt(0)) : value
    const address = this.scratch + this.#at
    this.#at += (bytes.length + 15) & ~15
    this.task.mm!.write(address, bytes, 0, bytes.length)
    return address
  }

  bytes(length: number, address: number = this.out): Uint8Array {
    const bytes = new Uint8Array(length)
    this.task.mm!.read(address, bytes, 0, length)
    return bytes
  }

  view(length: number, address: number = this.out): DataView {
    return new DataView(this.bytes(length, address).buffer)
  }

  text(length: number, address: number = this.out): string {
    return String.fromCharCode(...this.bytes(length, address))
  }

  open(path: string, flags = 0, mode = 0): number {
    return this.sys('openat', -100, path, flags, mode)
  }
}
