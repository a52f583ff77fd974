// What the verifier knows of a kernel, as one value: from a profile, or from files, so that verifying needs no booted kernel.
// Only plain data: helper prototypes, kfunc sets, context tables, program types, lists. Names are Linux's; BTF types are named,
// never numbered, so that one table serves every kernel.

import type { Btf } from './btf/btf.ts'

// ---- Helpers ----

/**
 * What an argument register must hold.
 *   anything      any initialised value that may be leaked to the helper
 *   const_map     pointer to a map, known when verifying
 *   map_key       readable memory of the map's key size          (the map is the last const_map argument)
 *   map_value     readable memory of the map's value size (`uninit`: written by the helper)
 *   mem           memory; its length is the next argument (`size`/`size_or_zero`), or `bytes` when that is set
 *   size          length of the preceding memory, at least 1     size_or_zero: at least 0
 *   const_alloc   a constant, the size of the memory that the helper returns
 *   ctx           the program's context, unmodified
 *   spin_lock · timer · workqueue   the field of that type in a map value
 *   sock_common   a socket pointer of any kind                    socket: struct bpf_sock (full)
 *   btf_sock      a BTF pointer to a socket type, or any sock_common
 *   btf           a trusted BTF pointer to struct `struct`        percpu_btf: per-CPU BTF object of any type
 *   func          a BPF function (callback)
 *   stack         stack memory of the callback's context, or NULL with `nullable`
 *   const_str     NUL-terminated string in a read-only map value
 *   kptr          map value field that holds a kptr
 *   dynptr        a dynptr on the stack (`uninit`: a free 16-byte slot that the helper fills, of kind `dynptr`)
 *   ringbuf_mem   memory that bpf_ringbuf_reserve() returned
 */
export type ArgKind =
  | 'anything'
  | 'const_map'
  | 'map_key'
  | 'map_value'
  | 'mem'
  | 'size'
  | 'size_or_zero'
  | 'const_alloc'
  | 'ctx'
  | 'spin_lock'
  | 'timer'
  | 'workqueue'
  | 'sock_common'
  | 'socket'
  | 'btf_sock'
  | 'btf'
  | 'percpu_btf'
  | 'func'
  | 'stack'
  | 'const_str'
  | 'kptr'
  | 'dynptr'
  | 'ringbuf_mem'

/** One argument of a helper. Flags are absent when false. */
export interface ArgSpec {
  readonly kind: ArgKind
  /** NULL is allowed. */
  readonly nullable?: true
  /** The memory need not be initialised: the helper fills it. */
  readonly uninit?: true
  /** The helper writes the memory (read-only maps are refused). */
  readonly write?: true
  /** The helper only reads: read-only memory is accepted. */
  readonly readonly?: true
  /** The reference that the argument holds is given up. */
  readonly release?: true
  /** Fixed length of `mem`. */
  readonly bytes?: number
  /** Fixed-size memory must be aligned to its size. */
  readonly aligned?: true
  /** Name of the struct of `btf`. */
  readonly struct?: string
  readonly dynptr?: 'local' | 'ringbuf' | 'skb' | 'xdp'
}

/** What r0 holds after the call. `struct` is the BTF type of btf kinds. */
export type ReturnKind =
  | 'integer'
  | 'void'
  | 'map_value'
  | 'map_value_or_null'
  | 'socket_or_null'
  | 'tcp_sock_or_null'
  | 'sock_common_or_null'
  | 'ringbuf_mem_or_null'
  | 'dynptr_mem_or_null'
  | 'mem_or_btf'
  | 'mem_or_btf_or_null'
  | 'btf_or_null'
  | 'btf_trusted'
  | 'kptr_or_null'

/** Helpers come in groups; a program type lists the groups it may call, in order of precedence. `base` is in all. */
export type HelperGroup = string

/** Prototype of one helper. Ids are Linux's; two records of one id differ by group. */
export interface HelperProto {
  readonly id: number
  /** Without the bpf_ prefix. */
  readonly name: string
  readonly args: readonly ArgSpec[]
  readonly returns: ReturnKind
  readonly returnStruct?: string
  readonly groups: readonly HelperGroup[]
  /** Capability that the loader needs besides loading at all. */
  readonly needs?: 'bpf' | 'perfmon'
  readonly gplOnly?: true
  readonly mightSleep?: true
  /** May be called from a program type that reads packets directly, with packet pointers as memory. */
  readonly packetAccess?: true
  /** Clears packet pointers. */
  readonly changesPacket?: true
  /** Clang may call it with the registers that it does not use kept (bpf_fastcall). */
  readonly fastcall?: true
  /** Only allowed while the program was attached to these vmlinux functions (allowed() of Linux). */
  readonly attachOnlyTo?: readonly string[]
}

// ---- kfuncs ----

/** KF_* flags of a kfunc. */
export const KF = {
  acquire: 1 << 0,
  release: 1 << 1,
  ret_null: 1 << 2,
  trusted_args: 1 << 4,
  sleepable: 1 << 5,
  destructive: 1 << 6,
  rcu: 1 << 7,
  iter_new: 1 << 8,
  iter_next: 1 << 9,
  iter_destroy: 1 << 10,
  rcu_protected: 1 << 11,
  fastcall: 1 << 12,
  arena_ret: 1 << 13,
  arena_arg1: 1 << 14,
  arena_arg2: 1 << 15,
} as const

/** The hooks that kfunc sets are registered for (bpf_prog_type_to_kfunc_hook). */
export type KfuncHook =
  | 'common'
  | 'xdp'
  | 'tc'
  | 'struct_ops'
  | 'tracing'
  | 'syscall'
  | 'fmodret'
  | 'cgroup'
  | 'sched_act'
  | 'sk_skb'
  | 'socket_filter'
  | 'lwt'
  | 'netfilter'
  | 'kprobe'

/** One kfunc of a set; its prototype is in BTF. */
export interface KfuncFacts {
  readonly name: string
  /** KF.* */
  readonly flags: number
  readonly hooks: readonly KfuncHook[]
  /** Module that has it; vmlinux when absent. */
  readonly module?: string
  /** Program types (BPF_PROG_TYPE_*) to which a set's own filter limits it. */
  readonly programTypes?: readonly number[]
}

// ---- Contexts ----

/** What a context field loads. `scalar` is a number; the rest become pointers. */
export type ContextValue =
  | 'scalar'
  | 'packet'
  | 'packet_meta'
  | 'packet_end'
  | 'flow_keys'
  | 'socket'
  | 'sock_common'
  | 'sock_common_or_null'
  | 'socket_or_null'
  | 'tcp_sock_or_null'
  | 'xdp_sock'
  | 'btf'
  | 'btf_or_null'

/**
 * How a context load becomes loads of the kernel's own struct: each step reads member `path` of `struct`, the first from the real
 * context, every further one from the pointer that the step before gave (a NULL pointer ends with 0 when `nullCheck`).
 * `size` is the bytes read by the last step where it is not the member's own; `shift`, `mask` and `swap` are applied after it.
 */
export interface ContextConversion {
  readonly steps: readonly { readonly struct: string; readonly path: string }[]
  readonly nullCheck?: true
  readonly size?: number
  readonly offset?: number
  readonly shift?: number
  readonly mask?: number
  readonly swap?: 16 | 32
  /** Name of a conversion that is code, in ebpf-vm/verifier/rewrite. */
  readonly special?: string
}

export interface ContextField {
  readonly name: string
  readonly offset: number
  readonly size: number
  /** Sizes in bytes of allowed loads; narrower ones at any aligned place in the field when `narrow`. */
  readonly read: false | readonly number[]
  readonly narrow?: boolean
  readonly write?: readonly number[]
  readonly value: ContextValue
  /** BTF struct of a btf value. */
  readonly struct?: string
  /** Only for these expected attach types, when given. */
  readonly attachTypes?: readonly number[]
  /** Only for loaders that have this capability. */
  readonly needs?: 'bpf' | 'perfmon'
  readonly convert?: ContextConversion
}

/**
 * How a program type reads its context.
 *   fields      a user API struct: only listed fields; `real` is the kernel struct behind it (the address that r1 holds)
 *   bytes       physical bytes, read in aligned words: pt_regs of kprobes, tracepoint records
 *   raw_args    u64 arguments of a raw tracepoint, all scalars
 *   btf_args    u64 arguments of the attach target, typed by BTF
 *   none        no access at all
 */
export type ContextTable =
  | {
      readonly kind: 'fields'
      readonly name: string
      readonly real: string
      readonly size: number
      readonly fields: readonly ContextField[]
    }
  | { readonly kind: 'bytes'; readonly name: string; readonly size: number }
  | { readonly kind: 'raw_args'; readonly size: number; readonly writable: boolean }
  | { readonly kind: 'btf_args' }
  | { readonly kind: 'none' }

/** Inclusive range that r0 must have at exit; undefined: anything goes. */
export interface ReturnRange {
  readonly min: number
  readonly max: number
}

export interface ProgramTypeFacts {
  /** enum bpf_prog_type */
  readonly type: number
  /** As `bpf_prog_type` names it: `kprobe`, `xdp`, … */
  readonly name: string
  readonly context: ContextTable
  readonly helpers: readonly HelperGroup[]
  readonly kfuncs: KfuncHook
  /** By expected attach type; `default` for all others. */
  readonly returns?: Readonly<Record<string, ReturnRange>>
  /** Packet data may be read directly / written directly. */
  readonly packet?: 'read' | 'write'
  /** bpf_attach_types for which packets are writable, when it depends on them. */
  readonly packetWriteAttachTypes?: readonly number[]
  /** An LD_ABS / LD_IND reader. */
  readonly skbLoads?: true
  readonly sleepable?: true
}

// ---- The kernel ----

/** Capabilities of the loader. */
export interface Capabilities {
  readonly bpf: boolean
  readonly perfmon: boolean
  readonly netAdmin: boolean
  readonly sysAdmin: boolean
}

export const ROOT: Capabilities = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true }
export const UNPRIVILEGED: Capabilities = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false }

export interface KernelFacts {
  /** utsname release, e.g. 6.12.0. */
  readonly release: string
  readonly btf: Btf | undefined
  readonly modules: readonly { readonly name: string; readonly btf: Btf }[]
  readonly capabilities: Capabilities
  readonly programTypes: ReadonlyMap<number, ProgramTypeFacts>
  readonly helpers: readonly HelperProto[]
  readonly kfuncs: readonly KfuncFacts[]
  /** Tracepoint arguments that may be NULL: tracepoint name to argument numbers from 0. */
  readonly nullableArgs?: ReadonlyMap<string, readonly number[]>
  /** Functions that ALLOW_ERROR_INJECTION() lists (fmod_ret). */
  readonly errorInjection?: ReadonlySet<string>
  /** Functions that may be the target of sleepable fentry, fexit and fmod_ret besides syscalls. */
  readonly sleepableTargets?: ReadonlySet<string>
  /** LSM hooks: bpf_lsm_* names that sleepable programs may use, and those that no program may. */
  readonly lsmSleepable?: ReadonlySet<string>
  readonly lsmDisabled?: ReadonlySet<string>
  /** Functions that no fentry, fexit or fmod_ret may be attached to. */
  readonly tracingDenied?: ReadonlySet<string>
  /** Destructor kfunc of a struct that may be a referenced kptr. */
  readonly destructors?: ReadonlyMap<string, string>
  /** Number of possible CPUs, 1 where unknown. */
  readonly cpus: number
  /** CONFIG_HZ */
  readonly hz: number
}
