// struct pt_regs of x86-64, 168 bytes, as kprobe programs and PT_REGS_* macros read it. User API, the same in every version.

import type { KernelMemory } from '../../base/memory.ts'
import { KERNEL_HI, TEXT_HI } from '../../base/memory.ts'

// biome-ignore format: a table of offsets reads better dense
export const PT_REGS = {
  r15: 0, r14: 8, r13: 16, r12: 24, bp: 32, bx: 40, r11: 48, r10: 56, r9: 64, r8: 72, ax: 80, cx: 88, dx: 96, si: 104, di: 112,
  orig_ax: 120, ip: 128, cs: 136, flags: 144, sp: 152, ss: 160,
} as const
export const PT_REGS_BYTES = 168

/** Registers of the first six arguments of a kernel function, in order. */
const ARGUMENTS = [PT_REGS.di, PT_REGS.si, PT_REGS.dx, PT_REGS.cx, PT_REGS.r8, PT_REGS.r9] as const

export const KERNEL_CS = 0x10
export const KERNEL_DS = 0x18
/** Interrupts on, and the bit that is always set. */
const FLAGS = 0x202

function put(mem: KernelMemory, at: number, lo: number, hi: number): void {
  mem.i32[at >> 2] = lo
  mem.i32[(at >> 2) + 1] = hi
}

/** What a probe interrupts: kernel code at `ip`, `sp` and `bp` being offsets. `args` is the offset of `count` u64 arguments. */
export interface KernelRegs {
  readonly ip: number
  readonly sp: number
  readonly bp: number
  readonly args: number
  readonly count: number
}

/** Fill the pt_regs at `at` for a function that was just entered (kprobe). Registers that hold no argument are 0. */
export function writeEntryRegs(mem: KernelMemory, at: number, regs: KernelRegs): void {
  mem.u8.fill(0, at, at + PT_REGS_BYTES)
  const { i32 } = mem
  for (let i = 0; i < regs.count && i < ARGUMENTS.length; i++) {
    const from = (regs.args + i * 8) >> 2
    put(mem, at + ARGUMENTS[i]!, i32[from]!, i32[from + 1]!)
  }
  put(mem, at + PT_REGS.orig_ax, -1, -1)
  put(mem, at + PT_REGS.ip, regs.ip, TEXT_HI)
  put(mem, at + PT_REGS.sp, regs.sp, KERNEL_HI)
  put(mem, at + PT_REGS.bp, regs.bp, regs.bp === 0 ? 0 : KERNEL_HI)
  put(mem, at + PT_REGS.cs, KERNEL_CS, 0)
  put(mem, at + PT_REGS.ss, KERNEL_DS, 0)
  put(mem, at + PT_REGS.flags, FLAGS, 0)
}

/**
 * The same for a function that returns (kretprobe): ax holds the result, a u64 at offset `result`; ip is the address it returns
 * to. The argument registers are the callee's to use and hold nothing of meaning: they are 0.
 */
export function writeReturnRegs(
  mem: KernelMemory,
  at: number,
  regs: Omit<KernelRegs, 'args' | 'count'>,
  result: number,
): void {
  writeEntryRegs(mem, at, { ...regs, args: 0, count: 0 })
  put(mem, at + PT_REGS.ax, mem.i32[result >> 2]!, mem.i32[(result >> 2) + 1]!)
}

/** perf_fetch_caller_regs(): what a tracepoint's stack is taken from; only ip, sp, bp, cs and flags are set. */
export function writeCallerRegs(mem: KernelMemory, at: number, ip: number, sp: number, bp: number): void {
  writeEntryRegs(mem, at, { ip, sp, bp, args: 0, count: 0 })
  put(mem, at + PT_REGS.orig_ax, 0, 0)
  put(mem, at + PT_REGS.flags, 0, 0)
}
