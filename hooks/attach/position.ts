// Where kernel code stands when a program fires: what its kernel stack begins with.

import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { FunctionCall } from '../../kernel-sim/trace/function.ts'
import type { CodePosition } from '../run.ts'

/**
 * How far behind a function's symbol its entry probe sits, plus the breakpoint's byte: kernels since 6.2 are built with
 * endbr64 in front (CONFIG_X86_KERNEL_IBT), so that `vfs_read+5` is what stacks of kprobes begin with; before, `vfs_read+1`.
 */
export function entryOffset(release: string): number {
  const [major = 0, minor = 0] = release.split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 2) ? 5 : 1
}

/** A tracepoint in the function that runs now. */
export function atTracepoint(where: CodePosition, kernel: Kernel): void {
  const { current } = kernel
  where.ip = current.ip === 0 ? 0 : (current.ip + INSIDE) | 0
  where.bp = current.bp
  where.functionIp = 0
}

/** The same distance into a function that Task.kernelStack() takes. */
const INSIDE = 0x2b

/** A function that was just entered: its frame is on the stack already. */
export function atEntry(where: CodePosition, call: FunctionCall, offset: number): void {
  where.ip = (call.fn.address + offset) | 0
  where.bp = call.sp - 8
  where.functionIp = call.fn.address
}

/** A function about to return: the stack is its caller's. */
export function atReturn(where: CodePosition, kernel: Kernel, call: FunctionCall): void {
  where.ip = kernel.mem.i32[call.sp >> 2]!
  where.bp = call.bp
  where.functionIp = call.fn.address
}
