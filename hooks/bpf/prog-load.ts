// BPF_PROG_LOAD: the checks of bpf_prog_load() in their order, the verifier, and the engine.

import type { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import { decode, type Insn, isLdImm64 } from '../../ebpf-vm/isa/insn.ts'
import { MAX_INSNS, PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'
import type { FuncInfo, LineInfo, ProgramInput } from '../../ebpf-vm/program.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { capabilitiesOf, uidOf } from '../credentials.ts'
import { fileOf, progFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import type { BtfObject } from '../objects/btf.ts'
import type { MapObject } from '../objects/map.ts'
import { BpfProg } from '../objects/prog.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { copyFromUser, stringFromUser, type UserBytes } from '../uapi/codec.ts'
import { logValid, writeLog } from './log.ts'
import { nameOk } from './map-commands.ts'
import { programTag } from './tag.ts'

/** Flags of BPF_PROG_LOAD, BPF_F_ in front. */
export const PROG_FLAG = {
  strict_alignment: 1 << 0,
  any_alignment: 1 << 1,
  test_rnd_hi32: 1 << 2,
  test_state_freq: 1 << 3,
  sleepable: 1 << 4,
  xdp_has_frags: 1 << 5,
  xdp_dev_bound_only: 1 << 6,
  test_reg_invariants: 1 << 7,
  token_fd: 1 << 16,
} as const
const KNOWN_FLAGS = Object.values(PROG_FLAG).reduce((all: number, flag) => all | flag, 0) & ~PROG_FLAG.token_fd

/** Program types that CAP_PERFMON guards, and those of CAP_NET_ADMIN (is_perfmon_prog_type, is_net_admin_prog_type). */
const PERFMON_TYPES: ReadonlySet<number> = new Set([
  PROG_TYPE.kprobe,
  PROG_TYPE.tracepoint,
  PROG_TYPE.perf_event,
  PROG_TYPE.raw_tracepoint,
  PROG_TYPE.raw_tracepoint_writable,
  PROG_TYPE.tracing,
  PROG_TYPE.lsm,
  PROG_TYPE.struct_ops,
  PROG_TYPE.ext,
])
/** Types whose loaders need no more than CAP_BPF. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([PROG_TYPE.socket_filter, PROG_TYPE.cgroup_skb, PROG_TYPE.syscall])

/** Types that a BTF id in attach_btf_id may belong to. */
const BTF_TARGETS: ReadonlySet<number> = new Set([
  PROG_TYPE.tracing,
  PROG_TYPE.lsm,
  PROG_TYPE.struct_ops,
  PROG_TYPE.ext,
])

type LoadAttr = Attr<'prog_load'>

export function progLoad(host: BpfHost, attr: LoadAttr): number {
  const { kernel, machine } = host
  if (attr.prog_flags & ~KNOWN_FLAGS) return -ERRNO.EINVAL
  const capabilities = capabilitiesOf(kernel, kernel.current)
  const license = stringFromUser(attr.license, 127)
  if (license === undefined) return -ERRNO.EFAULT
  if (attr.insn_cnt === 0 || attr.insn_cnt > MAX_INSNS) return -ERRNO.E2BIG
  if (PERFMON_TYPES.has(attr.prog_type)) {
    if (!capabilities.perfmon) return -ERRNO.EPERM
  } else if (!PLAIN_TYPES.has(attr.prog_type) && !capabilities.netAdmin) return -ERRNO.EPERM

  const target = attachTarget(host, attr)
  if (typeof target === 'number') return target
  const typeError = checkAttachType(attr, target)
  if (typeError !== 0) return typeError

  const code = copyFromUser(attr.insns, 0, attr.insn_cnt * 8)
  if (!code) return -ERRNO.EFAULT
  const facts = host.facts(capabilities)
  if (!facts.programTypes.has(attr.prog_type)) return -ERRNO.EINVAL
  if (!nameOk(attr.prog_name)) return -ERRNO.EINVAL

  const logBuffer = { level: attr.log_level, buffer: attr.log_buf, size: attr.log_size }
  if (!logValid(logBuffer)) return -ERRNO.EINVAL

  const own = ownBtf(host, attr)
  if (typeof own === 'number') return own
  const insns = decode(code)
  const resolver = new MapResolver(host, attr.fd_array)
  const input: ProgramInput = {
    name: attr.prog_name,
    type: attr.prog_type,
    expectedAttachType: attr.expected_attach_type,
    insns,
    license,
    flags: attr.prog_flags,
    btf: own.btf?.btf,
    funcInfo: own.funcInfo,
    lineInfo: own.lineInfo,
    attachBtfId: attr.attach_btf_id,
    attachModule: target.btf && target.btf !== host.vmlinux ? target.btf.name : undefined,
    attachProgram: target.prog?.verified,
    mapByFd: (fd, isIndex) => resolver.map(fd, isIndex)?.map,
    btfByFdIndex: (index) => resolver.btf(index),
  }
  const result = host.toolchain.verify(input, facts, { logLevel: attr.log_level })
  const written = writeLog(logBuffer, result.log)
  attr.log_true_size = written.trueSize
  if (written.error !== 0) return written.error
  if (!result.ok) return -Math.abs(result.errno)
  const { unsupported } = result.program
  if (unsupported !== undefined) {
    kernel.log.warn({ prog: attr.prog_name, unsupported }, 'the program is right, but this cannot run yet')
    return -ERRNO.EOPNOTSUPP
  }

  const prog = new BpfProg(host.progs, {
    verified: result.program,
    loaded: host.toolchain.engine.load(machine, result.program),
    tag: programTag(insns),
    loadTimeNs: kernel.nowNs,
    uid: uidOf(kernel, kernel.current),
    verifiedInsns: result.stats.processed,
    maps: resolver.used(insns),
    btf: own.btf,
    attachBtf: target.btf,
    attachProg: target.prog,
    cpus: kernel.cpus.length,
  })
  machine.platform.log.debug({ prog: prog.name, id: prog.id, engine: prog.loaded.engine }, 'program loaded')
  return host.descriptors.install(progFile(prog))
}

interface Target {
  readonly btf: BtfObject | undefined
  readonly prog: BpfProg | undefined
}

/** attach_prog_fd (a program) or attach_btf_obj_fd (a kernel BTF, 0 for vmlinux), for programs with an attach_btf_id. */
function attachTarget(host: BpfHost, attr: LoadAttr): Target | number {
  if (attr.attach_prog_fd !== 0) {
    const file = host.descriptors.get(attr.attach_prog_fd)
    if (file === undefined) return -ERRNO.EBADF
    if (file === 'other') return -ERRNO.EINVAL
    if (file.kind === 'prog') return { btf: undefined, prog: file.object }
    if (file.kind !== 'btf') return -ERRNO.EINVAL
    return file.object.isKernel ? { btf: file.object, prog: undefined } : -ERRNO.EOPNOTSUPP
  }
  return { btf: attr.attach_btf_id === 0 ? undefined : host.vmlinux, prog: undefined }
}

/** bpf_prog_load_check_attach() */
function checkAttachType(attr: LoadAttr, target: Target): number {
  const { prog_type: type, expected_attach_type: attach, attach_btf_id: id } = attr
  if (id !== 0 && (!BTF_TARGETS.has(type) || (target.btf && id >= target.btf.btf.count))) return -ERRNO.EINVAL
  if (target.prog && type !== PROG_TYPE.tracing && type !== PROG_TYPE.ext) return -ERRNO.EINVAL
  const allowed = EXPECTED.get(type)
  if (allowed) return allowed.has(attach) ? 0 : -ERRNO.EINVAL
  return type === PROG_TYPE.ext || type === PROG_TYPE.syscall ? (attach === 0 ? 0 : -ERRNO.EINVAL) : 0
}

const A = ATTACH_TYPE
/** Types whose expected_attach_type is checked when loading. Older loaders leave a cgroup socket's at 0, which is one of them. */
const EXPECTED: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [
    PROG_TYPE.cgroup_sock,
    new Set<number>([
      A.cgroup_inet_ingress,
      A.cgroup_inet_sock_create,
      A.cgroup_inet_sock_release,
      A.cgroup_inet4_post_bind,
      A.cgroup_inet6_post_bind,
    ]),
  ],
  [
    PROG_TYPE.cgroup_sock_addr,
    new Set<number>([
      A.cgroup_inet4_bind,
      A.cgroup_inet6_bind,
      A.cgroup_inet4_connect,
      A.cgroup_inet6_connect,
      A.cgroup_unix_connect,
      A.cgroup_inet4_getpeername,
      A.cgroup_inet6_getpeername,
      A.cgroup_unix_getpeername,
      A.cgroup_inet4_getsockname,
      A.cgroup_inet6_getsockname,
      A.cgroup_unix_getsockname,
      A.cgroup_udp4_sendmsg,
      A.cgroup_udp6_sendmsg,
      A.cgroup_unix_sendmsg,
      A.cgroup_udp4_recvmsg,
      A.cgroup_udp6_recvmsg,
      A.cgroup_unix_recvmsg,
    ]),
  ],
  [PROG_TYPE.cgroup_skb, new Set<number>([A.cgroup_inet_ingress, A.cgroup_inet_egress])],
  [PROG_TYPE.cgroup_sockopt, new Set<number>([A.cgroup_setsockopt, A.cgroup_getsockopt])],
  [PROG_TYPE.sk_lookup, new Set<number>([A.sk_lookup])],
  [
    PROG_TYPE.sk_reuseport,
    new Set<number>([A.cgroup_inet_ingress, A.sk_reuseport_select, A.sk_reuseport_select_or_migrate]),
  ],
  [PROG_TYPE.netfilter, new Set<number>([A.netfilter])],
])

interface OwnBtf {
  readonly btf: BtfObject | undefined
  readonly funcInfo: readonly FuncInfo[] | undefined
  readonly lineInfo: readonly LineInfo[] | undefined
}

/** prog_btf_fd with func_info and line_info records (check_btf_info reads them; damaged ones are the verifier's to refuse). */
function ownBtf(host: BpfHost, attr: LoadAttr): OwnBtf | number {
  if (attr.func_info_cnt === 0 && attr.line_info_cnt === 0)
    return { btf: undefined, funcInfo: undefined, lineInfo: undefined }
  const file = fileOf(host.descriptors, attr.prog_btf_fd, 'btf')
  if (typeof file === 'number') return file
  if (file.object.isKernel) return -ERRNO.EACCES
  const { btf } = file.object
  const funcs = records(attr.func_info, attr.func_info_rec_size, attr.func_info_cnt, 8)
  if (typeof funcs === 'number') return funcs
  const lines = records(attr.line_info, attr.line_info_rec_size, attr.line_info_cnt, 16)
  if (typeof lines === 'number') return lines
  return {
    btf: file.object,
    funcInfo: funcs?.map((view) => ({ insn: view.getUint32(0, true), type: view.getUint32(4, true) })),
    lineInfo: lines?.map((view) => lineInfo(btf, view)),
  }
}

function lineInfo(btf: Btf, view: DataView): LineInfo {
  const position = view.getUint32(12, true)
  return {
    insn: view.getUint32(0, true),
    file: btf.string(view.getUint32(4, true)),
    text: btf.string(view.getUint32(8, true)),
    line: position >>> 10,
    column: position & 0x3ff,
  }
}

const MAX_RECORD_BYTES = 252

function records(
  from: UserBytes | undefined,
  size: number,
  count: number,
  least: number,
): DataView[] | number | undefined {
  if (count === 0) return undefined
  if (size < least || size > MAX_RECORD_BYTES || size % 4) return -ERRNO.EINVAL
  const bytes = copyFromUser(from, 0, size * count)
  if (!bytes) return -ERRNO.EFAULT
  const views: DataView[] = []
  for (let i = 0; i < count; i++) views.push(new DataView(bytes.buffer, bytes.byteOffset + i * size, size))
  return views
}

/** Descriptors that the instructions name, directly or through fd_array. */
class MapResolver {
  readonly #host: BpfHost
  readonly #array: UserBytes | undefined

  constructor(host: BpfHost, array: UserBytes | undefined) {
    this.#host = host
    this.#array = array
  }

  map(fd: number, isIndex: boolean): MapObject | undefined {
    const real = isIndex ? this.#indexed(fd) : fd
    if (real === undefined) return undefined
    const file = fileOf(this.#host.descriptors, real, 'map')
    return typeof file === 'number' ? undefined : file.object
  }

  btf(index: number): { name: string; btf: Btf } | undefined {
    const fd = this.#indexed(index)
    if (fd === undefined) return undefined
    const file = fileOf(this.#host.descriptors, fd, 'btf')
    return typeof file === 'number' ? undefined : { name: file.object.name, btf: file.object.btf }
  }

  /** The maps of a program, in the order of their first mention. */
  used(insns: readonly Insn[]): MapObject[] {
    const maps = new Set<MapObject>()
    for (const insn of insns) {
      if (!isLdImm64(insn)) continue
      const isIndex = insn.src === PSEUDO.map_idx || insn.src === PSEUDO.map_idx_value
      if (!isIndex && insn.src !== PSEUDO.map_fd && insn.src !== PSEUDO.map_value) continue
      const map = this.map(insn.imm, isIndex)
      if (map) maps.add(map)
    }
    return [...maps]
  }

  #indexed(index: number): number | undefined {
    const bytes = copyFromUser(this.#array, index * 4, 4)
    return bytes && new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true)
  }
}
