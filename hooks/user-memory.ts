// User memory of a task behind an address, as a system call reaches it: pages are brought in.

import type { Task } from '../kernel-sim/task/task.ts'
import type { UserMemory } from './uapi/codec.ts'

/** Memory from `address` on; undefined for NULL. Kernel threads have none: every access faults. */
export function userMemory(task: Task, address: number): UserMemory | undefined {
  if (address === 0) return undefined
  return {
    read(offset, length) {
      const bytes = new Uint8Array(length)
      return task.mm?.read(address + offset, bytes, 0, length) === 0 ? bytes : undefined
    },
    write: (offset, bytes) => task.mm?.write(address + offset, bytes, 0, bytes.length) === 0,
  }
}
