// What bpf_trace_printk() and its like print, as /sys/kernel/tracing/trace_pipe shows it:
//
//             sleep-1234    [001] ...21    12.345678: bpf_trace_printk: text
//   task's name-pid       [cpu] flags    seconds
//
// The flags are those of a program in process context: interrupts on, no reschedule due, preemption off twice and migration once.

import type { Kernel } from '../kernel-sim/kernel.ts'

export interface PrintkLine {
  readonly timeNs: number
  readonly cpu: number
  readonly pid: number
  readonly comm: string
  readonly text: string
}

/** Lines kept for whoever reads later; older ones are dropped, and counted, as a full trace buffer overwrites. */
const CAPACITY = 16_384

export class TracePipe {
  readonly #kernel: Kernel
  #lines: PrintkLine[] = []
  /** Lines that nobody read in time. */
  lost = 0
  /** Called for each line as it is printed. */
  onLine: ((line: PrintkLine) => void) | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  printk(text: string): void {
    const { current, cpu } = this.#kernel
    const line = { timeNs: cpu.nowNs, cpu: cpu.id, pid: current.pid, comm: current.comm, text }
    if (this.#lines.length === CAPACITY) {
      this.#lines.shift()
      this.lost++
    }
    this.#lines.push(line)
    this.onLine?.(line)
  }

  /** The lines since the last call, taken out as reading trace_pipe does. */
  take(): PrintkLine[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }
}

/** One line as tracefs prints it, newline included. */
export function formatLine({ timeNs, cpu, pid, comm, text }: PrintkLine): string {
  const microseconds = Math.round(timeNs / 1000)
  const seconds = Math.floor(microseconds / 1e6)
  const fraction = String(microseconds % 1e6).padStart(6, '0')
  const task = `${comm.padStart(16)}-${String(pid).padEnd(7)}`
  const time = `${String(seconds).padStart(5)}.${fraction}`
  return `${task} [${String(cpu).padStart(3, '0')}] ...21 ${time}: bpf_trace_printk: ${text}\n`
}
