// Where the active kernel keeps the members of mm_struct and vm_area_struct that memory management writes.

import type { Layouts } from '../../base/layouts.ts'

// biome-ignore format: a table reads better dense
const MM = {
  mm_count: 'mm_count', mm_users: 'mm_users', mmap_base: 'mmap_base', task_size: 'task_size', map_count: 'map_count',
  hiwater_rss: 'hiwater_rss', hiwater_vm: 'hiwater_vm', total_vm: 'total_vm', data_vm: 'data_vm', exec_vm: 'exec_vm',
  stack_vm: 'stack_vm', pgtables_bytes: 'pgtables_bytes', start_code: 'start_code', end_code: 'end_code',
  start_data: 'start_data', end_data: 'end_data', start_brk: 'start_brk', brk: 'brk', start_stack: 'start_stack',
  arg_start: 'arg_start', arg_end: 'arg_end', env_start: 'env_start', env_end: 'env_end', saved_auxv: 'saved_auxv',
  owner: 'owner', exe_file: 'exe_file', flags: 'flags',
} as const

// biome-ignore format: a table reads better dense
const VMA = {
  vm_start: 'vm_start', vm_end: 'vm_end', vm_mm: 'vm_mm', vm_page_prot: 'vm_page_prot', vm_flags: 'vm_flags',
  vm_pgoff: 'vm_pgoff', vm_file: 'vm_file',
} as const

export interface MmLayout {
  readonly mmSize: number
  readonly mm: Readonly<Record<keyof typeof MM, number>>
  readonly vmaSize: number
  readonly vma: Readonly<Record<keyof typeof VMA, number>>
  /** Offset in mm_struct of the counter of resident pages of each kind (enum MM_FILEPAGES ...). */
  readonly rss: readonly number[]
}

export function mmLayout(layouts: Layouts): MmLayout {
  // Counters were plain longs in struct mm_rss_stat until 6.1 and are percpu_counters since; of those `count` is the settled sum.
  const stat = layouts.field('mm_struct', 'rss_stat')?.offset ?? -1
  const percpu = layouts.field('mm_struct', 'rss_stat.count') === undefined
  const step = percpu ? layouts.sizeOf('percpu_counter') : 8
  const first = percpu ? stat + (layouts.field('percpu_counter', 'count')?.offset ?? 0) : stat
  return {
    mmSize: layouts.sizeOf('mm_struct'),
    mm: layouts.bind('mm_struct', MM),
    vmaSize: layouts.sizeOf('vm_area_struct'),
    vma: layouts.bind('vm_area_struct', VMA),
    rss: [0, 1, 2, 3].map((kind) => first + kind * step),
  }
}
