// Walking stacks. Kernel stacks by frame pointers, as the kernel's functions leave them in memory; the stack of a task that sleeps
// is there too. User stacks by the frame pointers of its memory, as perf_callchain_user() does, page faults ending them.

import { KERNEL_HI, type KernelMemory } from '../../base/memory.ts'
import type { CodePosition } from '../run.ts'

/** PERF_MAX_STACK_DEPTH and the sysctl's default. */
export const MAX_STACK_DEPTH = 127

/**
 * Low words of the text addresses on a kernel stack, innermost first, at most `max`. `low` and `high` bound the stack: a frame
 * pointer outside of them ends the walk.
 */
export function kernelStack(mem: KernelMemory, from: CodePosition, low: number, high: number, max: number): number[] {
  const { i32 } = mem
  const stack: number[] = []
  if (from.ip !== 0) stack.push(from.ip)
  let bp = from.bp
  while (stack.length < max && bp >= low && bp + 16 <= high) {
    const next = i32[bp >> 2]!
    const address = i32[(bp + 8) >> 2]!
    if (address === 0) break
    stack.push(address)
    if (i32[(bp + 4) >> 2] !== KERNEL_HI || next <= bp) break
    bp = next
  }
  return stack
}
