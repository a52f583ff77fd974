#!/usr/bin/env bpfsim
// runqlat.ts: how long tasks that could run wait for a CPU.     bpfsim run runqlat
//
//        usecs               : count    distribution
//            0 -> 1          : 75       |****************************************|
//            2 -> 3          : 0        |                                        |
//            4 -> 7          : 0        |                                        |
//            8 -> 15         : 0        |                                        |
//           16 -> 31         : 5        |**                                      |
//           32 -> 63         : 0        |                                        |
//           64 -> 127        : 0        |                                        |
//          128 -> 255        : 7        |***                                     |
//          256 -> 511        : 10       |*****                                   |
//          512 -> 1023       : 0        |                                        |
//         1024 -> 2047       : 5        |**                                      |
import { boot, readObject, toolsHistogram } from 'bpfsim'
import type { Runqlat } from './runqlat.types.ts'

using kernel = boot({ cpus: 1, workload: 'shell' })
const spec = await readObject<Runqlat>(new URL('./runqlat.bpf.o', import.meta.url))
using waits = kernel.load(spec)
waits.attach()
await kernel.run()
console.log(toolsHistogram(waits.variables.wait.slots, 'usecs'))
