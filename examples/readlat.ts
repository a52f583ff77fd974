#!/usr/bin/env bpfsim
// readlat.ts: how long reads take, per program, from kprobe to kretprobe.     bpfsim run readlat
//
//   cat, nanoseconds:
//   [128, 256)            30 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
//
//   gcc, nanoseconds:
//   [128, 256)             5 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
//
//   ls, nanoseconds:
//   [128, 256)             5 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
//
//   grep, nanoseconds:
//   [128, 256)            30 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
//
//   …
import { boot, log2Histogram, readObject } from 'bpfsim'
import type { Readlat } from './readlat.types.ts'

using kernel = boot({ workload: 'shell' })
const spec = await readObject<Readlat>(new URL('./readlat.bpf.o', import.meta.url))
using reads = kernel.load(spec)
reads.attach()
await kernel.run()
for (const [{ comm }, { slots }] of reads.maps.latency) console.log(`${comm}, nanoseconds:\n${log2Histogram(slots)}`)
