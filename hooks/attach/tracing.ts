// fentry, fexit and fmod_ret: programs on kernel functions through a trampoline. The context is the u64 array of the arguments; for
// fexit and fmod_ret the result follows. In front of it lie the number of arguments and the function's address, for
// bpf_get_func_arg_cnt() and bpf_get_func_ip().
// A program that returns non-zero from fmod_ret ends the call there: the function does not run, fexit programs see that value.

import { ERRNO } from '../../base/errno.ts'
import { ATTACH_TYPE } from '../../ebpf-vm/uapi.ts'
import type { CallListener } from '../../kernel-sim/trace/function.ts'
import type { BpfHost } from '../host.ts'
import type { LinkTarget } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { RunContext } from '../run.ts'
import { LINK_TYPE } from '../uapi/bpf-info.ts'
import { atEntry, atReturn } from './position.ts'
import { RANK } from './probe-table.ts'
import { runContext } from './tracepoint.ts'

/** BPF_MAX_TRAMP_LINKS */
const MAX_PROGRAMS = 38

interface TracingKind {
  readonly rank: number
  listener(host: BpfHost, context: RunContext): CallListener
}

const KINDS: Readonly<Record<number, TracingKind>> = {
  [ATTACH_TYPE.trace_fentry]: {
    rank: RANK.fentry,
    listener: (host, context) => ({
      entry(call) {
        atEntry(context.where, call, 0)
        host.runner.runRecursionSafe(context, call.args)
      },
    }),
  },
  [ATTACH_TYPE.modify_return]: {
    rank: RANK.modifyReturn,
    listener: (host, context) => ({
      entry(call) {
        if (call.overridden) return
        atEntry(context.where, call, 0)
        const verdict = host.runner.runRecursionSafe(context, call.args)
        if (verdict) call.override(verdict)
      },
    }),
  },
  [ATTACH_TYPE.trace_fexit]: {
    rank: RANK.fexit,
    listener: (host, context) => ({
      exit(call) {
        atReturn(context.where, host.kernel, call)
        host.runner.runRecursionSafe(context, call.args)
      },
    }),
  },
}

/** Who sits on which function: a program at most once, and no more than a trampoline has room for. */
const attachedTo = (host: BpfHost, symbol: string): Set<BpfProg> => {
  let programs = host.trampolines.get(symbol)
  if (!programs) host.trampolines.set(symbol, (programs = new Set()))
  return programs
}

export function attachTracing(host: BpfHost, prog: BpfProg, cookie: bigint): LinkTarget | number {
  const kind = KINDS[prog.expectedAttachType]
  if (!kind) return -ERRNO.EINVAL
  const btf = prog.attachBtf?.btf
  const type = btf?.type(prog.verified.attachBtfId)
  if (type?.kind !== 'func') return -ERRNO.EINVAL
  const site = host.probes.site(type.name)
  if (typeof site === 'number') return site
  const programs = attachedTo(host, site.symbol)
  if (programs.has(prog)) return -ERRNO.EBUSY
  if (programs.size >= MAX_PROGRAMS) return -ERRNO.E2BIG
  programs.add(prog)
  const detach = site.fn?.attach(kind.listener(host, runContext(prog, cookie)), kind.rank, true)
  return {
    type: LINK_TYPE.tracing,
    detach() {
      programs.delete(prog)
      detach?.()
    },
    info: () => ({
      tracing_attach_type: prog.expectedAttachType,
      tracing_target_obj_id: prog.attachBtf!.id,
      tracing_target_btf_id: prog.verified.attachBtfId,
    }),
    fdinfo: () =>
      `attach_type:\t${prog.expectedAttachType}\ntarget_obj_id:\t${prog.attachBtf!.id}\n` +
      `target_btf_id:\t${prog.verified.attachBtfId}\n`,
  }
}
