#!/usr/bin/env bpfsim
// syscalls.ts: which system calls a shell session makes, counted in a hash map by assembler.     bpfsim run syscalls
//
//      181 openat
//      146 close
//       82 read
//       80 newfstatat
//       75 execve
//       46 exit_group
//       45 wait4
//       45 clone
//       44 write
//       40 brk
import { boot, program, u32, u64 } from 'bpfsim'

using kernel = boot({ workload: 'shell' })
using counting = kernel.load(
  program({
    section: 'raw_tp/sys_enter',
    maps: { counts: { type: 'hash', key: u32, value: u64, maxEntries: 512 } },
    asm: `
      r1 = *(u64 *)(r1 + 8)               // args[1]: the number of the call
      *(u32 *)(r10 - 4) = r1
      r1 = map[counts]
      r2 = r10
      r2 += -4
      call bpf_map_lookup_elem
      if r0 == 0 goto first
      r1 = 1
      lock *(u64 *)(r0 + 0) += r1
      goto out
    first:
      *(u64 *)(r10 - 16) = 1
      r1 = map[counts]
      r2 = r10
      r2 += -4
      r3 = r10
      r3 += -16
      r4 = 1                              // BPF_NOEXIST
      call bpf_map_update_elem
    out:
      r0 = 0
      exit`,
  }),
)
counting.attach()
await kernel.run()
const most = [...counting.maps.counts].sort(([, a], [, b]) => Number(b - a)).slice(0, 10)
for (const [number, count] of most) console.log(`${String(count).padStart(6)} ${kernel.syscallName(number)}`)
