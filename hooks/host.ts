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
import { TaskDescriptors } from './descriptors.ts'
import { type Descriptors, fileOf, type HookFile } from './files.ts'
import { helperTables } from './helpers/index.ts'
import { hostMapTypes } from './maps/index.ts'
import { mountHost } from './mounts.ts'
import { BtfObject } from './objects/btf.ts'
import { Ids } from './objects/ids.ts'
import type { BpfLink } from './objects/link.ts'
import type { MapObject } from './objects/map.ts'
import type { BpfProg } from './objects/prog.ts'
import { mapRing } from './perf/file.ts'
import { perfEventOpen } from './perf/open.ts'
import type { PerfRing } from './perf/ring.ts'
import { Runner } from './run.ts'
import { bpfSyscalls } from './syscalls.ts'
import { toolchain } from './toolchain.ts'
import { TracePipe } from './trace-pipe.ts'
import { symbolAddress } from './tracefs.ts'
import { type Attr, type AttrIn, COMMANDS, type Command } from './uapi/bpf-attr.ts'
import type { Struct, UserBytes } from './uapi/codec.ts'
import type { PERF_EVENT_ATTR } from './uapi/perf.ts'
import { userMemory } from './user-memory.ts'

/** What verifies programs and what runs them. */
export interface Toolchain {
  readonly verify: Verify
  /** What verify() is told of the kernel, for a loader with these capabilities. */
  facts(host: BpfHost, capabilities: Capabilities): KernelFacts
  readonly engine: Engine
}

export interface HostOptions {
  /** Default: the verifier and the compiler. */
  readonly toolchain?: Toolchain
}

type PerfAttrIn = Partial<typeof PERF_EVENT_ATTR extends Struct<infer T> ? T : never>

export class BpfHost {
  readonly kernel: Kernel
  readonly machine: Machine
  readonly toolchain: Toolchain
  readonly runner: Runner
  readonly descriptors: Descriptors
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

  constructor(kernel: Kernel, options: HostOptions = {}) {
    this.kernel = kernel
    this.toolchain = options.toolchain ?? toolchain
    const tracePipe = new TracePipe(kernel)
    this.tracePipe = tracePipe
    this.mapTypes = hostMapTypes
    this.machine = new Machine(platformOf(kernel), (machine) => helperTables({ kernel, machine, tracePipe }))
    this.runner = new Runner(this.machine)
    this.descriptors = new TaskDescriptors(kernel, mountHost(this))
    this.vmlinux = new BtfObject(this.btfs, kernel.profile.btf, { kernel: 'vmlinux' }).hold()
    this.probes = new ProbeTable(this)
    kernel.syscalls.add(bpfSyscalls(this))
  }

  /**
   * bpf(2) for a caller in TypeScript: attributes as a record with Linux's names, what is absent being zero; pointers are byte
   * arrays that are read or filled in place; what the kernel writes back is written into `attr`. Returns a descriptor, 0 or a
   * negative errno, and never throws for what a caller got wrong.
   */
  bpf<C extends Command>(task: Task, command: C, attr: AttrIn<C>): number {
    const { attr: layout, outputs } = COMMANDS[command]
    const whole = { ...(layout.zero() as object), ...attr } as Record<string, unknown>
    const result = this.kernel.as(task, () => this.#command(command, whole as never))
    for (const output of outputs as readonly string[]) (attr as Record<string, unknown>)[output] = whole[output]
    return result
  }

  /** perf_event_open(2): a descriptor or a negative errno. `pid` -1 is every task, `cpu` -1 every CPU. */
  perfEventOpen(task: Task, attr: PerfAttrIn, pid: number, cpu: number, groupFd: number, flags: number): number {
    return this.kernel.as(task, () => perfEventOpen(this, attr, pid, cpu, groupFd, flags))
  }

  /** ioctl(2) on a descriptor that bpf(2) or perf_event_open(2) gave. */
  ioctl(task: Task, fd: number, command: number, argument?: number | UserBytes): number {
    return this.kernel.as(task, () => {
      const file = this.descriptors.get(fd)
      if (file === undefined) return -ERRNO.EBADF
      return file === 'other' ? -ERRNO.ENOTTY : (file.ioctl?.(command, argument) ?? -ERRNO.ENOTTY)
    })
  }

  /** close(2). */
  close(task: Task, fd: number): number {
    return this.kernel.as(task, () => {
      const result = this.descriptors.close(fd)
      // Before 6.5 the file goes on the way back to user mode.
      this.kernel.runTaskWork(task)
      return result
    })
  }

  /**
   * mmap(2) of a perf event, for readers in this process: one control page and a power of two of data pages, `lengthBytes` in all.
   * A second call with the same length gives the same ring.
   */
  mapPerfRing(task: Task, fd: number, lengthBytes: number): PerfRing | number {
    const file = this.file(task, fd, 'perf_event')
    return typeof file === 'number' ? -ERRNO.EBADF : mapRing(this, file.event, lengthBytes)
  }

  /** The object of one kind behind a descriptor, for user space in this process: readers of maps and rings. */
  file<K extends HookFile['kind']>(task: Task, fd: number, kind: K): Extract<HookFile, { kind: K }> | number {
    return this.kernel.as(task, () => fileOf(this.descriptors, fd, kind))
  }

  /**
   * BPF_OBJ_GET_INFO_BY_FD for a caller in TypeScript: the struct as a record. Arrays are copied to the byte arrays that `given`
   * names, as many elements as its counts say.
   */
  info<K extends InfoKind>(task: Task, fd: number, kind: K, given: Partial<Info<K>> = {}): Info<K> | number {
    const file = this.file(task, fd, kind)
    if (typeof file === 'number') return file
    const zero = INFO[kind].zero() as Info<K>
    const info = this.kernel.as(task, () => infoOf(this, file, { ...zero, ...given }))
    return typeof info === 'number' ? info : { ...zero, ...info }
  }

  /** bpf(2) as the current task makes it: `union bpf_attr` of `size` bytes at a user address. */
  bpfSyscall(number: number, address: number, size: number): number {
    const { current } = this.kernel
    const user = userMemory(current, address)
    if (size > PAGE_SIZE) return -ERRNO.E2BIG
    const bytes = user?.read(0, size)
    if (!bytes) return -ERRNO.EFAULT
    if (bytes.subarray(UNION_BYTES).some((byte) => byte !== 0)) return -ERRNO.E2BIG
    const command = commandNames.get(number)
    if (!command) return -ERRNO.EINVAL
    const { attr: layout, outputs } = COMMANDS[command]
    if (bytes.subarray(layout.size).some((byte) => byte !== 0)) return -ERRNO.EINVAL
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const toPointer = (pointer: bigint): UserBytes | undefined => userMemory(current, Number(pointer))
    const attr = layout.decode(view, 0, toPointer) as Record<string, unknown>
    const result = this.#command(command, attr as never)
    for (const output of outputs as readonly string[]) {
      const at = (layout.offsets as Record<string, number>)[output]!
      if (at + 4 > size) continue
      const word = new Uint8Array(4)
      new DataView(word.buffer).setUint32(0, attr[output] as number, true)
      if (!user!.write(at, word)) return -ERRNO.EFAULT
    }
    return result
  }

  /** What a map of descriptors takes for the descriptor `fd`, or a negative errno (map_fd_get_ptr). */
  objectBehind(map: BpfMap, through: object, fd: number): FdObject | number {
    switch (map.holds) {
      case 'bytes':
        return -ERRNO.EINVAL
      case 'program': {
        const file = fileOf(this.descriptors, fd, 'prog')
        return typeof file === 'number' ? file : file.object
      }
      case 'map': {
        const file = fileOf(this.descriptors, fd, 'map')
        return typeof file === 'number' ? file : file.object
      }
      case 'perf_event': {
        const file = fileOf(this.descriptors, fd, 'perf_event')
        return typeof file === 'number' ? -ERRNO.EBADF : { event: file.event, through }
      }
      case 'cgroup':
        return this.descriptors.cgroup(fd)
    }
  }

  facts(capabilities: Capabilities): KernelFacts {
    return this.toolchain.facts(this, capabilities)
  }

  /** The address of a kernel symbol, as /proc/kallsyms has it. */
  symbolAddress(name: string): bigint | undefined {
    return symbolAddress(this, name)
  }

  nextPerfId(): number {
    return ++this.#lastPerfId
  }

  /** Everything but what needs no privilege on Linux either is refused to tasks without CAP_BPF (unprivileged_bpf_disabled is 2). */
  #command<C extends Command>(command: C, attr: Attr<C>): number {
    if (!capabilitiesOf(this.kernel, this.kernel.current).bpf) return -ERRNO.EPERM
    return HANDLERS[command](this, attr)
  }
}

const commandNames = new Map(Object.entries(COMMANDS).map(([name, { number }]) => [number as number, name as Command]))

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
