// Helpers that need the platform only: time, CPU, chance, bounded loops.

import { ERRNO } from '../../../base/errno.ts'
import type { Machine } from '../../machine.ts'
import type { BoundHelper } from './bound.ts'

const TWO_32 = 0x1_0000_0000
/** BPF_MAX_LOOPS */
const MAX_LOOPS = 8 << 20

export function basicHelpers(machine: Machine): readonly BoundHelper[] {
  const { platform } = machine
  const giveNow = (): number => {
    const now = platform.nowNs()
    return machine.giveU64(now | 0, Math.floor(now / TWO_32))
  }
  return [
    { id: 5, name: 'ktime_get_ns', takes: [], gives: 'u64', run: giveNow },
    // The simulated machine is never suspended, so the boot clock is the monotonic one.
    { id: 125, name: 'ktime_get_boot_ns', takes: [], gives: 'u64', run: giveNow },
    { id: 7, name: 'get_prandom_u32', takes: [], gives: 'u32', run: () => platform.random() | 0 },
    { id: 8, name: 'get_smp_processor_id', takes: [], gives: 'u32', run: () => platform.cpu() },
    // One memory node, as on a small machine.
    { id: 42, name: 'get_numa_node_id', takes: [], gives: 's32', run: () => 0 },
    {
      id: 181,
      name: 'loop',
      takes: ['u32', 'func', 'u64', 'u64'],
      gives: 's32',
      run: (count, callback, contextLo, contextHi, lo, hi) => {
        if (lo !== 0 || hi !== 0) return -ERRNO.EINVAL
        if (count >>> 0 > MAX_LOOPS) return -ERRNO.E2BIG
        for (let i = 0; i < count; i++) if (machine.call(callback, i, 0, contextLo, contextHi) !== 0) return i + 1
        return count
      },
    },
  ]
}
