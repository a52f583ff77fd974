// Futexes: tasks that sleep on a word of user memory. A private one is known by address space and address, a shared one by the frame
// that holds the word. No priority inheritance (FUTEX_*_PI: -ENOSYS).

import { ERRNO } from '../../base/errno.ts'
import type { Kernel } from '../kernel.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { AddressSpace } from './resources.ts'
import { STATE, type Task } from './task.ts'

const CMD_MASK = 0x7f
const CLOCK_REALTIME = 0x100
const OP = { wait: 0, wake: 1, requeue: 3, cmpRequeue: 4, wakeOp: 5, waitBitset: 9, wakeBitset: 10 } as const
const MATCH_ANY = -1

interface Sleeper {
  mm: AddressSpace
  address: number
  readonly bitset: number
  readonly task: Task
  woken: boolean
}

export class Futexes {
  readonly #k: Kernel
  readonly #sleepers: Sleeper[] = []
  readonly #futexWait: (uaddr: number, flags: number, val: number, timeout: number, bitset: number) => MaybeWait<number>
  readonly #futexWake: (uaddr: number, flags: number, nr: number, bitset: number) => number
  readonly doFutex: (
    uaddr: number,
    op: number,
    val: number,
    timeout: number,
    uaddr2: number,
    val2: number,
    val3: number,
  ) => MaybeWait<number>

  constructor(k: Kernel) {
    this.#k = k
    const { functions } = k
    this.#futexWait = functions.declare(
      'int futex_wait(u32 __user *uaddr, unsigned int flags, u32 val, ktime_t *abs_time, u32 bitset)',
      (uaddr: number, _flags: number, val: number, deadline: number, bitset: number) =>
        this.#wait(uaddr, val, deadline, bitset),
    )
    this.#futexWake = functions.declare(
      'int futex_wake(u32 __user *uaddr, unsigned int flags, int nr_wake, u32 bitset)',
      (uaddr: number, _flags: number, nr: number, bitset: number) => this.wake(k.current.mm!, uaddr, nr, bitset),
    )
    this.doFutex = functions.declare(
      'long do_futex(u32 __user *uaddr, int op, u32 val, ktime_t *timeout, u32 __user *uaddr2, u32 val2, u32 val3)',
      (uaddr: number, op: number, val: number, timeout: number, uaddr2: number, val2: number, val3: number) =>
        this.#do(uaddr, op, val, timeout, uaddr2, val2, val3),
    )
  }

  /** Wake up to `count` sleepers on the word; how many there were. */
  wake(mm: AddressSpace, address: number, count: number, bitset: number = MATCH_ANY): number {
    let woken = 0
    for (const sleeper of [...this.#sleepers]) {
      if (woken >= count) break
      if (sleeper.mm !== mm || sleeper.address !== address || (sleeper.bitset & bitset) === 0) continue
      this.#release(sleeper)
      woken++
    }
    return woken
  }

  #do(
    uaddr: number,
    op: number,
    val: number,
    timeout: number,
    uaddr2: number,
    val2: number,
    val3: number,
  ): MaybeWait<number> {
    const k = this.#k
    const flags = op & ~CMD_MASK
    switch (op & CMD_MASK) {
      case OP.wait:
        return this.#futexWait(uaddr, flags, val, timeout === 0 ? 0 : k.nowNs + timeout, MATCH_ANY)
      case OP.waitBitset:
        if (val3 === 0) return -ERRNO.EINVAL
        return this.#futexWait(
          uaddr,
          flags,
          val,
          timeout === 0 ? 0 : timeout - (op & CLOCK_REALTIME ? k.bootTimeNs : 0),
          val3,
        )
      case OP.wake:
        return k.settle(this.#futexWake(uaddr, flags, val, MATCH_ANY))
      case OP.wakeBitset:
        return k.settle(val3 === 0 ? -ERRNO.EINVAL : this.#futexWake(uaddr, flags, val, val3))
      case OP.requeue:
      case OP.cmpRequeue:
        return k.settle(this.#requeue(uaddr, val, uaddr2, val2, (op & CMD_MASK) === OP.cmpRequeue ? val3 : undefined))
      default:
        return k.settle(-ERRNO.ENOSYS)
    }
  }

  #wait(address: number, expected: number, deadlineNs: number, bitset: number): MaybeWait<number> {
    const k = this.#k
    const value = this.#read(address)
    if (value === undefined) return k.settle(-ERRNO.EFAULT)
    if (value !== expected >> 0) return k.settle(-ERRNO.EAGAIN)
    return this.#sleep(address, deadlineNs, bitset)
  }

  *#sleep(address: number, deadlineNs: number, bitset: number): Wait<number> {
    const k = this.#k
    const task = k.current
    const sleeper: Sleeper = { mm: task.mm!, address, bitset, task, woken: false }
    this.#sleepers.push(sleeper)
    const options = deadlineNs === 0 ? {} : { timeoutNs: Math.max(0, deadlineNs - k.nowNs) }
    const slept = k.sleeps.wait([], () => sleeper.woken, options)
    const error = isWait(slept) ? yield* slept : slept
    const i = this.#sleepers.indexOf(sleeper)
    if (i >= 0) this.#sleepers.splice(i, 1)
    const end = k.settle(error === -ERRNO.ETIME ? -ERRNO.ETIMEDOUT : error)
    return isWait(end) ? yield* end : end
  }

  #requeue(from: number, wake: number, to: number, move: number, expected: number | undefined): number {
    if (expected !== undefined) {
      const value = this.#read(from)
      if (value === undefined) return -ERRNO.EFAULT
      if (value !== expected >> 0) return -ERRNO.EAGAIN
    }
    const mm = this.#k.current.mm!
    const woken = this.wake(mm, from, wake)
    let moved = 0
    for (const sleeper of this.#sleepers) {
      if (moved >= move) break
      if (sleeper.mm !== mm || sleeper.address !== from) continue
      sleeper.address = to
      moved++
    }
    return expected === undefined ? woken : woken + moved
  }

  #release(sleeper: Sleeper): void {
    sleeper.woken = true
    this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
    this.#k.sched.tryToWakeUp(sleeper.task, STATE.interruptible | STATE.uninterruptible, 0)
  }

  #read(address: number): number | undefined {
    const bytes = new Uint8Array(4)
    const { mm } = this.#k.current
    if (mm?.read(address, bytes, 0, 4) !== 0) return undefined
    return new DataView(bytes.buffer).getInt32(0, true)
  }
}
