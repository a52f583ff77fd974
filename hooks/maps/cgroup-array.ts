// BPF_MAP_TYPE_CGROUP_ARRAY: cgroups by index, put in through descriptors of their directories. Programs ask whether a task is in
// one of them (bpf_current_task_under_cgroup).

import { mapType } from '../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { checkFdArray, FdArray } from './perf-event-array.ts'

/** A cgroup, by the offset of its struct cgroup. */
export interface CgroupRef {
  readonly at: number
}

export class CgroupArray extends FdArray<CgroupRef> {
  override get holds(): 'cgroup' {
    return 'cgroup'
  }
}

export const cgroupArray = mapType({
  type: MAP_TYPE.cgroup_array,
  name: 'cgroup_array',
  check: checkFdArray,
  create: (machine, attr) => new CgroupArray(machine, attr),
})
