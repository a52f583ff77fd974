// The kernel struct behind each map type, for loads through map pointers.

import { MAP_TYPE } from '../uapi.ts'

const STRUCTS = new Map<number, string>([
  [MAP_TYPE.hash, 'bpf_htab'],
  [MAP_TYPE.percpu_hash, 'bpf_htab'],
  [MAP_TYPE.lru_hash, 'bpf_htab'],
  [MAP_TYPE.lru_percpu_hash, 'bpf_htab'],
  [MAP_TYPE.hash_of_maps, 'bpf_htab'],
  [MAP_TYPE.array, 'bpf_array'],
  [MAP_TYPE.percpu_array, 'bpf_array'],
  [MAP_TYPE.prog_array, 'bpf_array'],
  [MAP_TYPE.perf_event_array, 'bpf_array'],
  [MAP_TYPE.cgroup_array, 'bpf_array'],
  [MAP_TYPE.array_of_maps, 'bpf_array'],
  [MAP_TYPE.stack_trace, 'bpf_stack_map'],
  [MAP_TYPE.lpm_trie, 'lpm_trie'],
  [MAP_TYPE.queue, 'bpf_queue_stack'],
  [MAP_TYPE.stack, 'bpf_queue_stack'],
  [MAP_TYPE.ringbuf, 'bpf_ringbuf_map'],
  [MAP_TYPE.user_ringbuf, 'bpf_ringbuf_map'],
  [MAP_TYPE.bloom_filter, 'bpf_bloom_filter'],
  [MAP_TYPE.sk_storage, 'bpf_local_storage_map'],
  [MAP_TYPE.inode_storage, 'bpf_local_storage_map'],
  [MAP_TYPE.task_storage, 'bpf_local_storage_map'],
  [MAP_TYPE.cgrp_storage, 'bpf_local_storage_map'],
  [MAP_TYPE.devmap, 'bpf_dtab'],
  [MAP_TYPE.devmap_hash, 'bpf_dtab'],
  [MAP_TYPE.cpumap, 'bpf_cpu_map'],
  [MAP_TYPE.xskmap, 'xsk_map'],
  [MAP_TYPE.sockmap, 'bpf_stab'],
  [MAP_TYPE.sockhash, 'bpf_shtab'],
  [MAP_TYPE.cgroup_storage, 'bpf_cgroup_storage_map'],
  [MAP_TYPE.percpu_cgroup_storage, 'bpf_cgroup_storage_map'],
  [MAP_TYPE.reuseport_sockarray, 'reuseport_array'],
  [MAP_TYPE.struct_ops, 'bpf_struct_ops_map'],
  [MAP_TYPE.arena, 'bpf_arena'],
])

export function mapStructOf(type: number): string {
  return STRUCTS.get(type) ?? 'bpf_map'
}
