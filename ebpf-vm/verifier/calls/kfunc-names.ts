// Kfuncs that the verifier knows by name.

import type { Insn } from '../../isa/insn.ts'
import type { Env } from '../env.ts'
import { findKfunc } from '../lookup.ts'

/** Allowed while a spin lock is held: collections, and the locks themselves. */
const WITH_LOCK: ReadonlySet<string> = new Set([
  'bpf_list_push_front_impl',
  'bpf_list_push_back_impl',
  'bpf_list_pop_front',
  'bpf_list_pop_back',
  'bpf_list_front',
  'bpf_list_back',
  'bpf_rbtree_remove',
  'bpf_rbtree_add_impl',
  'bpf_rbtree_first',
  'bpf_rbtree_root',
  'bpf_rbtree_left',
  'bpf_rbtree_right',
  'bpf_refcount_acquire_impl',
  'bpf_obj_drop_impl',
  'bpf_iter_num_new',
  'bpf_iter_num_next',
  'bpf_iter_num_destroy',
  'bpf_res_spin_lock',
  'bpf_res_spin_unlock',
  'bpf_res_spin_lock_irqsave',
  'bpf_res_spin_unlock_irqrestore',
  'bpf_arena_alloc_pages',
  'bpf_arena_free_pages',
  'bpf_arena_reserve_pages',
  'bpf_stream_vprintk_impl',
])

export function spinAllowedKfunc(env: Env, insn: Insn): boolean {
  const call = findKfunc(env, insn)
  return call !== undefined && WITH_LOCK.has(call.name)
}
