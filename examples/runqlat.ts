#!/usr/bin/env bpfsim
// runqlat.ts: how long tasks that could run wait for a CPU.     bpfsim run runqlat
import { boot, readObject, toolsHistogram } from 'bpfsim'
import type { Runqlat } from './runqlat.types.ts'

using kernel = boot({ cpus: 1, workload: 'shell' })
const spec = await readObject<Runqlat>(new URL('./runqlat.bpf.o', import.meta.url))
using waits = kernel.load(spec)
waits.attach()
await kernel.run()
console.log(toolsHistogram(waits.variables.wait.slots, 'usecs'))
