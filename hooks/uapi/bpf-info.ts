// What BPF_OBJ_GET_INFO_BY_FD fills (6.12): struct bpf_prog_info, bpf_map_info, bpf_btf_info and bpf_link_info.

import { OBJ_NAME_LEN } from './bpf-attr.ts'
import { at, bytes, char, pointer, struct, u32, u64 } from './codec.ts'

export const PROG_INFO = struct({
  type: u32,
  id: u32,
  tag: bytes(8),
  jited_prog_len: u32,
  xlated_prog_len: u32,
  jited_prog_insns: pointer,
  xlated_prog_insns: pointer,
  load_time: u64,
  created_by_uid: u32,
  nr_map_ids: u32,
  map_ids: pointer,
  name: char(OBJ_NAME_LEN),
  ifindex: u32,
  /** bit 0 of a bitfield */
  gpl_compatible: u32,
  netns_dev: u64,
  netns_ino: u64,
  nr_jited_ksyms: u32,
  nr_jited_func_lens: u32,
  jited_ksyms: pointer,
  jited_func_lens: pointer,
  btf_id: u32,
  func_info_rec_size: u32,
  func_info: pointer,
  nr_func_info: u32,
  nr_line_info: u32,
  line_info: pointer,
  jited_line_info: pointer,
  nr_jited_line_info: u32,
  line_info_rec_size: u32,
  jited_line_info_rec_size: u32,
  nr_prog_tags: u32,
  prog_tags: pointer,
  run_time_ns: u64,
  run_cnt: u64,
  recursion_misses: u64,
  verified_insns: u32,
  attach_btf_obj_id: u32,
  attach_btf_id: u32,
})

export const MAP_INFO = struct({
  type: u32,
  id: u32,
  key_size: u32,
  value_size: u32,
  max_entries: u32,
  map_flags: u32,
  name: char(OBJ_NAME_LEN),
  ifindex: u32,
  btf_vmlinux_value_type_id: u32,
  netns_dev: u64,
  netns_ino: u64,
  btf_id: u32,
  btf_key_type_id: u32,
  btf_value_type_id: u32,
  btf_vmlinux_id: u32,
  map_extra: u64,
})

export const BTF_INFO = struct({ btf: pointer, btf_size: u32, id: u32, name: pointer, name_len: u32, kernel_btf: u32 })

/** enum bpf_link_type */
export const LINK_TYPE = {
  unspec: 0,
  raw_tracepoint: 1,
  tracing: 2,
  cgroup: 3,
  iter: 4,
  netns: 5,
  xdp: 6,
  perf_event: 7,
  kprobe_multi: 8,
  struct_ops: 9,
  netfilter: 10,
  tcx: 11,
  uprobe_multi: 12,
  netkit: 13,
  sockmap: 14,
} as const

/** enum bpf_perf_event_type, in bpf_link_info.perf_event.type */
export const PERF_EVENT_LINK = { uprobe: 1, uretprobe: 2, kprobe: 3, kretprobe: 4, tracepoint: 5, event: 6 } as const

/** The members from offset 16 on are a union over the link's type. */
export const LINK_INFO = struct({
  type: u32,
  id: u32,
  prog_id: u32,
  raw_tp_name: at(16, pointer),
  raw_tp_name_len: at(24, u32),
  tracing_attach_type: at(16, u32),
  tracing_target_obj_id: at(20, u32),
  tracing_target_btf_id: at(24, u32),
  kprobe_multi_addrs: at(16, pointer),
  kprobe_multi_count: at(24, u32),
  kprobe_multi_flags: at(28, u32),
  kprobe_multi_missed: at(32, u64),
  perf_event_type: at(16, u32),
  perf_event_name: at(24, pointer),
  perf_event_name_len: at(32, u32),
  perf_event_offset: at(36, u32),
  perf_event_addr: at(40, u64),
  perf_event_missed: at(48, u64),
  perf_event_cookie: at(56, u64),
  perf_event_tp_cookie: at(40, u64),
})
