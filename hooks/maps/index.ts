// The map types of a host: those that need no kernel, and those that do.

import { mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import { cgroupArray } from './cgroup-array.ts'
import { perfEventArray } from './perf-event-array.ts'
import { stackTrace } from './stack-trace.ts'

export const hostMapTypes = mapTypes(...plainMapTypes, perfEventArray, stackTrace, cgroupArray)
