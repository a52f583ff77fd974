// The contract between the verifier and the engines. Engines run a VerifiedProgram and nothing else.

import type { Btf } from '../base/btf/btf.ts'
import type { KernelFacts } from '../base/facts.ts'
import type { Insn } from './isa/insn.ts'

/** What a map is to the verifier and to a compiled program. BpfMap (maps/map.ts) is one; files and tests give others. */
export interface MapFacts {
  readonly id: number
  readonly name: string
  /** enum bpf_map_type */
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  /** BPF_F_* of BPF_MAP_CREATE */
  readonly mapFlags: number
  /** Offset of the map's struct bpf_map in kernel memory; 0 where no kernel stands behind the facts. */
  readonly address: number
  readonly frozen: boolean
  /** The BTF that describes key and value, if any, and their type ids (0: none). */
  readonly btf?: Btf | undefined
  readonly btfKeyTypeId: number
  readonly btfValueTypeId: number
  /** BTF_KIND_STRUCT in vmlinux that a struct_ops map stands for. */
  readonly btfVmlinuxValueTypeId?: number
  /** The template of a map of maps. */
  readonly inner?: MapFacts | undefined
  /** Bytes of the single value of a global-data section (a one-element array), when frozen and read-only; else undefined. */
  readonlyBytes?(): Uint8Array | undefined
  /** Offset in kernel memory of the value of a one-element array (direct value access), or 0. */
  readonly directValue: number
}

/** bpf_func_info and bpf_line_info of .BTF.ext, with offsets in instructions. */
export interface FuncInfo {
  insn: number
  type: number
}
export interface LineInfo {
  insn: number
  file: string
  text: string
  line: number
  column: number
}

/** What BPF_PROG_LOAD hands to the verifier, file descriptors resolved. */
export interface ProgramInput {
  readonly name: string
  /** enum bpf_prog_type */
  readonly type: number
  /** enum bpf_attach_type */
  readonly expectedAttachType: number
  readonly insns: readonly Insn[]
  readonly license: string
  /** BPF_F_* of BPF_PROG_LOAD: strict alignment, sleepable, test flags … */
  readonly flags: number
  /** The program's own BTF, function and line information. */
  readonly btf?: Btf | undefined
  readonly funcInfo?: readonly FuncInfo[] | undefined
  readonly lineInfo?: readonly LineInfo[] | undefined
  /** Target of a tracing, LSM or struct_ops program: a type id in vmlinux (or in the module named), or in `attachProgram`. */
  readonly attachBtfId?: number | undefined
  readonly attachModule?: string | undefined
  readonly attachProgram?: VerifiedProgram | undefined
  /** The map behind `fd` (PSEUDO_MAP_FD), or behind index `fd` of fd_array (PSEUDO_MAP_IDX). */
  mapByFd(fd: number, isIndex: boolean): MapFacts | undefined
  /** The BTF behind fd_array[index] of a kfunc call with a module offset; undefined when there is none. */
  btfByFdIndex?(index: number): { name: string; btf: Btf } | undefined
}

/** What an access was proved to be. `probe` (and a BTF load) checks its address and reads 0 on a fault; `none` is no access. */
export type AccessKind =
  | 'none'
  | 'ctx'
  | 'stack'
  | 'map_value'
  | 'packet'
  | 'mem'
  | 'btf'
  | 'probe'
  | 'arena'
  | 'unproved'

/** What is known of a call in every state that reaches it. */
export interface CallFacts {
  /** The one map its map argument always is. */
  map?: MapFacts
  /** For lookups in arrays: the constant key. */
  constantKey?: number
  /** The subprogram (index) that a callback argument always is. */
  callback?: number
}

export interface Subprogram {
  readonly name: string
  /** First slot, and the slot behind its last. */
  readonly start: number
  readonly end: number
  /** Bytes of stack it uses, a multiple of 8. */
  readonly stackBytes: number
  readonly isCallback: boolean
  readonly isAsyncCallback: boolean
  readonly isExceptionCallback: boolean
}

/**
 * A program that may run. `insns` is rewritten: map references are 64-bit constants (src 0) holding kernel addresses;
 * a function reference keeps PSEUDO.func with imm = index of the subprogram; helper calls keep the helper's id; local calls
 * keep their relative target; kfunc calls keep the BTF id in imm and the module index in off; context accesses are loads from
 * the kernel's own struct. Dead code is gone. `access`, like `insns`, is indexed by slot.
 */
export interface VerifiedProgram {
  readonly name: string
  readonly type: number
  readonly expectedAttachType: number
  readonly insns: readonly Insn[]
  readonly access: readonly AccessKind[]
  readonly calls: ReadonlyMap<number, CallFacts>
  /** [0] is the main program. One that was removed as dead stays, empty (start = end). */
  readonly subprograms: readonly Subprogram[]
  readonly maps: readonly MapFacts[]
  /** By the slot of the call. */
  readonly kfuncs: ReadonlyMap<number, { name: string; module?: string }>
  readonly gplCompatible: boolean
  readonly sleepable: boolean
  readonly hasTailCall: boolean
  readonly attachBtfId: number
  readonly attachModule?: string | undefined
  readonly btf?: Btf | undefined
  readonly funcInfo?: readonly FuncInfo[] | undefined
  readonly lineInfo?: readonly LineInfo[] | undefined
  /** Bytes of context that the program reads: one past its last access (aux->max_ctx_offset). */
  readonly maxCtxOffset: number
  /** Set when the program is right but uses something that bpfsim cannot run yet: what. Loading answers -EOPNOTSUPP. */
  readonly unsupported?: string | undefined
  /** Instructions as loaded, for `prog dump` and for step-by-step views. */
  readonly original: readonly Insn[]
  /** Slot in `original` of each slot of `insns`. */
  readonly originalIndex: readonly number[]
}

export interface VerifyOptions {
  /** BPF_LOG_LEVEL1 | BPF_LOG_LEVEL2 | BPF_LOG_STATS; 0: no log. */
  readonly logLevel: number
}

export interface VerifyStats {
  /** Instructions processed, as in Linux's "processed N insns". */
  readonly processed: number
  readonly peakStates: number
  readonly totalStates: number
}

/** The log is complete: cutting it to the caller's buffer (-ENOSPC) is bpf(2)'s business. */
export type VerifyResult =
  | { readonly ok: true; readonly program: VerifiedProgram; readonly log: string; readonly stats: VerifyStats }
  | { readonly ok: false; readonly errno: number; readonly log: string; readonly stats: VerifyStats }

export type Verify = (input: ProgramInput, facts: KernelFacts, options: VerifyOptions) => VerifyResult
