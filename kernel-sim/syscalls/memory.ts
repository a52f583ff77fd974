// System calls on address spaces: mmap and its kin. What they do is in mm/map.ts; here are the file's rights and the call chain.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { partial } from '../../base/support.ts'
import type { SyscallFamily, SyscallHandler } from './family.ts'

const mmap: SyscallHandler = (k, _task, address, length, prot, flags, fd, offset) =>
  offset % PAGE_SIZE !== 0
    ? -ERRNO.EINVAL
    : k.memory.ksysMmapPgoff(address, length, prot | 0, flags | 0, fd | 0, offset / PAGE_SIZE)

// biome-ignore format: a table reads better dense
export const memorySyscalls: SyscallFamily = {
  mmap,
  munmap: (k, _task, address, length) => k.memory.vmMunmap(address, length),
  mprotect: (k, _task, address, length, prot) => k.memory.doMprotect(address, length, prot | 0, -1),
  pkey_mprotect: (k, _task, address, length, prot, key) => (key === -1 ? k.memory.doMprotect(address, length, prot | 0, -1) : -ERRNO.EINVAL),
  brk: (k, _task, address) => k.memory.brk(address),
  mremap: partial((k, _task, address, oldLength, newLength, flags, to) => k.memory.mremap(address, oldLength, newLength, flags | 0, to), 'MREMAP_DONTUNMAP is -EINVAL'),
  madvise: (k, _task, address, length, advice) => k.memory.madvise(address, length, advice | 0),
  msync: partial((k, _task, address, length) => k.memory.checkMapped(address, length), 'there is no backing store to write to'),
  mincore: (k, _task, address, length, vector) => k.memory.mincore(address, length, vector),
  mlock: partial((k, _task, address, length) => k.memory.checkMapped(address, length), 'pages are not kept in memory: nothing is ever swapped out'),
  munlock: partial((k, _task, address, length) => k.memory.checkMapped(address, length), 'see mlock'),
  mlockall: partial(() => 0, 'see mlock'),
  munlockall: partial(() => 0, 'see mlock'),
  membarrier: () => 0,
}
