// The loader's system calls: bpf(2), perf_event_open(2) and ioctl(2) as the simulated task that holds the descriptors makes them.
// Nothing in user-space/ reaches a program or a map in any other way.

import { type ERRNO, errnoName } from '../../base/errno.ts'
import type { BpfHost } from '../../hooks/host.ts'
import { readTracefs } from '../../hooks/tracefs.ts'
import type { AttrIn, Command } from '../../hooks/uapi/bpf-attr.ts'
import type { Task } from '../../kernel-sim/task/task.ts'

/** strerror(3), for the errors that loading and attaching meet. */
const TEXTS: Readonly<Partial<Record<keyof typeof ERRNO, string>>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  E2BIG: 'Argument list too long',
  EBADF: 'Bad file descriptor',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  ENOSPC: 'No space left on device',
  EILSEQ: 'Invalid or incomplete multibyte or wide character',
  EOPNOTSUPP: 'Operation not supported',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENOTSUPP: 'unknown error (-524)',
}

/** `Invalid argument (EINVAL)` */
export function errorText(result: number): string {
  const name = errnoName(result)
  const text = TEXTS[name as keyof typeof ERRNO]
  return text ? `${text} (${name})` : name
}

export class Calls {
  readonly host: BpfHost
  readonly task: Task

  constructor(host: BpfHost, task: Task) {
    this.host = host
    this.task = task
  }

  /** A descriptor, 0 or a negative errno. */
  bpf<C extends Command>(command: C, attr: AttrIn<C>): number {
    return this.host.bpf(this.task, command, attr)
  }

  perfEventOpen(attr: Parameters<BpfHost['perfEventOpen']>[1], cpu: number): number {
    return this.host.perfEventOpen(this.task, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)
  }

  ioctl(fd: number, command: number, argument?: number): number {
    return this.host.ioctl(this.task, fd, command, argument)
  }

  /** The text of a file of tracefs, procfs or sysfs; undefined where there is none. */
  read(path: string): string | undefined {
    const content = readTracefs(this.host, path)
    return typeof content === 'string' ? content : undefined
  }

  close(fd: number): void {
    this.host.close(this.task, fd)
  }
}

const PERF_FLAG_FD_CLOEXEC = 8
