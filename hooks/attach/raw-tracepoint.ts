// raw_tracepoint, raw_tracepoint.w and tp_btf: programs that get a tracepoint's raw arguments, u64 each, as they are.
// The names are the tracepoints', without system. A program does not run inside itself; others do.

import { ERRNO } from '../../base/errno.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import type { BpfHost } from '../host.ts'
import { copyName, type LinkTarget } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import { LINK_TYPE } from '../uapi/bpf-info.ts'
import { copyToUser } from '../uapi/codec.ts'
import { atTracepoint } from './position.ts'
import { runContext } from './tracepoint.ts'

/** Attach `prog` to the tracepoint `name`: -ENOENT when there is none, -EINVAL when the program reads more arguments than it has. */
export function attachRawTracepoint(host: BpfHost, prog: BpfProg, name: string, cookie: bigint): LinkTarget | number {
  const tracepoint = host.probes.rawTracepoint(name)
  if (!tracepoint) return -ERRNO.ENOENT
  if (prog.verified.maxCtxOffset > tracepoint.params.length * 8) return -ERRNO.EINVAL
  // No tracepoint here has a writable argument (DEFINE_EVENT_WRITABLE: nbd and bpf_test_run only).
  if (prog.type === PROG_TYPE.raw_tracepoint_writable) return -ERRNO.EINVAL
  const context = runContext(prog, cookie)
  const detach = tracepoint.attachRaw((args) => {
    atTracepoint(context.where, host.kernel)
    host.runner.runRecursionSafe(context, args)
  })
  return {
    type: LINK_TYPE.raw_tracepoint,
    detach,
    info({ raw_tp_name: buffer, raw_tp_name_len: size }) {
      const error = copyName(buffer, size, name, (text) => copyToUser(buffer, 0, text))
      return error !== 0 ? error : { raw_tp_name_len: name.length + 1 }
    },
    fdinfo: () => `tp_name:\t${name}\n`,
  }
}
