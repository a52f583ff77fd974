// The descriptor of a perf event: its ioctls, and the ring buffer that mmap(2) makes.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { fileOf, type HookFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import { copyToUser, type UserBytes } from '../uapi/codec.ts'
import { PERF_IOC } from '../uapi/perf.ts'
import type { PerfEvent } from './event.ts'
import { PerfRing } from './ring.ts'

export function perfFile(host: BpfHost, event: PerfEvent): HookFile {
  return {
    kind: 'perf_event',
    name: '[perf_event]',
    event,
    fdinfo: () => '',
    release: () => event.release(),
    ioctl: (command, argument) => perfIoctl(host, event, command, argument),
  }
}

function perfIoctl(host: BpfHost, event: PerfEvent, command: number, argument: number | UserBytes | undefined): number {
  const number = typeof argument === 'number' ? argument : 0
  switch (command) {
    case PERF_IOC.enable:
      event.enable()
      return 0
    case PERF_IOC.disable:
      event.disable()
      return 0
    case PERF_IOC.reset:
      event.count = 0
      return 0
    case PERF_IOC.id: {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setUint32(0, event.id, true)
      return copyToUser(typeof argument === 'number' ? undefined : argument, 0, bytes) ? 0 : -ERRNO.EFAULT
    }
    case PERF_IOC.set_bpf: {
      const file = fileOf(host.descriptors, number, 'prog')
      return typeof file === 'number' ? file : event.setProg(file.object, 0n)
    }
    case PERF_IOC.set_output: {
      if (number === -1) return event.setOutput(undefined)
      const file = fileOf(host.descriptors, number, 'perf_event')
      return typeof file === 'number' ? -ERRNO.EBADF : event.setOutput(file.event)
    }
    case PERF_IOC.pause_output:
      if (!event.ring) return -ERRNO.EINVAL
      event.paused = number !== 0
      return 0
    default:
      return -ERRNO.ENOTTY
  }
}

/** mmap(2) of a perf event: the control page and 2^n data pages, once. Returns the ring or a negative errno. */
export function mapRing(host: BpfHost, event: PerfEvent, lengthBytes: number): PerfRing | number {
  const pages = lengthBytes / PAGE_SIZE - 1
  if (pages < 0 || !Number.isInteger(pages) || (pages & (pages - 1)) !== 0) return -ERRNO.EINVAL
  if (event.ring) return event.ring.dataBytes === pages * PAGE_SIZE ? event.ring : -ERRNO.EINVAL
  event.ring = new PerfRing(host.kernel.mem, host.kernel.alloc, pages)
  return event.ring
}
