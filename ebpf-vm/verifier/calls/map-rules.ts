// Which helpers work on which maps, and which maps a program type may use at all.

import { HELPER_NAMES } from '../../helpers/names.ts'
import type { MapFacts } from '../../program.ts'
import { MAP_TYPE, type MapTypeName, PROG_TYPE } from '../../uapi.ts'
import type { Env } from '../env.ts'
import { fieldsOfMap } from '../map-fields.ts'

const id = (name: string): number => HELPER_NAMES.indexOf(name)
const ids = (...names: string[]): ReadonlySet<number> => new Set(names.map(id))

/** Maps that only these helpers take. Types that are not listed take all but what FUNCTION_MAPS keeps for others. */
const MAP_FUNCTIONS = new Map<number, ReadonlySet<number>>([
  [MAP_TYPE.prog_array, ids('tail_call')],
  [
    MAP_TYPE.perf_event_array,
    ids('perf_event_read', 'perf_event_output', 'skb_output', 'perf_event_read_value', 'xdp_output'),
  ],
  [
    MAP_TYPE.ringbuf,
    ids(
      'ringbuf_output',
      'ringbuf_reserve',
      'ringbuf_query',
      'ringbuf_reserve_dynptr',
      'ringbuf_submit_dynptr',
      'ringbuf_discard_dynptr',
    ),
  ],
  [MAP_TYPE.user_ringbuf, ids('user_ringbuf_drain')],
  [MAP_TYPE.stack_trace, ids('get_stackid')],
  [MAP_TYPE.cgroup_array, ids('skb_under_cgroup', 'current_task_under_cgroup')],
  [MAP_TYPE.cgroup_storage, ids('get_local_storage')],
  [MAP_TYPE.percpu_cgroup_storage, ids('get_local_storage')],
  [MAP_TYPE.devmap, ids('redirect_map', 'map_lookup_elem')],
  [MAP_TYPE.devmap_hash, ids('redirect_map', 'map_lookup_elem')],
  [MAP_TYPE.cpumap, ids('redirect_map')],
  [MAP_TYPE.xskmap, ids('redirect_map', 'map_lookup_elem')],
  [MAP_TYPE.array_of_maps, ids('map_lookup_elem')],
  [MAP_TYPE.hash_of_maps, ids('map_lookup_elem')],
  [
    MAP_TYPE.sockmap,
    ids(
      'sk_redirect_map',
      'sock_map_update',
      'msg_redirect_map',
      'sk_select_reuseport',
      'map_lookup_elem',
      'map_update_elem',
      'map_delete_elem',
    ),
  ],
  [
    MAP_TYPE.sockhash,
    ids(
      'sk_redirect_hash',
      'sock_hash_update',
      'msg_redirect_hash',
      'sk_select_reuseport',
      'map_lookup_elem',
      'map_update_elem',
      'map_delete_elem',
    ),
  ],
  [MAP_TYPE.reuseport_sockarray, ids('sk_select_reuseport')],
  [MAP_TYPE.queue, ids('map_peek_elem', 'map_pop_elem', 'map_push_elem')],
  [MAP_TYPE.stack, ids('map_peek_elem', 'map_pop_elem', 'map_push_elem')],
  [MAP_TYPE.sk_storage, ids('sk_storage_get', 'sk_storage_delete', 'kptr_xchg')],
  [MAP_TYPE.inode_storage, ids('inode_storage_get', 'inode_storage_delete', 'kptr_xchg')],
  [MAP_TYPE.task_storage, ids('task_storage_get', 'task_storage_delete', 'kptr_xchg')],
  [MAP_TYPE.cgrp_storage, ids('cgrp_storage_get', 'cgrp_storage_delete', 'kptr_xchg')],
  [MAP_TYPE.bloom_filter, ids('map_peek_elem', 'map_push_elem')],
])

const types = (...names: MapTypeName[]): ReadonlySet<number> => new Set(names.map((name) => MAP_TYPE[name]))
const entry = (names: string[], maps: ReadonlySet<number>): [number, ReadonlySet<number>][] =>
  names.map((name) => [id(name), maps])

/** Helpers that only take these maps. */
const FUNCTION_MAPS = new Map<number, ReadonlySet<number>>([
  ...entry(['tail_call'], types('prog_array')),
  ...entry(
    ['perf_event_read', 'perf_event_output', 'perf_event_read_value', 'skb_output', 'xdp_output'],
    types('perf_event_array'),
  ),
  ...entry(
    [
      'ringbuf_output',
      'ringbuf_reserve',
      'ringbuf_query',
      'ringbuf_reserve_dynptr',
      'ringbuf_submit_dynptr',
      'ringbuf_discard_dynptr',
    ],
    types('ringbuf'),
  ),
  ...entry(['user_ringbuf_drain'], types('user_ringbuf')),
  ...entry(['get_stackid'], types('stack_trace')),
  ...entry(['current_task_under_cgroup', 'skb_under_cgroup'], types('cgroup_array')),
  ...entry(['redirect_map'], types('devmap', 'devmap_hash', 'cpumap', 'xskmap')),
  ...entry(['sk_redirect_map', 'msg_redirect_map', 'sock_map_update'], types('sockmap')),
  ...entry(['sk_redirect_hash', 'msg_redirect_hash', 'sock_hash_update'], types('sockhash')),
  ...entry(['get_local_storage'], types('cgroup_storage', 'percpu_cgroup_storage')),
  ...entry(['sk_select_reuseport'], types('reuseport_sockarray', 'sockmap', 'sockhash')),
  ...entry(['map_pop_elem'], types('queue', 'stack')),
  ...entry(['map_peek_elem', 'map_push_elem'], types('queue', 'stack', 'bloom_filter')),
  ...entry(['map_lookup_percpu_elem'], types('percpu_array', 'percpu_hash', 'lru_percpu_hash')),
  ...entry(['sk_storage_get', 'sk_storage_delete'], types('sk_storage')),
  ...entry(['inode_storage_get', 'inode_storage_delete'], types('inode_storage')),
  ...entry(['task_storage_get', 'task_storage_delete'], types('task_storage')),
  ...entry(['cgrp_storage_get', 'cgrp_storage_delete'], types('cgrp_storage')),
])

const SOCKMAP_UPDATERS: ReadonlySet<number> = new Set([
  PROG_TYPE.sock_ops,
  PROG_TYPE.socket_filter,
  PROG_TYPE.sched_cls,
  PROG_TYPE.sched_act,
  PROG_TYPE.xdp,
  PROG_TYPE.sk_reuseport,
  PROG_TYPE.flow_dissector,
  PROG_TYPE.sk_lookup,
])

export function checkMapFunction(env: Env, map: MapFacts | undefined, func: number): void {
  if (!map) return
  const refuse = (): never =>
    env.fail('EINVAL', `cannot pass map_type ${map.type} into func bpf_${HELPER_NAMES[func]}#${func}`)
  const allowed = MAP_FUNCTIONS.get(map.type)
  if (allowed && !allowed.has(func)) refuse()
  const maps = FUNCTION_MAPS.get(func)
  if (maps && !maps.has(map.type)) refuse()
  if ((map.type === MAP_TYPE.sockmap || map.type === MAP_TYPE.sockhash) && (func === 2 || func === 3)) {
    const tracingIter = env.input.type === PROG_TYPE.tracing && env.input.expectedAttachType === 28
    const mayUpdate = SOCKMAP_UPDATERS.has(env.input.type) || tracingIter
    if (func === 2 ? !mayUpdate : !(mayUpdate && env.input.type !== PROG_TYPE.sock_ops)) {
      env.print('cannot update sockmap in this context\n')
      refuse()
    }
  }
  if (func === 12 && env.subprogs.length > 1 && !env.jitsSubprogTailCalls) {
    env.print('mixing of tail_calls and bpf-to-bpf calls is not supported\n')
    env.fail('EINVAL')
  }
}

const TRACING: ReadonlySet<number> = new Set([
  PROG_TYPE.kprobe,
  PROG_TYPE.tracepoint,
  PROG_TYPE.perf_event,
  PROG_TYPE.raw_tracepoint,
  PROG_TYPE.raw_tracepoint_writable,
])

const SLEEPABLE_MAPS: ReadonlySet<number> = types(
  'hash',
  'lru_hash',
  'array',
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'array_of_maps',
  'hash_of_maps',
  'ringbuf',
  'user_ringbuf',
  'inode_storage',
  'sk_storage',
  'task_storage',
  'cgrp_storage',
  'queue',
  'stack',
  'arena',
)

/** Whether this program may use the map at all. */
export function checkMapForProgram(env: Env, map: MapFacts): void {
  const { type } = env.input
  const kinds = new Set(fieldsOfMap(map, env.facts.btf).map((field) => field.kind))
  if (kinds.has('bpf_list_head') || kinds.has('bpf_rb_root')) {
    if (TRACING.has(type)) env.fail('EINVAL', 'tracing progs cannot use bpf_{list_head,rb_root} yet')
  }
  if (kinds.has('bpf_spin_lock') || kinds.has('bpf_res_spin_lock')) {
    if (type === PROG_TYPE.socket_filter) env.fail('EINVAL', 'socket filter progs cannot use bpf_spin_lock yet')
    if (TRACING.has(type)) env.fail('EINVAL', 'tracing progs cannot use bpf_spin_lock yet')
  }
  if (kinds.has('bpf_timer') && TRACING.has(type)) env.fail('EINVAL', 'tracing progs cannot use bpf_timer yet')
  if (kinds.has('bpf_wq') && TRACING.has(type)) env.fail('EINVAL', 'tracing progs cannot use bpf_wq yet')
  if (map.type === MAP_TYPE.struct_ops) env.fail('EINVAL', 'bpf_struct_ops map cannot be used in prog')
  if (env.sleepable && !SLEEPABLE_MAPS.has(map.type))
    env.fail('EINVAL', 'Sleepable programs can only use array, hash, ringbuf and local storage maps')
  if (map.type === MAP_TYPE.arena) {
    if (env.arena && env.arena !== map) env.fail('EBUSY', 'Only one arena per program')
    if (!env.allowPtrLeaks || !env.caps.bpf) env.fail('EPERM', 'CAP_BPF and CAP_PERFMON are required to use arena')
    env.arena = map
  }
}
