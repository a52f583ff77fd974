// A kernel version: its types, functions, tracepoints, system calls and symbols. Read off a real kernel's BTF, either one of the
// committed profiles or any vmlinux BTF that a user hands in; both go the same way.

import { Btf } from '../../base/btf/btf.ts'
import { UserError } from '../../base/errors.ts'
import { PROFILES } from './data/index.ts'
import { unpackProfile, unpackTracepoints } from './packed.ts'
import { type SyscallRecord, syscallsOf } from './syscalls.ts'
import { indexTracepoints, type TracepointPlace, type TracepointRecord, tracepointsOf } from './tracepoints.ts'

export interface Profile {
  /** utsname release: `6.12.117+deb12-amd64`. */
  readonly release: string
  /** What uname's release stands for: Debian's 6.1.0-56-amd64 is 6.1.192 (LINUX_VERSION_CODE). */
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number }
  readonly btf: Btf
  /** Functions by symbol: the id of their BTF `func`, worked out on first use. What is absent cannot be an fentry target. */
  readonly functions: ReadonlyMap<string, number>
  /** Every tracepoint; a TracepointRecord's `id` is unique among those that have a trace event. */
  readonly tracepoints: readonly TracepointRecord[]
  /** The system calls that this kernel implements, by number. */
  readonly syscalls: readonly SyscallRecord[]
  /** Enumerators by name, worked out on first use: what `enum bpf_func_id` and its like give scripts as constants. */
  readonly constants: ReadonlyMap<string, number | bigint>
  /** Kernel text symbols in the order of their addresses (kallsyms): the functions, then what BTF knows under another name or not. */
  readonly symbols: readonly TextSymbol[]
}

export interface TextSymbol {
  readonly name: string
  /** Another name of this symbol's code, or undefined. */
  readonly aliasOf: string | undefined
}

/** Names that profileFor() takes; the first is the default. */
export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES)

/** The committed profile of a kernel version: `6.12` or `6.1`. Throws UserError for any other. */
export function profileFor(name: string = PROFILE_NAMES[0]!): Profile {
  const packed = PROFILES[name]
  if (!packed) throw new UserError(`kernel ${name}: no such profile; there are ${PROFILE_NAMES.join(', ')}`)
  return profileOf(Btf.parseTrusted(unpackProfile(packed)), packed, unpackTracepoints(packed))
}

/**
 * A profile from raw vmlinux BTF. `where` names the file in messages. BTF does not say which release it is: `release` does, or
 * it is told from types that came and went.
 */
export function profileFromBtf(bytes: Uint8Array, where = 'BTF', release?: string): Profile {
  const btf = Btf.parse(bytes, undefined, where)
  if (btf.find('task_struct', 'struct') === 0) {
    throw new UserError(
      `${where}: has no struct task_struct, so it is not a kernel's BTF; take /sys/kernel/btf/vmlinux`,
    )
  }
  const dated = release ?? guessRelease(btf)
  return profileOf(btf, { release: dated, version: dated }, indexTracepoints(btf))
}

function profileOf(
  btf: Btf,
  { release, version }: { release: string; version: string },
  places: readonly TracepointPlace[],
): Profile {
  const syscalls = syscallsOf(btf)
  let functions: Map<string, number> | undefined
  let constants: Map<string, number | bigint> | undefined
  return {
    release,
    version: parseVersion(version),
    btf,
    get functions() {
      return (functions ??= functionsOf(btf))
    },
    tracepoints: tracepointsOf(btf, syscalls, places),
    syscalls,
    get constants() {
      return (constants ??= constantsOf(btf))
    },
    symbols: symbolsOf(btf, syscalls),
  }
}

function symbolsOf(btf: Btf, syscalls: readonly SyscallRecord[]): TextSymbol[] {
  const names = new Set<string>()
  for (let id = btf.first; id < btf.count; id++) if (btf.kind(id) === 'func') names.add(btf.name(id))
  const symbols: TextSymbol[] = []
  for (const name of names) symbols.push({ name, aliasOf: undefined })
  for (const { name } of syscalls) {
    if (!names.has(`__x64_sys_${name}`)) symbols.push({ name: `__x64_sys_${name}`, aliasOf: `__do_sys_${name}` })
  }
  for (const [name, split] of SPLIT) if (!names.has(name)) symbols.push({ name: split, aliasOf: undefined })
  return symbols
}

/** Functions that the compiler split, so that kallsyms has them with a suffix and BTF not at all; tools look for both names. */
const SPLIT: readonly (readonly [string, string])[] = [['finish_task_switch', 'finish_task_switch.isra.0']]

function constantsOf(btf: Btf): Map<string, number | bigint> {
  const constants = new Map<string, number | bigint>()
  for (let id = btf.first; id < btf.count; id++) {
    const kind = btf.kind(id)
    if (kind !== 'enum' && kind !== 'enum64') continue
    const type = btf.type(id)
    if (type.kind !== 'enum' && type.kind !== 'enum64') continue
    for (const { name, value } of type.values) if (!constants.has(name)) constants.set(name, value)
  }
  return constants
}

function functionsOf(btf: Btf): Map<string, number> {
  const functions = new Map<string, number>()
  for (let id = btf.first; id < btf.count; id++) {
    if (btf.kind(id) !== 'func') continue
    const name = btf.name(id)
    if (!functions.has(name)) functions.set(name, id)
  }
  return functions
}

function parseVersion(text: string): Profile['version'] {
  const [, major, minor, patch] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? ['', '0', '0', '0']
  return { major: Number(major), minor: Number(minor), patch: Number(patch ?? 0) }
}

/** A function or struct that a version added, newest first: how BTF of an unknown release is dated. */
const SINCE: readonly (readonly [string, string])[] = [
  ['bpf_strcasecmp', '6.18.0'],
  ['__x64_sys_file_getattr', '6.17.0'],
  ['__x64_sys_open_tree_attr', '6.15.0'],
  ['__x64_sys_setxattrat', '6.13.0'],
  ['bpf_get_task_exe_file', '6.12.0'],
  ['__do_sys_uretprobe', '6.11.0'],
  ['__x64_sys_mseal', '6.10.0'],
  ['__x64_sys_statmount', '6.8.0'],
  ['__x64_sys_futex_wake', '6.7.0'],
  ['__x64_sys_fchmodat2', '6.6.0'],
  ['__x64_sys_cachestat', '6.5.0'],
  ['maple_tree', '6.1.0'],
  ['__x64_sys_set_mempolicy_home_node', '5.17.0'],
  ['__x64_sys_futex_waitv', '5.16.0'],
]

function guessRelease(btf: Btf): string {
  return SINCE.find(([name]) => btf.find(name) !== 0)?.[1] ?? '5.4.0'
}
