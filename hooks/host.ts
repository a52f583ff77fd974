// The BPF side of one kernel: the machine with its tables, the objects by id, and the two system calls that make them. Loaders stand
// on bpf() and perfEventOpen(); nothing goes round them.

import { ERRNO } from '../base/errno.ts'
import type { Capabilities, KernelFacts } from '../base/facts.ts'
import { PAGE_SIZE } from '../base/memory.ts'
import { type Engine, Machine, type Platform } from '../ebpf-vm/machine.ts'
import type { MapTypes } from '../ebpf-vm/maps/create.ts'
import type { BpfMap, FdObject } from '../ebpf-vm/maps/map.ts'
import type { Verify } from '../ebpf-vm/program.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Task } from '../kernel-sim/task/task.ts'
import { ProbeTable } from './attach/probe-table.ts'
import { HANDLERS } from './bpf/commands.ts'
import { INFO, type Info, type InfoKind, infoOf } from './bpf/object-info.ts'
import { capabilitiesOf } from './credentials.ts'
import { type Descriptors, fileOf, type HookFile } from './files.ts'
import { helperTables } from './helpers/index.ts'
import { hostMapTypes } from './maps/index.ts'
import { BtfObject } from './objects/btf.ts'
import { Ids } from './objects/ids.ts'
import type { BpfLink } from './objects/link.ts'
import type { MapObject } from './objects/map.ts'
import type { BpfProg } from './objects/prog.ts'
import { perfEventOpen } from './perf/open.ts'
import { Runner } from './run.ts'
import { TaskDescriptors } from './task-descriptors.ts'
import { TracePipe } from './trace-pipe.ts'
import { type AttrIn, COMMANDS, type Command } from './uapi/bpf-attr.ts'
import type { Struct, UserBytes } from './uapi/codec.ts'
import type { PERF_EVENT_ATTR } from './uapi/perf.ts'
import { userMemory } from './user-memory.ts'

/** The task that makes a call: whose descriptors, credentials and memory it means. */
export interface Caller {
  readonly task: Task
}

/** What verifies programs and what runs them. */
export interface Toolchain {
  readonly verify: Verify
  /** What verify() is told of the kernel, for a loader with these capabilities. */
  facts(host: BpfHost, capabilities: Capabilities): KernelFacts
  readonly engine: Engine
}

export interface HostOptions {
  readonly toolchain: Toolchain
}

type PerfAttrIn = Partial<typeof PERF_EVENT_ATTR extends Struct<infer T> ? T : never>

export class BpfHost {
  readonly kernel: Kernel
  readonly machine: Machine
  readonly toolchain: Toolchain
  readonly runner: Runner
  readonly descriptors: Descriptors<Task>
  readonly mapTypes: MapTypes
  readonly maps = new Ids<MapObject>()
  readonly progs = new Ids<BpfProg>()
  readonly links = new Ids<BpfLink>()
  readonly btfs = new Ids<BtfObject>()
  /** BTF of the running kernel: id 1, always there. */
  readonly vmlinux: BtfObject
  readonly probes: ProbeTable
  /** fentry, fexit and fmod_ret programs by the symbol they sit on. */
  readonly trampolines = new Map<string, Set<BpfProg>>()
  readonly tracePipe: TracePipe
  #lastPerfId = 0

  constructor(kernel: Kernel, options: HostOptions) {
    this.kernel = kernel
    this.toolchain = options.toolchain
    const tracePipe = new TracePipe(kernel)
    this.tracePipe = tracePipe
    this.mapTypes = hostMapTypes
    this.machine = new Machine(platformOf(kernel), (machine) => helperTables({ kernel, machine, tracePipe }))
    this.runner = new Runner(this.machine)
    this.descriptors = new TaskDescriptors()
    this.vmlinux = new BtfObject(this.btfs, kernel.profile.btf, { kernel: 'vmlinux' }).hold()
    this.probes = new ProbeTable(this)
  }

  /**
   * bpf(2) for a caller in TypeScript: attributes as a record with Linux's names, what is absent being zero; pointers are byte
   * arrays that are read or filled in place; what the kernel writes back is written into `attr`. Returns a descriptor, 0 or a
   * negative errno, and never throws for what a caller got wrong.
   */
  bpf<C extends Command>(task: Task, command: C, attr: AttrIn<C>): number {
    if (!capabilitiesOf(this.kernel, task).bpf) return -ERRNO.EPERM
    const { attr: layout, outputs } = COMMANDS[command]
    const whole = { ...(layout.zero() as object), ...attr } as Record<string, unknown>
    const result = HANDLERS[command](this, { task }, whole as never)
    for (const output of outputs as readonly string[]) (attr as Record<string, unknown>)[output] = whole[output]
    return result
  }

  /** bpf(2) as tasks make it: `union bpf_attr` of `size` bytes at a user address. */
  bpfSyscall(task: Task, number: number, address: number, size: number): number {
    const user = userMemory(task, address)
    if (size > PAGE_SIZE) return -ERRNO.E2BIG
    const bytes = user?.read(0, size)
    if (!bytes) return -ERRNO.EFAULT
    if (!capabilitiesOf(this.kernel, task).bpf) return -ERRNO.EPERM
    if (bytes.subarray(UNION_BYTES).some((byte) => byte !== 0)) return -ERRNO.E2BIG
    const found = Object.entries(COMMANDS).find(([, command]) => command.number === number)
    if (!found) return -ERRNO.EINVAL
    const { attr: layout, outputs } = found[1]
    if (bytes.subarray(layout.size).some((byte) => byte !== 0)) return -ERRNO.EINVAL
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const toPointer = (pointer: bigint): UserBytes | undefined => userMemory(task, Number(pointer))
    const attr = layout.decode(view, 0, toPointer) as Record<string, unknown>
    const result = HANDLERS[found[0] as Command](this, { task }, attr as never)
    for (const output of outputs as readonly string[]) {
      const at = (layout.offsets as Record<string, number>)[output]!
      if (at + 4 > size) continue
      const word = new Uint8Array(4)
      new DataView(word.buffer).setUint32(0, attr[output] as number, true)
      if (!user!.write(at, word)) return -ERRNO.EFAULT
    }
    return result
  }

  /** perf_event_open(2): a descriptor or a negative errno. `pid` -1 is every task, `cpu` -1 every CPU. */
  perfEventOpen(task: Task, attr: PerfAttrIn, pid: number, cpu: number, groupFd: number, flags: number): number {
    return perfEventOpen(this, { task }, attr, pid, cpu, groupFd, flags)
  }

  /** ioctl(2) on a descriptor that bpf(2) or perf_event_open(2) gave. */
  ioctl(task: Task, fd: number, command: number, argument?: number | UserBytes): number {
    const file = this.descriptors.get(task, fd)
    if (file === undefined) return -ERRNO.EBADF
    if (file === 'other' || !file.ioctl) return -ERRNO.ENOTTY
    return file.ioctl(command, argument)
  }

  /** The object of one kind behind a descriptor, for user space in this process: readers of maps and rings. */
  file<K extends HookFile['kind']>(task: Task, fd: number, kind: K): Extract<HookFile, { kind: K }> | number {
    return fileOf(this.descriptors, task, fd, kind)
  }

  /**
   * BPF_OBJ_GET_INFO_BY_FD for a caller in TypeScript: the struct as a record. Arrays are copied to the byte arrays that `given`
   * names, as many elements as its counts say.
   */
  info<K extends InfoKind>(task: Task, fd: number, kind: K, given: Partial<Info<K>> = {}): Info<K> | number {
    const file = fileOf(this.descriptors, task, fd, kind)
    if (typeof file === 'number') return file
    const zero = INFO[kind].zero() as Info<K>
    const info = infoOf(this, file, { ...zero, ...given })
    return typeof info === 'number' ? info : { ...zero, ...info }
  }

  /** What a map of descriptors takes for the descriptor `fd`, or a negative errno (map_fd_get_ptr). */
  objectBehind(caller: Caller, map: BpfMap, through: object, fd: number): FdObject | number {
    switch (map.holds) {
      case 'bytes':
        return -ERRNO.EINVAL
      case 'program': {
        const file = fileOf(this.descriptors, caller.task, fd, 'prog')
        return typeof file === 'number' ? file : file.object.loaded
      }
      case 'map': {
        const file = fileOf(this.descriptors, caller.task, fd, 'map')
        return typeof file === 'number' ? file : file.object.map
      }
      case 'perf_event': {
        const file = fileOf(this.descriptors, caller.task, fd, 'perf_event')
        return typeof file === 'number' ? -ERRNO.EBADF : { event: file.event, through }
      }
      case 'cgroup':
        return this.descriptors.cgroup(caller.task, fd)
    }
  }

  facts(capabilities: Capabilities): KernelFacts {
    return this.toolchain.facts(this, capabilities)
  }

  nextPerfId(): number {
    return ++this.#lastPerfId
  }
}

/** sizeof(union bpf_attr) in 6.12. */
const UNION_BYTES = 152

function platformOf(kernel: Kernel): Platform {
  const random = kernel.rng('bpf')
  return {
    mem: kernel.mem,
    alloc: kernel.alloc,
    log: kernel.log,
    cpus: kernel.cpus.length,
    layouts: kernel.layouts,
    cpu: () => kernel.cpu.id,
    nowNs: () => kernel.cpu.nowNs,
    currentTask: () => kernel.current.at,
    charge: (ns) => kernel.charge(ns),
    random: () => random.u32(),
  }
}
