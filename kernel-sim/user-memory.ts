// Structs of system calls in the current task's user memory.

import type { Task } from './task/task.ts'

/** `size` bytes at a user address, or undefined (-EFAULT). */
export function readUser(task: Task, address: number, size: number): DataView | undefined {
  const bytes = new Uint8Array(size)
  return task.mm?.read(address, bytes, 0, size) === 0 ? new DataView(bytes.buffer) : undefined
}

/** False: -EFAULT. */
export function writeUser(task: Task, address: number, view: DataView): boolean {
  return task.mm?.write(address, new Uint8Array(view.buffer), 0, view.byteLength) === 0
}

/** Two 64-bit words as numbers (timespec, timeval, sigset and size …). */
export function readPair(task: Task, address: number): readonly [number, number] | undefined {
  const view = readUser(task, address, 16)
  return view ? [int64(view, 0), int64(view, 8)] : undefined
}

export function writePair(task: Task, address: number, first: number, second: number): boolean {
  const view = new DataView(new ArrayBuffer(16))
  setInt64(view, 0, first)
  setInt64(view, 8, second)
  return writeUser(task, address, view)
}

/** A 64-bit field as a number, exact within 2^53. */
export function int64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}

export function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, value | 0, true)
  view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}
