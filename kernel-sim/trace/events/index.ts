// All tracepoints but those of system calls, which follow from the system call table. A family is a table in its own file and is
// entered here; their ids follow this order.

import { rawSyscallEvents } from './raw-syscalls.ts'
import { schedEvents } from './sched.ts'
import { signalEvents } from './signal.ts'
import { sockEvents } from './sock.ts'
import { taskEvents } from './task.ts'

export const allEvents = { ...rawSyscallEvents, ...taskEvents, ...signalEvents, ...schedEvents, ...sockEvents } as const
