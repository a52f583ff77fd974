#!/usr/bin/env bpfsim
// opensnoop.ts: every open as it happens.     bpfsim run opensnoop
import { boot, readObject } from 'bpfsim'
import type { Opensnoop } from './opensnoop.types.ts'

using kernel = boot({ cpus: 2, workload: 'shell' })
const spec = await readObject<Opensnoop>(new URL('./opensnoop.bpf.o', import.meta.url))
using opens = kernel.load(spec)
opens.attach()
using events = opens.maps.events.reader()
console.log('TIME       PID    COMM             RET PATH')
for await (const { timeNs, data } of events) {
  const time = (timeNs / 1e9).toFixed(6).padEnd(10)
  console.log(
    `${time} ${String(data.pid).padEnd(6)} ${data.comm.padEnd(16)} ${String(data.ret).padStart(3)} ${data.fname}`,
  )
}
if (events.lost) console.log(`lost ${events.lost}`)
