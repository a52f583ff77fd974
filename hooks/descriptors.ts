// Descriptors of tasks that stand for BPF objects and perf events: files of the anonymous inode file system, in the task's own
// table. Duplicating, passing on at fork, closing and the end of the task are the file system's business; the last reference
// releases what is behind.

import { ERRNO } from '../base/errno.ts'
import type { File } from '../kernel-sim/fs/file.ts'
import type { FileOps } from '../kernel-sim/fs/file-ops.ts'
import type { GenNode } from '../kernel-sim/fs/generated.ts'
import { O } from '../kernel-sim/fs/uapi.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import type { Descriptors, HookFile } from './files.ts'
import type { CgroupRef } from './maps/cgroup-array.ts'
import type { CgroupNodes } from './mounts.ts'

/** file_operations of each kind, with the kernel's functions in them. */
const OPERATIONS: Readonly<Record<HookFile['kind'], Pick<FileOps, 'symbol' | 'functions'>>> = {
  map: { symbol: 'bpf_map_fops', functions: { release: 'bpf_map_release', show_fdinfo: 'bpf_map_show_fdinfo' } },
  prog: { symbol: 'bpf_prog_fops', functions: { release: 'bpf_prog_release', show_fdinfo: 'bpf_prog_show_fdinfo' } },
  link: { symbol: 'bpf_link_fops', functions: { release: 'bpf_link_release', show_fdinfo: 'bpf_link_show_fdinfo' } },
  btf: { symbol: 'btf_fops', functions: { release: 'btf_release', show_fdinfo: 'bpf_btf_show_fdinfo' } },
  perf_event: { symbol: 'perf_fops', functions: { release: 'perf_release', unlocked_ioctl: 'perf_ioctl' } },
  stats: { symbol: 'bpf_stats_fops', functions: { release: 'bpf_stats_release' } },
}

const behind = (file: File): HookFile => file.priv as HookFile

const COMMON: Partial<FileOps> = {
  release: (_inode, file) => behind(file).release(),
  showFdinfo: (file) => behind(file).fdinfo(),
  ioctl: (file, command, argument) => behind(file).ioctl?.(command, argument) ?? -ERRNO.ENOTTY,
}

export class TaskDescriptors implements Descriptors {
  readonly #kernel: Kernel
  readonly #cgroups: CgroupNodes
  readonly #operations = new Map<string, FileOps>()

  constructor(kernel: Kernel, cgroups: CgroupNodes) {
    this.#kernel = kernel
    this.#cgroups = cgroups
    for (const [kind, own] of Object.entries(OPERATIONS)) this.#operations.set(kind, { ...COMMON, ...own })
  }

  install(file: HookFile): number {
    const { vfs } = this.#kernel
    const address = file.kind === 'map' ? file.object.map.address : 0
    return vfs.anonFd(file.name, this.#operations.get(file.kind)!, file, address, O.rdwr | O.cloexec)
  }

  get(fd: number): HookFile | 'other' | undefined {
    const file = this.#kernel.vfs.fds.get(fd)
    if (!file) return undefined
    const operations = this.#operations.get((file.priv as HookFile | undefined)?.kind ?? '')
    return operations !== undefined && file.fop === operations ? behind(file) : 'other'
  }

  close(fd: number): number {
    return this.#kernel.vfs.closing.close(fd) as number
  }

  cgroup(fd: number): CgroupRef | number {
    const node = this.#kernel.vfs.fds.get(fd)?.inode.priv
    return this.#cgroups.get(node as GenNode) ?? -ERRNO.EBADF
  }
}
