// Kernel functions that programs may call, by set. Prototypes are in BTF; what BTF does not say (flags, program types) is here.
// A function that the active kernel's BTF lacks cannot be named by a program, so one table serves all versions.

import { KF, type KfuncFacts, type KfuncHook } from '../../base/facts.ts'

const A = KF.acquire
const R = KF.release
const N = KF.ret_null
const T = KF.trusted_args
const S = KF.sleepable
const C = KF.rcu

const set = (hooks: readonly KfuncHook[], rows: Readonly<Record<string, number>>): KfuncFacts[] =>
  Object.entries(rows).map(([name, flags]) => ({ name, flags, hooks }))

const iter = (name: string, newFlags = 0, flags = 0): Record<string, number> => ({
  [`bpf_iter_${name}_new`]: KF.iter_new | newFlags | flags,
  [`bpf_iter_${name}_next`]: KF.iter_next | N | flags,
  [`bpf_iter_${name}_destroy`]: KF.iter_destroy | flags,
})

/** For every program type. */
const COMMON = set(['common'], {
  bpf_cast_to_kern_ctx: KF.fastcall,
  bpf_rdonly_cast: KF.fastcall,
  bpf_rcu_read_lock: 0,
  bpf_rcu_read_unlock: 0,
  bpf_dynptr_slice: N,
  bpf_dynptr_slice_rdwr: N,
  ...iter('num'),
  ...iter('task_vma', C),
  ...iter('css_task', T),
  ...iter('css', T | KF.rcu_protected),
  ...iter('task', T | KF.rcu_protected),
  ...iter('bits'),
  ...iter('kmem_cache', 0, S),
  ...iter('dmabuf', 0, S),
  bpf_dynptr_adjust: 0,
  bpf_dynptr_is_null: 0,
  bpf_dynptr_is_rdonly: 0,
  bpf_dynptr_size: 0,
  bpf_dynptr_clone: 0,
  bpf_dynptr_copy: 0,
  bpf_dynptr_memset: 0,
  bpf_wq_init: 0,
  bpf_wq_set_callback_impl: 0,
  bpf_wq_start: 0,
  bpf_preempt_disable: 0,
  bpf_preempt_enable: 0,
  bpf_copy_from_user_str: S,
  bpf_copy_from_user_task_str: S,
  bpf_get_kmem_cache: 0,
  bpf_local_irq_save: 0,
  bpf_local_irq_restore: 0,
  bpf_probe_read_user_dynptr: 0,
  bpf_probe_read_kernel_dynptr: 0,
  bpf_probe_read_user_str_dynptr: 0,
  bpf_probe_read_kernel_str_dynptr: 0,
  bpf_copy_from_user_dynptr: S,
  bpf_copy_from_user_str_dynptr: S,
  bpf_copy_from_user_task_dynptr: S | T,
  bpf_copy_from_user_task_str_dynptr: S | T,
  __bpf_trap: 0,
  bpf_strcmp: 0,
  bpf_strcasecmp: 0,
  bpf_strchr: 0,
  bpf_strchrnul: 0,
  bpf_strnchr: 0,
  bpf_strrchr: 0,
  bpf_strlen: 0,
  bpf_strnlen: 0,
  bpf_strspn: 0,
  bpf_strcspn: 0,
  bpf_strstr: 0,
  bpf_strnstr: 0,
  bpf_stream_vprintk_impl: T,
  bpf_task_work_schedule_signal_impl: T,
  bpf_task_work_schedule_resume_impl: T,
  bpf_map_sum_elem_count: T,
  bpf_res_spin_lock: N,
  bpf_res_spin_unlock: 0,
  bpf_res_spin_lock_irqsave: N,
  bpf_res_spin_unlock_irqrestore: 0,
  bpf_arena_alloc_pages: T | S | KF.arena_ret | KF.arena_arg2,
  bpf_arena_free_pages: T | S | KF.arena_arg2,
  bpf_arena_reserve_pages: T | KF.arena_arg2,
})

/** Allocated objects, collections, tasks and cgroups. */
const GENERIC = set(['tracing', 'tc', 'xdp', 'struct_ops', 'syscall', 'cgroup'], {
  bpf_obj_new_impl: A | N,
  bpf_percpu_obj_new_impl: A | N,
  bpf_obj_drop_impl: R,
  bpf_percpu_obj_drop_impl: R,
  bpf_refcount_acquire_impl: A | N | C,
  bpf_list_push_front_impl: 0,
  bpf_list_push_back_impl: 0,
  bpf_list_pop_front: A | N,
  bpf_list_pop_back: A | N,
  bpf_list_front: N,
  bpf_list_back: N,
  bpf_rbtree_remove: A | N,
  bpf_rbtree_add_impl: 0,
  bpf_rbtree_first: N,
  bpf_rbtree_root: N,
  bpf_rbtree_left: N,
  bpf_rbtree_right: N,
  bpf_task_acquire: A | C | N,
  bpf_task_release: R,
  bpf_task_from_pid: A | N,
  bpf_task_from_vpid: A | N,
  bpf_cgroup_acquire: A | C | N,
  bpf_cgroup_release: R,
  bpf_cgroup_ancestor: A | C | N,
  bpf_cgroup_from_id: A | N,
  bpf_task_under_cgroup: C,
  bpf_task_get_cgroup1: A | C | N,
  bpf_throw: 0,
  bpf_send_signal_task: T,
})

const CPUMASK = set(['tracing', 'struct_ops', 'syscall'], {
  bpf_cpumask_create: A | N,
  bpf_cpumask_release: R,
  bpf_cpumask_acquire: A | T,
  bpf_cpumask_first: C,
  bpf_cpumask_first_zero: C,
  bpf_cpumask_first_and: C,
  bpf_cpumask_set_cpu: C,
  bpf_cpumask_clear_cpu: C,
  bpf_cpumask_test_cpu: C,
  bpf_cpumask_test_and_set_cpu: C,
  bpf_cpumask_test_and_clear_cpu: C,
  bpf_cpumask_setall: C,
  bpf_cpumask_clear: C,
  bpf_cpumask_and: C,
  bpf_cpumask_or: C,
  bpf_cpumask_xor: C,
  bpf_cpumask_equal: C,
  bpf_cpumask_intersects: C,
  bpf_cpumask_subset: C,
  bpf_cpumask_empty: C,
  bpf_cpumask_full: C,
  bpf_cpumask_copy: C,
  bpf_cpumask_any_distribute: C,
  bpf_cpumask_any_and_distribute: C,
  bpf_cpumask_weight: C,
  bpf_cpumask_populate: C,
})

const PACKETS = [
  ...set(['tc', 'sched_act', 'sk_skb', 'socket_filter', 'cgroup', 'lwt', 'netfilter', 'tracing'], {
    bpf_dynptr_from_skb: T,
  }),
  ...set(['tc', 'sched_act'], { bpf_dynptr_from_skb_meta: T }),
  ...set(['xdp'], { bpf_dynptr_from_xdp: 0, bpf_xdp_pull_data: 0 }),
]

const TRACING = [
  ...set(['kprobe'], { bpf_session_is_return: 0, bpf_session_cookie: 0 }),
  ...set(['tracing'], {
    css_rstat_updated: 0,
    css_rstat_flush: S,
    bpf_lookup_user_key: A | N | S,
    bpf_lookup_system_key: A | N,
    bpf_key_put: R,
    bpf_get_task_exe_file: A | T | N,
    bpf_put_file: R,
    bpf_path_d_path: T,
    bpf_get_dentry_xattr: S | T,
    bpf_get_file_xattr: S | T,
    bpf_get_file_xattr_locked: S | T,
    bpf_sock_destroy: T,
  }),
]

/** Functions of the kernel's own test run code. */
const TEST_RUN = set(['tc', 'xdp', 'tracing', 'syscall'], {
  bpf_kfunc_call_test_release: R,
  bpf_kfunc_call_memb_release: R,
})

export const KFUNCS: readonly KfuncFacts[] = [...COMMON, ...GENERIC, ...CPUMASK, ...PACKETS, ...TRACING, ...TEST_RUN]
