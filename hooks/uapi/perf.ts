// perf_event_open(2): struct perf_event_attr (PERF_ATTR_SIZE_VER8), its numbers, the ioctls and the records of the ring buffer.

import { at, pointer, s32, struct, u16, u32, u64 } from './codec.ts'

/** attr.type. Dynamic PMUs (kprobe, uprobe) have the number that /sys/bus/event_source/devices/NAME/type shows. */
export const PERF_TYPE = { hardware: 0, software: 1, tracepoint: 2, hw_cache: 3, raw: 4, breakpoint: 5 } as const
export const PMU_TYPE = { kprobe: 8, uprobe: 9 } as const

export const PERF_COUNT_SW = {
  cpu_clock: 0,
  task_clock: 1,
  page_faults: 2,
  context_switches: 3,
  cpu_migrations: 4,
  page_faults_min: 5,
  page_faults_maj: 6,
  alignment_faults: 7,
  emulation_faults: 8,
  dummy: 9,
  bpf_output: 10,
  cgroup_switches: 11,
} as const

/** Bits of attr.flags, a bitfield from bit 0 on. */
export const PERF_ATTR = { disabled: 1n << 0n, inherit: 1n << 1n, freq: 1n << 10n, watermark: 1n << 14n } as const

/** Flags of perf_event_open(2). */
export const PERF_FLAG = { fd_no_group: 1, fd_output: 2, pid_cgroup: 4, fd_cloexec: 8 } as const

/** Bits of attr.sample_type. */
export const PERF_SAMPLE = {
  ip: 1n << 0n,
  tid: 1n << 1n,
  time: 1n << 2n,
  addr: 1n << 3n,
  read: 1n << 4n,
  callchain: 1n << 5n,
  id: 1n << 6n,
  cpu: 1n << 7n,
  period: 1n << 8n,
  stream_id: 1n << 9n,
  raw: 1n << 10n,
  identifier: 1n << 16n,
} as const
/** PERF_SAMPLE_MAX: the first bit that no kernel of this version knows. */
export const PERF_SAMPLE_MAX = 1n << 25n

/** Bytes of the first version of struct perf_event_attr. */
export const PERF_ATTR_SIZE_VER0 = 64

export const PERF_EVENT_ATTR = struct({
  type: u32,
  size: u32,
  config: u64,
  /** also sample_freq */
  sample_period: u64,
  sample_type: u64,
  read_format: u64,
  flags: u64,
  /** also wakeup_watermark */
  wakeup_events: u32,
  bp_type: u32,
  config1: u64,
  config2: u64,
  branch_sample_type: u64,
  sample_regs_user: u64,
  sample_stack_user: u32,
  clockid: s32,
  sample_regs_intr: u64,
  aux_watermark: u32,
  sample_max_stack: u16,
  reserved_2: u16,
  aux_sample_size: u32,
  reserved_3: u32,
  sig_data: u64,
  config3: u64,
  /** config1 as the name of a function, config2 as the offset in it or, without a name, its address */
  kprobe_func: at(56, pointer),
  probe_offset: at(64, u64),
})

export const PERF_IOC = {
  enable: 0x2400,
  disable: 0x2401,
  refresh: 0x2402,
  reset: 0x2403,
  period: 0x40082404,
  set_output: 0x2405,
  set_filter: 0x40082406,
  id: 0x80082407,
  set_bpf: 0x40042408,
  pause_output: 0x40042409,
  query_bpf: 0xc008240a,
} as const

export const PERF_RECORD = { lost: 2, sample: 9 } as const

/** struct perf_event_mmap_page: the reader's and the writer's position. */
export const PERF_MMAP_PAGE = { data_head: 1024, data_tail: 1032, data_offset: 1040, data_size: 1048 } as const
