// kprobe.multi and kretprobe.multi: one program on many functions, by name or by address, with a cookie each.
// Not there: kprobe.session (entry and return in one program).

import { ERRNO } from '../../base/errno.ts'
import type { FunctionCall } from '../../kernel-sim/trace/function.ts'
import type { BpfHost } from '../host.ts'
import type { LinkTarget } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { LINK_TYPE } from '../uapi/bpf-info.ts'
import { copyFromUser, stringFromUser, type UserBytes } from '../uapi/codec.ts'
import { FunctionProbe } from './kprobe.ts'
import { type ProbeSite, RANK } from './probe-table.ts'
import { runContext } from './tracepoint.ts'

/** BPF_F_KPROBE_MULTI_RETURN */
const RETURN = 1
const MAX_FUNCTIONS = 1 << 20

type MultiAttr = Attr<'link_create'>['kprobe_multi']

/** Symbols as the caller gives them: an array of pointers in user memory, or names separated by NUL from a caller in TypeScript. */
function symbolNames(syms: UserBytes, count: number): string[] | number {
  const names: string[] = []
  if (!(syms instanceof Uint8Array)) return -ERRNO.EOPNOTSUPP
  let at = 0
  for (let i = 0; i < count; i++) {
    const name = at < syms.length ? stringFromUser(syms.subarray(at), 512) : undefined
    if (name === undefined) return -ERRNO.EFAULT
    names.push(name)
    at += name.length + 1
  }
  return names
}

export function attachKprobeMulti(host: BpfHost, prog: BpfProg, attr: MultiAttr): LinkTarget | number {
  const { flags, cnt, syms, addrs, cookies } = attr
  if (flags & ~RETURN || !syms === !addrs) return -ERRNO.EINVAL
  if (cnt === 0 || cnt > MAX_FUNCTIONS) return cnt === 0 ? -ERRNO.EINVAL : -ERRNO.E2BIG
  const found = syms ? sitesByName(host, syms, cnt) : sitesByAddress(host, addrs, cnt)
  if (typeof found === 'number') return found
  const values = cookies && copyFromUser(cookies, 0, cnt * 8)
  if (cookies && !values) return -ERRNO.EFAULT
  const view = values && new DataView(values.buffer, values.byteOffset, values.byteLength)

  const probe = new FunctionProbe(host)
  const isReturn = (flags & RETURN) !== 0
  const missedBefore = prog.missed
  const detachers = found.map(({ fn }, i) => {
    const list = [runContext(prog, view?.getBigUint64(i * 8, true) ?? 0n)]
    const fire = (call: FunctionCall): void => (isReturn ? probe.exit(call, list) : probe.entry(call, list))
    return fn?.attach(isReturn ? { exit: fire } : { entry: fire }, isReturn ? RANK.kretprobe : RANK.kprobe, !isReturn)
  })
  return {
    type: LINK_TYPE.kprobe_multi,
    detach() {
      for (const detach of detachers) detach?.()
    },
    info: () => ({
      kprobe_multi_count: found.length,
      kprobe_multi_flags: flags,
      kprobe_multi_missed: BigInt(prog.missed - missedBefore),
    }),
  }
}

/** -ESRCH unless every name is a function that may be probed. */
function sitesByName(host: BpfHost, syms: UserBytes, count: number): ProbeSite[] | number {
  const names = symbolNames(syms, count)
  if (typeof names === 'number') return names
  const sites: ProbeSite[] = []
  for (const name of names) {
    const site = host.probes.site(name)
    if (typeof site === 'number') return -ERRNO.ESRCH
    sites.push(site)
  }
  return sites
}

function sitesByAddress(host: BpfHost, addrs: UserBytes | undefined, count: number): ProbeSite[] | number {
  const bytes = copyFromUser(addrs, 0, count * 8)
  if (!bytes) return -ERRNO.EFAULT
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sites: ProbeSite[] = []
  for (let i = 0; i < count; i++) {
    const site = view.getInt32(i * 8 + 4, true) === -1 ? host.probes.siteAt(view.getInt32(i * 8, true)) : -ERRNO.EINVAL
    if (typeof site === 'number' || site.offset !== 0) return -ERRNO.EINVAL
    sites.push(site)
  }
  return sites
}
