// Where a recorded program's memory lay. Linux draws these places at random; a recording knows them, so that the addresses in its
// calls are mapped in the replay too.

import type { Task } from '../../kernel-sim/task/task.ts'
import type { RecordedProcess } from './processes.ts'
import type { RecordedCall } from './strace/record.ts'

/** Addresses above this lie on the main thread's stack, in every layout of x86-64. */
const STACK_AREA = 0x7ff0_0000_0000

export interface ImagePlace {
  /** First address of the heap: what the first brk(NULL) returned. */
  readonly startBrk: number | undefined
  /** A page-aligned address above everything that was seen on the stack. */
  readonly stackTop: number | undefined
}

export class AddressHints {
  readonly #process: RecordedProcess

  constructor(process: RecordedProcess) {
    this.#process = process
  }

  /** Say where things go before the call is made. */
  before(task: Task, call: RecordedCall): void {
    const result = call.result.errno === undefined ? Number(call.result.value ?? 0n) : 0
    if (call.name === 'mmap' && result > 0) task.nextMapAt(result)
    if (call.name === 'execve' && call.result.value === 0n) task.nextImage(imageOf(this.#process, call))
  }
}

/** What the calls after an execve, up to the next one, show of the new image. */
export function imageOf(process: RecordedProcess, exec: RecordedCall): ImagePlace {
  let startBrk: number | undefined
  let highest = 0
  for (const call of process.calls) {
    if (call.line <= exec.line) continue
    if (call.name === 'execve' && call.result.value === 0n) break
    if (call.name === 'brk' && startBrk === undefined && call.result.value !== undefined)
      startBrk = Number(call.result.value)
    for (const arg of call.args) {
      if (arg.kind === 'number' && arg.value >= BigInt(STACK_AREA) && arg.value < 0x7fff_ffff_f000n) {
        highest = Math.max(highest, Number(arg.value))
      }
    }
  }
  // What lies above the highest address seen is not known: the strings of the program's arguments at least. 64 KiB hold those.
  const stackTop = highest === 0 ? undefined : Math.min(0x7fff_ffff_f000, (Math.ceil(highest / 0x1000) + 16) * 0x1000)
  return { startBrk, stackTop }
}
