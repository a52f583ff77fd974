// Per-CPU variables of the kernel. Their address is an offset into each CPU's unit, as in Linux.

import type { HelperFamily } from './family.ts'

export const percpuHelpers: HelperFamily = ({ kernel }) => [
  {
    id: 153,
    name: 'per_cpu_ptr',
    takes: ['u64', 'u32'],
    gives: 'ptr',
    run: (symbol, _hi, cpu) => {
      const { percpu, cpus } = kernel
      return cpu >>> 0 < cpus.length ? percpu.unit(cpu) + symbol : 0
    },
  },
  {
    id: 154,
    name: 'this_cpu_ptr',
    takes: ['u64'],
    gives: 'ptr',
    run: (symbol) => kernel.cpu.unit + symbol,
  },
]
