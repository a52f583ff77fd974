#!/usr/bin/env bpfsim
// hello.ts: count the programs that a shell session starts, in assembler.     bpfsim run hello
//
//   execve was called 75 times in 297.3 ms
import { boot, program, u32, u64 } from 'bpfsim'

using kernel = boot({ workload: 'shell' })
using hello = kernel.load(
  program({
    section: 'tracepoint/syscalls/sys_enter_execve',
    maps: { counts: { type: 'array', key: u32, value: u64, maxEntries: 1 } },
    asm: `
      *(u32 *)(r10 - 4) = 0               // the key of the only element
      r1 = map[counts]
      r2 = r10
      r2 += -4
      call bpf_map_lookup_elem
      if r0 == 0 goto out
      r1 = 1
      lock *(u64 *)(r0 + 0) += r1
    out:
      r0 = 0
      exit`,
  }),
)
hello.attach()
await kernel.run()
console.log(`execve was called ${hello.maps.counts.get(0)} times in ${(kernel.nowNs / 1e6).toFixed(1)} ms`)
