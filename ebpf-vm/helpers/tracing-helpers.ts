// Helpers of the tracing family: kprobes, tracepoints, raw tracepoints, perf events, fentry/fexit, LSM and iterators.

import type { HelperProto } from '../../base/facts.ts'
import {
  anything,
  btf,
  btfOrNull,
  constMap,
  ctx,
  func,
  helper,
  mapValueOrNull,
  mem,
  memOrNull,
  memOut,
  memOutOrNull,
  size,
  sizeOrZero,
  stackOrNull,
} from './args.ts'

const groups = ['tracing'] as const

// biome-ignore format: one prototype per line reads as the table it is
export const TRACING_HELPERS: readonly HelperProto[] = [
  helper({ id: 16, name: 'get_current_comm', args: [memOut, size], returns: 'integer', groups: ['tracing', 'cgroup_common'] }),
  helper({ id: 36, name: 'probe_write_user', args: [anything, mem, size], returns: 'integer', groups, gplOnly: true }),
  helper({ id: 37, name: 'current_task_under_cgroup', args: [constMap, anything], returns: 'integer', groups: ['tracing', 'base_net_cgroup'] }),
  helper({ id: 4, name: 'probe_read', args: [memOut, sizeOrZero, anything], returns: 'integer', groups, gplOnly: true }),
  helper({ id: 45, name: 'probe_read_str', args: [memOut, sizeOrZero, anything], returns: 'integer', groups, gplOnly: true }),
  helper({ id: 22, name: 'perf_event_read', args: [constMap, anything], returns: 'integer', groups }),
  helper({ id: 55, name: 'perf_event_read_value', args: [constMap, anything, memOut, size], returns: 'integer', groups: ['kprobe', 'tracepoint', 'raw_tp', 'perf_event', 'tracing_prog'] }),
  helper({ id: 25, name: 'perf_event_output', args: [ctx, constMap, anything, mem, sizeOrZero], returns: 'integer', groups: ['kprobe', 'tracepoint', 'raw_tp', 'perf_event', 'tracing_prog'], gplOnly: true }),
  helper({ id: 27, name: 'get_stackid', args: [ctx, constMap, anything], returns: 'integer', groups: ['kprobe', 'tracepoint', 'raw_tp', 'perf_event', 'tracing_prog'], gplOnly: true }),
  helper({ id: 67, name: 'get_stack', args: [ctx, memOut, sizeOrZero, anything], returns: 'integer', groups: ['kprobe', 'tracepoint', 'raw_tp', 'perf_event', 'tracing_prog'], gplOnly: true }),
  helper({ id: 58, name: 'override_return', args: [ctx, anything], returns: 'integer', groups: ['kprobe'], gplOnly: true }),
  helper({ id: 56, name: 'perf_prog_read_value', args: [ctx, memOut, size], returns: 'integer', groups: ['perf_event'], gplOnly: true }),
  helper({ id: 119, name: 'read_branch_records', args: [ctx, memOutOrNull, sizeOrZero, anything], returns: 'integer', groups: ['perf_event'], gplOnly: true }),
  helper({ id: 109, name: 'send_signal', args: [anything], returns: 'integer', groups }),
  helper({ id: 117, name: 'send_signal_thread', args: [anything], returns: 'integer', groups }),
  helper({ id: 141, name: 'get_task_stack', args: [btf('task_struct'), memOut, sizeOrZero, anything], returns: 'integer', groups }),
  helper({ id: 148, name: 'copy_from_user', args: [memOut, sizeOrZero, anything], returns: 'integer', groups, mightSleep: true }),
  helper({ id: 156, name: 'task_storage_get', args: [constMap, btfOrNull('task_struct'), mapValueOrNull, anything], returns: 'map_value_or_null', groups }),
  helper({ id: 157, name: 'task_storage_delete', args: [constMap, btfOrNull('task_struct')], returns: 'integer', groups }),
  helper({ id: 180, name: 'find_vma', args: [btfOrNull('task_struct'), anything, func, stackOrNull, anything], returns: 'integer', groups }),
  helper({ id: 173, name: 'get_func_ip', args: [ctx], returns: 'integer', groups: ['kprobe', 'tracing_prog'] }),
  helper({ id: 174, name: 'get_attach_cookie', args: [ctx], returns: 'integer', groups: ['kprobe', 'tracepoint', 'perf_event', 'tracing_prog'] }),
  helper({ id: 183, name: 'get_func_arg', args: [ctx, anything, { kind: 'mem', bytes: 8, uninit: true, write: true, aligned: true }], returns: 'integer', groups: ['tracing_prog'] }),
  helper({ id: 184, name: 'get_func_ret', args: [ctx, { kind: 'mem', bytes: 8, uninit: true, write: true, aligned: true }], returns: 'integer', groups: ['tracing_prog'] }),
  helper({ id: 185, name: 'get_func_arg_cnt', args: [ctx], returns: 'integer', groups: ['tracing_prog'] }),
  helper({ id: 147, name: 'd_path', args: [btf('path'), memOut, sizeOrZero], returns: 'integer', groups: ['tracing_prog'] }),
  helper({ id: 126, name: 'seq_printf', args: [btf('seq_file'), mem, size, memOrNull, sizeOrZero], returns: 'integer', groups: ['iter'], gplOnly: true }),
  helper({ id: 127, name: 'seq_write', args: [btf('seq_file'), mem, sizeOrZero], returns: 'integer', groups: ['iter'], gplOnly: true }),
  helper({ id: 150, name: 'seq_printf_btf', args: [btf('seq_file'), mem, sizeOrZero, anything], returns: 'integer', groups: ['iter'], gplOnly: true }),
]
