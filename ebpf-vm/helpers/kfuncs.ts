// Kernel functions that programs may call, by set. Prototypes are in BTF; what BTF does not say (flags, program types) is here.

import { KF, type KfuncFacts, type KfuncHook } from '../../base/facts.ts'

const set = (hooks: readonly KfuncHook[], rows: Readonly<Record<string, number>>): KfuncFacts[] =>
  Object.entries(rows).map(([name, flags]) => ({ name, flags, hooks }))

/** Sets of kernel/bpf/helpers.c, registered for all or for most program types. */
const COMMON = set(['common'], {
  bpf_cast_to_kern_ctx: 0,
  bpf_rdonly_cast: 0,
  bpf_rcu_read_lock: 0,
  bpf_rcu_read_unlock: 0,
  bpf_dynptr_slice: KF.ret_null,
  bpf_dynptr_slice_rdwr: KF.ret_null,
  bpf_iter_num_new: KF.iter_new,
  bpf_iter_num_next: KF.iter_next | KF.ret_null,
  bpf_iter_num_destroy: KF.iter_destroy,
  bpf_dynptr_adjust: 0,
  bpf_dynptr_is_null: 0,
  bpf_dynptr_is_rdonly: 0,
  bpf_dynptr_size: 0,
  bpf_dynptr_clone: 0,
  bpf_preempt_disable: 0,
  bpf_preempt_enable: 0,
  bpf_local_irq_save: 0,
  bpf_local_irq_restore: 0,
})

export const KFUNCS: readonly KfuncFacts[] = COMMON
