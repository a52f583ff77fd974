// Helpers that read memory which nothing has proved: kernel memory through the direct map, user memory through the current task's
// page table without faulting pages in (the copy_ forms, for sleepable programs, do). On failure the destination is zeroed.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Task } from '../../kernel-sim/task/task.ts'
import type { HelperFamily } from './family.ts'

/** High words of user addresses: below TASK_SIZE_MAX, 0x7ffffffff000. */
const isUser = (hi: number): boolean => hi >= 0 && hi <= 0x7fff
const toNumber = (lo: number, hi: number): number => (lo >>> 0) + hi * 0x1_0000_0000

/** Whether the kernel would look at such an address at all: neither user space nor non-canonical. */
const isKernel = (hi: number): boolean => hi >>> 15 === 0x1ffff

export const memoryHelpers: HelperFamily = ({ kernel }) => {
  const { mem } = kernel
  const page = new Uint8Array(PAGE_SIZE)

  const readKernel = (to: number, size: number, lo: number, hi: number): number => {
    const from = mem.translate(lo, hi, size)
    if (from >= 0) {
      mem.u8.copyWithin(to, from, from + size)
      return 0
    }
    mem.u8.fill(0, to, to + size)
    return isKernel(hi) ? -ERRNO.EFAULT : -ERRNO.ERANGE
  }

  const readUser = (task: Task, to: number, size: number, lo: number, hi: number, fault: boolean): number => {
    if (isUser(hi) && task.mm?.read(toNumber(lo, hi), mem.u8, to, size, fault) === 0) return 0
    mem.u8.fill(0, to, to + size)
    return -ERRNO.EFAULT
  }

  const readKernelString = (to: number, size: number, lo: number, hi: number): number => {
    if (size === 0) return 0
    const { u8 } = mem
    if (mem.translate(lo, hi, 1) < 0) {
      u8.fill(0, to, to + size)
      return isKernel(hi) ? -ERRNO.EFAULT : -ERRNO.ERANGE
    }
    const from = lo >>> 0
    for (let i = 0; i < size; i++) {
      if (from + i >= mem.sizeBytes) {
        u8.fill(0, to, to + size)
        return -ERRNO.EFAULT
      }
      if ((u8[to + i] = u8[from + i]!) === 0) return i + 1
    }
    u8[to + size - 1] = 0
    return size
  }

  /** Page by page: what follows the string's end may not be there, and the destination behind it is left alone. */
  const readUserString = (to: number, size: number, lo: number, hi: number): number => {
    const { mm } = kernel.current
    for (let done = 0; done < size; ) {
      const address = toNumber(lo, hi) + done
      const count = Math.min(size - done, PAGE_SIZE - (address % PAGE_SIZE))
      if (!isUser(hi) || mm?.read(address, page, 0, count, false) !== 0) {
        mem.u8.fill(0, to, to + size)
        return -ERRNO.EFAULT
      }
      const end = page.subarray(0, count).indexOf(0)
      const length = end < 0 ? count : end + 1
      mem.u8.set(page.subarray(0, length), to + done)
      done += length
      if (end >= 0) return done
    }
    if (size > 0) mem.u8[to + size - 1] = 0
    return size
  }

  return [
    {
      id: 4,
      name: 'probe_read',
      takes: ['ptr', 'u32', 'u64'],
      gives: 's32',
      run: (to, size, lo, hi) =>
        isUser(hi) ? readUser(kernel.current, to, size, lo, hi, false) : readKernel(to, size, lo, hi),
    },
    {
      id: 45,
      name: 'probe_read_str',
      takes: ['ptr', 'u32', 'u64'],
      gives: 's32',
      run: (to, size, lo, hi) => (isUser(hi) ? readUserString(to, size, lo, hi) : readKernelString(to, size, lo, hi)),
    },
    { id: 113, name: 'probe_read_kernel', takes: ['ptr', 'u32', 'u64'], gives: 's32', run: readKernel },
    { id: 115, name: 'probe_read_kernel_str', takes: ['ptr', 'u32', 'u64'], gives: 's32', run: readKernelString },
    {
      id: 112,
      name: 'probe_read_user',
      takes: ['ptr', 'u32', 'u64'],
      gives: 's32',
      run: (to, size, lo, hi) => readUser(kernel.current, to, size, lo, hi, false),
    },
    { id: 114, name: 'probe_read_user_str', takes: ['ptr', 'u32', 'u64'], gives: 's32', run: readUserString },
    {
      id: 148,
      name: 'copy_from_user',
      takes: ['ptr', 'u32', 'u64'],
      gives: 's32',
      run: (to, size, lo, hi) => readUser(kernel.current, to, size, lo, hi, true),
    },
    {
      id: 191,
      name: 'copy_from_user_task',
      takes: ['ptr', 'u32', 'u64', 'ptr', 'u64'],
      gives: 's32',
      run: (to, size, lo, hi, task, flagsLo, flagsHi) => {
        if (flagsLo !== 0 || flagsHi !== 0) return -ERRNO.EINVAL
        return readUser(kernel.tasks.at(task), to, size, lo, hi, true)
      },
    },
    {
      id: 36,
      name: 'probe_write_user',
      takes: ['u64', 'ptr', 'u32'],
      gives: 's32',
      run: (lo, hi, from, size) => {
        if (!isUser(hi)) return -ERRNO.EPERM
        return kernel.current.mm?.write(toNumber(lo, hi), mem.u8, from, size, false) === 0 ? 0 : -ERRNO.EFAULT
      },
    },
  ]
}
