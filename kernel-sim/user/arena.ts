// Room for what system calls point to: strings, structs and buffers of a task's user side, below what its stack holds. Each call
// starts over, so an address stays good until the task's next call.

import { InternalError } from '../../base/errors.ts'
import type { Task } from '../task/task.ts'

/** Between the stack's contents (arguments, environment) and the arena: room that a real program's frames would take. */
const BELOW_STACK = 128 << 10
/** The arena's size: well within the 8 MiB that a stack may grow to. */
const ARENA_BYTES = 6 << 20

export class UserArena {
  readonly #task: Task
  /** Offset of mm_struct.start_stack. */
  readonly #startStack: number
  #next = 0

  constructor(task: Task) {
    this.#task = task
    this.#startStack = task.k.layouts.bind('mm_struct', { startStack: 'start_stack' }).startStack
  }

  /** Forget what was placed for the last call. */
  reset(): void {
    this.#next = 0
  }

  /** Lay `bytes`, followed by zeros up to `size`, into user memory; the address, aligned to 16. */
  place(bytes: Uint8Array, size: number = bytes.length): number {
    const at = this.#room(Math.max(size, bytes.length))
    if (bytes.length > 0 && this.#task.mm!.write(at, bytes, 0, bytes.length) !== 0) {
      throw new InternalError(`pid ${this.#task.pid}: no user memory at 0x${at.toString(16)}`)
    }
    const rest = size - bytes.length
    if (rest > 0) this.#task.mm!.write(at + bytes.length, new Uint8Array(rest), 0, rest)
    return at
  }

  /** `size` bytes for the kernel to write to. What they hold is what the last call left there. */
  room(size: number): number {
    return this.#room(size)
  }

  /** A copy of what lies at an address that was placed for the last call. */
  read(address: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size)
    this.#task.mm!.read(address, bytes, 0, size)
    return bytes
  }

  #room(size: number): number {
    const rounded = (size + 15) & ~15
    if (this.#next + rounded > ARENA_BYTES)
      throw new InternalError(`a system call's arguments take over ${ARENA_BYTES} bytes`)
    this.#next += rounded
    const { k, mm } = this.#task
    const top = Math.floor((k.mem.readInt64(mm!.at + this.#startStack) - BELOW_STACK) / 16) * 16
    return top - this.#next
  }
}
