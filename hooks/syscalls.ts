// bpf(2) and perf_event_open(2) as tasks of the simulation make them, attributes in their own memory.

import { ERRNO } from '../base/errno.ts'
import type { SyscallFamily } from '../kernel-sim/syscalls/family.ts'
import type { BpfHost } from './host.ts'
import { perfEventOpen } from './perf/open.ts'
import type { UserBytes } from './uapi/codec.ts'
import { PERF_ATTR_SIZE_VER0, PERF_EVENT_ATTR } from './uapi/perf.ts'
import { userMemory } from './user-memory.ts'

export const bpfSyscalls = (host: BpfHost): SyscallFamily => ({
  bpf: (_k, _task, command, address, size) => host.bpfSyscall(command, address, size >>> 0),
  perf_event_open: (_k, task, address, pid, cpu, group, flags) => {
    const user = userMemory(task, address)
    const head = user?.read(0, 8)
    if (!user || !head) return -ERRNO.EFAULT
    // perf_copy_attr(): size 0 is the first version's; bytes that this version does not know must be zero.
    const size = new DataView(head.buffer).getUint32(4, true) || PERF_ATTR_SIZE_VER0
    if (size < PERF_ATTR_SIZE_VER0 || size > 4096) return -ERRNO.E2BIG
    const bytes = user.read(0, size)
    if (!bytes) return -ERRNO.EFAULT
    if (bytes.subarray(PERF_EVENT_ATTR.size).some((byte) => byte !== 0)) return -ERRNO.E2BIG
    const toPointer = (pointer: bigint): UserBytes | undefined => userMemory(task, Number(pointer))
    const attr = PERF_EVENT_ATTR.decode(new DataView(bytes.buffer), 0, toPointer)
    return perfEventOpen(host, attr, pid, cpu, group, flags)
  },
})
