// The BTF id that a tracing, LSM or iterator program names as its target, found by its section's name when it is loaded.

import type { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import { ATTACH_TYPE } from '../../ebpf-vm/uapi.ts'
import { suggest } from '../suggest.ts'
import { LoadError } from './externs-resolve.ts'
import type { ProgramSpec } from './spec.ts'

/** 0 for a program whose section has no such target. Throws LoadError with libbpf's words, and near names, where there is none. */
export function attachTarget(program: ProgramSpec, btf: Btf): number {
  if (!program.definition?.attachBtf) return 0
  const fail = (what: string): never => {
    throw new LoadError(`prog '${program.name}': ${what}`)
  }
  if (program.target === '') {
    return fail('no BTF-based attach target is specified, use bpf_program__set_attach_target()')
  }
  const { prefix, kind } = btfTarget(program.expectedAttachType)
  const id = btf.find(prefix + program.target, kind)
  if (id !== 0) return id
  const near = suggest(program.target, namesOf(btf, prefix, kind))
  return fail(`failed to find kernel BTF type ID of '${program.target}': -${ERRNO.ESRCH}${near}`)
}

/** Where BTF keeps the targets of an attach type. */
function btfTarget(attachType: number): { prefix: string; kind: 'func' | 'typedef' } {
  switch (attachType) {
    case ATTACH_TYPE.trace_raw_tp:
      return { prefix: 'btf_trace_', kind: 'typedef' }
    case ATTACH_TYPE.lsm_mac:
    case ATTACH_TYPE.lsm_cgroup:
      return { prefix: 'bpf_lsm_', kind: 'func' }
    case ATTACH_TYPE.trace_iter:
      return { prefix: 'bpf_iter_', kind: 'func' }
    default:
      return { prefix: '', kind: 'func' }
  }
}

function* namesOf(btf: Btf, prefix: string, kind: 'func' | 'typedef'): Generator<string> {
  for (let id = btf.first; id < btf.count; id++) {
    if (btf.kind(id) !== kind) continue
    const name = btf.name(id)
    if (name.startsWith(prefix)) yield name.slice(prefix.length)
  }
}
