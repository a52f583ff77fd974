// What each of libbpf-tools' commands does around its BPF object (0.26, Debian 12), as far as its output depends on it: the globals it
// sets before loading, which of its programs it loads, and how it reads what they report. The objects hold no BTF of most events, so
// their layouts are declared here, from the bytes that the programs write.

import { array, char, s32, struct, u32, u64 } from '../../base/struct.ts'

export interface ToolPlan {
  readonly tool: string
  /** Kernels on which the tool of Debian 12 works as meant. */
  readonly kernels: readonly string[]
  /** Global variables as its command line without options sets them. */
  readonly variables: Readonly<Record<string, number | boolean>>
  /** The map it reads at the end; else the perf buffer `events` as it goes. */
  readonly map?: string
}

const BOTH = ['6.12', '6.1'] as const
const INVALID_UID = 0xffffffff

export const PLANS = {
  opensnoop: {
    tool: 'opensnoop',
    kernels: BOTH,
    variables: { targ_pid: 0, targ_tgid: 0, targ_uid: INVALID_UID, targ_failed: false },
  },
  execsnoop: {
    tool: 'execsnoop',
    kernels: BOTH,
    variables: { filter_cg: false, ignore_failed: true, targ_uid: INVALID_UID, max_args: 20 },
  },
  exitsnoop: {
    tool: 'exitsnoop',
    kernels: BOTH,
    variables: { filter_cg: false, target_pid: 0, trace_failed_only: false, trace_by_process: true },
  },
  // The command itself looks for a tracepoint that no kernel has and so loads none of its programs: they are attached directly.
  statsnoop: { tool: 'statsnoop', kernels: BOTH, variables: { target_pid: 0, trace_failed_only: false } },
  // As `syscount -L`: it counts calls whose entry it saw. Without -L a child's return from clone counts too, as on Linux.
  syscount: {
    tool: 'syscount',
    kernels: BOTH,
    variables: {
      filter_cg: false,
      count_by_process: false,
      measure_latency: true,
      filter_failed: false,
      filter_errno: 0,
      filter_pid: 0,
    },
    map: 'data',
  },
  // Tells the argument order of vfs_create() and vfs_unlink() from a struct member that Linux 6.3 renamed: there it reads the wrong ones.
  filelife: { tool: 'filelife', kernels: ['6.1'], variables: { targ_tgid: 0 } },
} as const satisfies Record<string, ToolPlan>

export const EVENTS = {
  opensnoop: struct('event', {
    ts: u64,
    pid: u32,
    uid: u32,
    ret: s32,
    flags: s32,
    callers: array(u64, 2),
    comm: array(char, 16),
    fname: array(char, 255),
  }),
  exitsnoop: struct('event', {
    start_time: u64,
    exit_time: u64,
    pid: u32,
    tid: u32,
    ppid: u32,
    sig: u32,
    exit_code: s32,
    comm: array(char, 16),
  }),
  statsnoop: struct('event', { ts_ns: u64, pid: u32, ret: s32, comm: array(char, 16), pathname: array(char, 255) }),
  filelife: struct('event', {
    file: array(char, 32),
    task: array(char, 16),
    delta_ns: u64,
    tgid: u32,
  }),
} as const
