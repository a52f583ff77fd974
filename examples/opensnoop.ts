#!/usr/bin/env bpfsim
// opensnoop.ts: every open as it happens.     bpfsim run opensnoop
//
//   TIME       PID    COMM             RET PATH
//   0.004141   1002   sh                 3 /etc/profile
//   0.004327   1003   ls                 3 /etc/ld.so.cache
//   0.004329   1003   ls                 3 /lib/x86_64-linux-gnu/libc.so.6
//   0.004451   1003   ls                 3 /etc
//   0.004640   1004   cat                3 /etc/ld.so.cache
//   0.004642   1004   cat                3 /lib/x86_64-linux-gnu/libc.so.6
//   0.004763   1004   cat                3 /etc/hosts
//   0.004787   1004   cat                3 /etc/hostname
//   0.004804   1004   cat               -2 /etc/motd
//   0.004992   1005   grep               3 /etc/ld.so.cache
//   0.004994   1005   grep               3 /lib/x86_64-linux-gnu/libc.so.6
//   …
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
