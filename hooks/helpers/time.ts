// Clocks other than the monotonic one. The simulated machine is never suspended; TAI is UTC (no leap second table is loaded).

import type { HelperFamily } from './family.ts'

/** CONFIG_HZ of Debian's kernels. */
export const HZ = 250
/** jiffies at boot: five minutes before the 32-bit counter wraps, so that wrapping shows early. */
const INITIAL_JIFFIES = 0x1_0000_0000 - 300 * HZ
const TICK_NS = 1e9 / HZ

export const timeHelpers: HelperFamily = ({ kernel, machine }) => {
  const give = (value: number): number => machine.giveU64(value | 0, Math.floor(value / 0x1_0000_0000))
  return [
    {
      id: 160,
      name: 'ktime_get_coarse_ns',
      takes: [],
      gives: 'u64',
      run: () => give(Math.floor(kernel.nowNs / TICK_NS) * TICK_NS),
    },
    { id: 208, name: 'ktime_get_tai_ns', takes: [], gives: 'u64', run: () => give(kernel.bootTimeNs + kernel.nowNs) },
    {
      id: 118,
      name: 'jiffies64',
      takes: [],
      gives: 'u64',
      run: () => give(INITIAL_JIFFIES + Math.floor(kernel.nowNs / TICK_NS)),
    },
  ]
}
