// Flags of map creation and of element operations (include/uapi/linux/bpf.h), Linux's names without BPF_F_.

/** BPF_MAP_CREATE: bpf_attr.map_flags */
// biome-ignore format: a table of numbers reads better dense
export const MAP_FLAG = {
  no_prealloc: 1 << 0, no_common_lru: 1 << 1, numa_node: 1 << 2, rdonly: 1 << 3, wronly: 1 << 4, stack_build_id: 1 << 5,
  zero_seed: 1 << 6, rdonly_prog: 1 << 7, wronly_prog: 1 << 8, clone: 1 << 9, mmapable: 1 << 10, preserve_elems: 1 << 11,
  inner_map: 1 << 12, link: 1 << 13, path_fd: 1 << 14, vtype_btf_obj_fd: 1 << 15, token_fd: 1 << 16, segv_on_fault: 1 << 17,
  no_user_conv: 1 << 18,
} as const

/** Element operations: update's flags. */
export const ELEM = { any: 0, noexist: 1, exist: 2, lock: 4 } as const

/** Access flags of which at most one of a pair may be set, and which every plain map type takes. */
export const ACCESS_FLAGS = MAP_FLAG.rdonly | MAP_FLAG.wronly | MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog

/** bpf_map_flags_access_ok(): a map cannot be read-only and write-only for programs at once. */
export const accessFlagsOk = (flags: number): boolean =>
  (flags & (MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog)) !== (MAP_FLAG.rdonly_prog | MAP_FLAG.wronly_prog)
