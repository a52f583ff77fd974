#!/usr/bin/env bpfsim
// execsnoop.ts: every program that is started, with its arguments.     bpfsim run execsnoop
//
//   COMM             PID    PPID   RET ARGS
//   sh               1003   1002    -2 ls /etc
//   ls               1003   1002     0 ls /etc
//   sh               1004   1002    -2 cat /etc/hosts /etc/hostname /etc/motd
//   cat              1004   1002     0 cat /etc/hosts /etc/hostname /etc/motd
//   sh               1005   1002    -2 grep root /etc/passwd /etc/group /etc/shadow-
//   grep             1005   1002     0 grep root /etc/passwd /etc/group /etc/shadow-
//   cat              1006   1002     0 cat /etc/services
//   grep             1007   1002     0 grep http /etc/services
//   sh               1008   1002    -2 gcc hello.c
//   gcc              1008   1002     0 gcc hello.c
//   cc1              1009   1008     0 cc1 /tmp/cc210493.s
//   …
import { boot, readObject } from 'bpfsim'
import type { Execsnoop } from './execsnoop.types.ts'

using kernel = boot({ cpus: 2, workload: 'shell' })
const spec = await readObject<Execsnoop>(new URL('./execsnoop.bpf.o', import.meta.url))
spec.variables.with_failed = true
using execs = kernel.load(spec)
execs.attach()
using events = execs.maps.events.reader()
console.log('COMM             PID    PPID   RET ARGS')
for await (const { data } of events) {
  const { comm, pid, ppid, ret, args, argc } = data
  console.log(
    `${comm.padEnd(16)} ${String(pid).padEnd(6)} ${String(ppid).padEnd(6)} ${String(ret).padStart(3)} ${args.slice(0, argc).join(' ')}`,
  )
}
