// Virtual time that work takes, in nanoseconds, beyond what each function charges for its own code: one table, the same in every
// kernel. Orders of magnitude of a 3 GHz x86-64 machine; only their proportions matter to what tools show.

export const COST_NS = {
  /** Entering and leaving the kernel by SYSCALL, with its bookkeeping. */
  syscall: 120,
  /** __schedule(): choosing, switching stacks and address spaces. */
  contextSwitch: 900,
  /** Sending another CPU an interrupt so that it looks at its queue. */
  ipi: 400,
  /** An interrupt's entry and exit. */
  interrupt: 300,
  /** A timer tick's work. */
  tick: 1200,
  /** dup_task_struct() and the copies that a fork makes, without its pages. */
  fork: 25_000,
  /** Mapping a new image, without reading it. */
  exec: 120_000,
  exit: 15_000,
  signalFrame: 800,
} as const

/**
 * Leaving idle takes longer the longer a CPU idled, as deeper states are entered: rows of [idled at least, exit latency], the latencies
 * and residencies of C1, C1E and C6 in Linux's intel_idle table for Skylake servers.
 */
const IDLE_EXITS = [
  [600_000, 133_000],
  [20_000, 10_000],
  [0, 2_000],
] as const

export function idleExitNs(idledNs: number): number {
  for (const [least, exit] of IDLE_EXITS) if (idledNs >= least) return exit
  return 0
}

/** Scheduler ticks: HZ=250. */
export const TICK_NS = 4_000_000
/** How long a task runs while others wait (sysctl_sched_base_slice, scaled by the number of CPUs at boot). */
export const BASE_SLICE_NS = 750_000
