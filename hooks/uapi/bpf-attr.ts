// Commands of bpf(2) and the member of union bpf_attr that each one reads (include/uapi/linux/bpf.h of 6.12), with Linux's names.
// `outputs` are the fields that the kernel writes back. Unknown to us: BPF_PROG_STREAM_READ_BY_FD and whatever came after 6.12.

import { at, char, nested, pointer, type Struct, s32, struct, u32, u64 } from './codec.ts'

export const OBJ_NAME_LEN = 16

const mapElem = struct({ map_fd: u32, key: pointer, value: pointer, flags: u64 })
const nextKey = struct({ map_fd: u32, key: pointer, next_key: pointer })
const batch = struct({
  in_batch: pointer,
  out_batch: pointer,
  keys: pointer,
  values: pointer,
  count: u32,
  map_fd: u32,
  elem_flags: u64,
  flags: u64,
})
const objPath = struct({ pathname: pointer, bpf_fd: u32, file_flags: u32, path_fd: s32 })
const progAttach = struct({
  target_fd: u32,
  attach_bpf_fd: u32,
  attach_type: u32,
  attach_flags: u32,
  replace_bpf_fd: u32,
  relative_fd: u32,
  expected_revision: u64,
})
const nextId = struct({ start_id: u32, next_id: u32, open_flags: u32 })
const byId = struct({ id: u32, next_id: u32, open_flags: u32 })

const mapCreate = struct({
  map_type: u32,
  key_size: u32,
  value_size: u32,
  max_entries: u32,
  map_flags: u32,
  inner_map_fd: u32,
  numa_node: u32,
  map_name: char(OBJ_NAME_LEN),
  map_ifindex: u32,
  btf_fd: u32,
  btf_key_type_id: u32,
  btf_value_type_id: u32,
  btf_vmlinux_value_type_id: u32,
  map_extra: u64,
  value_type_btf_obj_fd: s32,
  map_token_fd: s32,
})

const progLoad = struct({
  prog_type: u32,
  insn_cnt: u32,
  insns: pointer,
  license: pointer,
  log_level: u32,
  log_size: u32,
  log_buf: pointer,
  kern_version: u32,
  prog_flags: u32,
  prog_name: char(OBJ_NAME_LEN),
  prog_ifindex: u32,
  expected_attach_type: u32,
  prog_btf_fd: u32,
  func_info_rec_size: u32,
  func_info: pointer,
  func_info_cnt: u32,
  line_info_rec_size: u32,
  line_info: pointer,
  line_info_cnt: u32,
  attach_btf_id: u32,
  /** also attach_btf_obj_fd */
  attach_prog_fd: u32,
  core_relo_cnt: u32,
  fd_array: pointer,
  core_relos: pointer,
  core_relo_rec_size: u32,
  log_true_size: u32,
  prog_token_fd: s32,
})

const testRun = struct({
  prog_fd: u32,
  retval: u32,
  data_size_in: u32,
  data_size_out: u32,
  data_in: pointer,
  data_out: pointer,
  repeat: u32,
  duration: u32,
  ctx_size_in: u32,
  ctx_size_out: u32,
  ctx_in: pointer,
  ctx_out: pointer,
  flags: u32,
  cpu: u32,
  batch_size: u32,
})

/** The members after `flags` are a union: the one that the program's attach type reads is the one that counts. */
const linkCreate = struct({
  /** also map_fd (struct_ops) */
  prog_fd: u32,
  /** also target_ifindex */
  target_fd: u32,
  attach_type: u32,
  flags: u32,
  target_btf_id: at(16, u32),
  iter_info: at(16, pointer),
  iter_info_len: at(24, u32),
  perf_event: at(16, nested(struct({ bpf_cookie: u64 }))),
  kprobe_multi: at(16, nested(struct({ flags: u32, cnt: u32, syms: pointer, addrs: pointer, cookies: pointer }))),
  tracing: at(16, nested(struct({ target_btf_id: u32, cookie: u64 }))),
})

/** Number, attribute struct and written-back fields of each command. */
export const COMMANDS = {
  map_create: { number: 0, attr: mapCreate, outputs: [] },
  map_lookup_elem: { number: 1, attr: mapElem, outputs: [] },
  map_update_elem: { number: 2, attr: mapElem, outputs: [] },
  map_delete_elem: { number: 3, attr: struct({ map_fd: u32, key: pointer }), outputs: [] },
  map_get_next_key: { number: 4, attr: nextKey, outputs: [] },
  prog_load: { number: 5, attr: progLoad, outputs: ['log_true_size'] },
  obj_pin: { number: 6, attr: objPath, outputs: [] },
  obj_get: { number: 7, attr: objPath, outputs: [] },
  prog_attach: { number: 8, attr: progAttach, outputs: [] },
  prog_detach: { number: 9, attr: progAttach, outputs: [] },
  prog_test_run: { number: 10, attr: testRun, outputs: ['retval', 'duration', 'data_size_out', 'ctx_size_out'] },
  prog_get_next_id: { number: 11, attr: nextId, outputs: ['next_id'] },
  map_get_next_id: { number: 12, attr: nextId, outputs: ['next_id'] },
  prog_get_fd_by_id: { number: 13, attr: byId, outputs: [] },
  map_get_fd_by_id: { number: 14, attr: byId, outputs: [] },
  obj_get_info_by_fd: {
    number: 15,
    attr: struct({ bpf_fd: u32, info_len: u32, info: pointer }),
    outputs: ['info_len'],
  },
  raw_tracepoint_open: {
    number: 17,
    attr: struct({ name: pointer, prog_fd: u32, pad: u32, cookie: u64 }),
    outputs: [],
  },
  btf_load: {
    number: 18,
    attr: struct({
      btf: pointer,
      btf_log_buf: pointer,
      btf_size: u32,
      btf_log_size: u32,
      btf_log_level: u32,
      btf_log_true_size: u32,
      btf_flags: u32,
      btf_token_fd: s32,
    }),
    outputs: ['btf_log_true_size'],
  },
  btf_get_fd_by_id: { number: 19, attr: byId, outputs: [] },
  map_lookup_and_delete_elem: { number: 21, attr: mapElem, outputs: [] },
  map_freeze: { number: 22, attr: struct({ map_fd: u32 }), outputs: [] },
  btf_get_next_id: { number: 23, attr: nextId, outputs: ['next_id'] },
  map_lookup_batch: { number: 24, attr: batch, outputs: ['count'] },
  map_lookup_and_delete_batch: { number: 25, attr: batch, outputs: ['count'] },
  map_update_batch: { number: 26, attr: batch, outputs: ['count'] },
  map_delete_batch: { number: 27, attr: batch, outputs: ['count'] },
  link_create: { number: 28, attr: linkCreate, outputs: [] },
  link_update: {
    number: 29,
    attr: struct({ link_fd: u32, new_prog_fd: u32, flags: u32, old_prog_fd: u32 }),
    outputs: [],
  },
  link_get_fd_by_id: { number: 30, attr: byId, outputs: [] },
  link_get_next_id: { number: 31, attr: nextId, outputs: ['next_id'] },
  enable_stats: { number: 32, attr: struct({ type: u32 }), outputs: [] },
  link_detach: { number: 34, attr: struct({ link_fd: u32 }), outputs: [] },
  prog_bind_map: { number: 35, attr: struct({ prog_fd: u32, map_fd: u32, flags: u32 }), outputs: [] },
} as const

export type Command = keyof typeof COMMANDS

/** A command's attributes, every field present. */
export type Attr<C extends Command> = (typeof COMMANDS)[C]['attr'] extends Struct<infer T> ? T : never

/** What a caller in TypeScript passes: absent fields are zero, as in a cleared union bpf_attr; outputs are written into it. */
export type AttrIn<C extends Command> = { -readonly [K in keyof Attr<C>]?: Attr<C>[K] }
