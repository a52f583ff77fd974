// An object before it is loaded: programs, maps and variables as data, read from bytes (read.ts) or assembled (program.ts).
// A spec belongs to its reader and may be changed until it is loaded - variables, map sizes, attach targets, what is loaded at all -
// and loaded into any number of kernels. Nothing here knows of a kernel.

import type { Btf } from '../../base/btf/btf.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import type { CoreRelocation } from './core/kinds.ts'
import type { SectionDefinition } from './sections.ts'

/** What an instruction refers to by name or place; `insn` is its slot within the function. */
export type Relocation = { readonly insn: number } & (
  | { readonly kind: 'map'; readonly map: string }
  /** `offset` is added to what the instruction holds. */
  | { readonly kind: 'data'; readonly map: string; readonly offset: number }
  /** A call, or the address, of a function of .text; `offset` in bytes as the symbol has it. */
  | { readonly kind: 'call'; readonly offset: number }
  | { readonly kind: 'function'; readonly offset: number }
  | { readonly kind: 'extern'; readonly extern: string }
  | { readonly kind: 'extern_call'; readonly extern: string }
)

/** One function's code as it stands in its section. */
export interface FunctionSpec {
  readonly name: string
  /** Index of its section, and its first slot there. */
  readonly section: number
  readonly start: number
  readonly insns: readonly Insn[]
  /** In order of instructions. */
  readonly relocations: readonly Relocation[]
  readonly core: readonly CoreRelocation[]
  /** struct bpf_func_info and bpf_line_info, slots counted within the function; offsets are into the spec's BTF strings. */
  readonly funcInfo: readonly { readonly insn: number; readonly type: number }[]
  readonly lineInfo: readonly LineRecord[]
}

export interface LineRecord {
  readonly insn: number
  readonly fileOffset: number
  readonly textOffset: number
  /** line << 10 | column */
  readonly lineColumn: number
}

export interface ProgramSpec {
  readonly name: string
  /** Without a leading '?'. */
  readonly section: string
  readonly definition: SectionDefinition | undefined
  readonly code: FunctionSpec
  /** enum bpf_prog_type; 0 where the section name says nothing. */
  type: number
  /** enum bpf_attach_type */
  expectedAttachType: number
  /** BPF_F_* of BPF_PROG_LOAD */
  flags: number
  /** What it attaches to: `syscalls/sys_enter_openat`, `vfs_read+8`; at first what stands behind the '/' of its section. */
  target: string
  autoload: boolean
  autoattach: boolean
}

export type MapData = 'rodata' | 'data' | 'bss' | 'kconfig'

export interface MapSpec {
  /** As the object has it: `events`, `.rodata`. */
  readonly name: string
  /** As the kernel sees it, at most 15 characters: `opensnoo.rodata`. */
  readonly kernelName: string
  /** enum bpf_map_type */
  type: number
  keySize: number
  valueSize: number
  maxEntries: number
  /** BPF_F_* of BPF_MAP_CREATE */
  flags: number
  numaNode: number
  extra: bigint
  /** LIBBPF_PIN_BY_NAME. Read, and not acted on: the loader pins nothing. */
  pinned: boolean
  /** Type ids in the spec's BTF; 0: unknown. */
  keyType: number
  valueType: number
  /** Of a map of maps: what its inner maps look like. */
  readonly inner: MapSpec | undefined
  /** Elements given in the object: names of maps (map of maps) or programs (program array), by index. */
  readonly slots: { readonly index: number; readonly name: string }[]
  /** Global data: the bytes of the section, which variables are views of. */
  readonly data: { readonly kind: MapData; readonly bytes: Uint8Array } | undefined
  autocreate: boolean
}

/** Where a global variable lies. */
export interface VariableSpec {
  readonly name: string
  readonly map: string
  readonly offset: number
  readonly sizeBytes: number
  /** Type id in the spec's BTF. */
  readonly type: number
  readonly static: boolean
}

export type KconfigType = 'bool' | 'tristate' | 'char' | 'int' | 'string'

/** A name that the kernel gives a value to when the object is loaded. */
export type ExternSpec = { readonly name: string; readonly weak: boolean } & (
  | {
      readonly kind: 'kconfig'
      readonly type: KconfigType
      readonly signed: boolean
      readonly offset: number
      readonly sizeBytes: number
    }
  /** A kernel symbol: typed where `type` (resolved, in the spec's BTF) is not 0. */
  | { readonly kind: 'ksym'; readonly type: number; readonly function: boolean }
)

/** The names and types of one object, as `bpfsim gen types` writes them. */
export interface ObjectShape {
  programs: string
  /** `event`: what a reader of a ring or perf buffer gets. */
  maps: Record<string, { key: unknown; value: unknown; event?: unknown }>
  variables: Record<string, unknown>
}

export interface ObjectSpec<T extends ObjectShape = ObjectShape> {
  /** The file's name without folder and suffix. */
  readonly name: string
  readonly license: string
  readonly kernelVersion: number
  /** With sizes and offsets of sections filled in; undefined where the object has none. */
  readonly btf: Btf | undefined
  readonly programs: { readonly [K in T['programs']]: ProgramSpec }
  /** Functions of .text: subprograms, appended to the programs that call them. */
  readonly functions: readonly FunctionSpec[]
  readonly maps: { readonly [K in keyof T['maps']]: MapSpec }
  /** Global variables; an assignment changes what the object is loaded with. */
  readonly variables: T['variables']
  readonly variableSpecs: readonly VariableSpec[]
  readonly externs: readonly ExternSpec[]
}
