#!/usr/bin/env bpfsim
// execsnoop.ts: every program that is started, with its arguments.     bpfsim run execsnoop
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
