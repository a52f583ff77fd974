// Where a recorded program's memory lay. Linux draws these places at random; a recording knows them, so that the addresses in its
// calls are mapped in the replay too.

import type { ExecPlace } from '../../kernel-sim/mm/exec-image.ts'
import type { RecordedProcess } from './processes.ts'
import type { RecordedCall } from './strace/record.ts'

/** Addresses above this lie on the main thread's stack, in every layout of x86-64. */
const STACK_AREA = 0x7ff0_0000_0000
const TASK_SIZE = 0x7fff_ffff_f000
const PAGE = 0x1000
/**
 * Between the highest stack address seen and the stack's top lie at least the program's arguments, environment and auxiliary vector;
 * how much is not recorded.
 */
const ABOVE_STACK = 16 * PAGE

/** Programs lie below, what mmap places above. */
const MMAP_AREA = 0x7000_0000_0000

const numberOf = (call: RecordedCall, index: number): number => {
  const arg = call.args[index]
  return arg?.kind === 'number' ? Number(arg.value) : 0
}

/** The address that an mmap call chose by itself, or 0. */
export function chosenByMmap(call: RecordedCall): number {
  if (call.name !== 'mmap' || call.result.errno !== undefined) return 0
  return Number(call.result.value ?? 0n)
}

/** `drawn` corrected by what the calls after an execve, up to the next one, show of the new image. */
export function recordedPlace(process: RecordedProcess, exec: RecordedCall, drawn: ExecPlace): ExecPlace {
  let startBrk = 0
  let highest = 0
  const mapped: { at: number; end: number }[] = []
  let relro: ExecPlace['relro']
  let loaderRelro: ExecPlace['loaderRelro']
  for (const call of process.calls) {
    if (call.line <= exec.line) continue
    if (call.name === 'execve' && call.result.value === 0n) break
    if (call.name === 'brk' && startBrk === 0) startBrk = Number(call.result.value ?? 0n)
    const bytes = numberOf(call, 1)
    const chosen = chosenByMmap(call)
    if (chosen !== 0) mapped.push({ at: chosen, end: chosen + Math.ceil(bytes / PAGE) * PAGE })
    if (call.name === 'mprotect' && call.result.errno === undefined) {
      // What no mmap made is the program's own image, or its loader's.
      const at = numberOf(call, 0)
      if (!mapped.some((range) => at >= range.at && at < range.end)) {
        if (at < MMAP_AREA) relro ??= { at, bytes }
        else loaderRelro ??= { at, bytes }
      }
    }
    for (const arg of call.args) {
      if (arg.kind !== 'number') continue
      const address = Number(arg.value)
      if (address >= STACK_AREA && address < TASK_SIZE) highest = Math.max(highest, address)
    }
  }
  return {
    ...drawn,
    ...(startBrk > 0 ? { startBrk } : {}),
    relro,
    loaderRelro,
    ...(highest > 0 ? { stackTop: Math.min(TASK_SIZE, Math.ceil(highest / PAGE) * PAGE + ABOVE_STACK) } : {}),
  }
}
