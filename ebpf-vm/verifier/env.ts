// The verifier's working memory for one program: the program, the kernel's facts, what is known per instruction and subprogram,
// the current state, the log and the counters. Nothing outlives verify().

import type { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import type { Capabilities, HelperProto, KernelFacts, KfuncFacts, ProgramTypeFacts } from '../../base/facts.ts'
import type { Insn } from '../isa/insn.ts'
import type { AccessKind, CallFacts, MapFacts, ProgramInput } from '../program.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../uapi.ts'
import { instructionText } from './insn-text.ts'
import type { LiveStack } from './live-stack.ts'
import { formatState, Log, type Scratched } from './log.ts'
import { type Reg, unknownScalar } from './reg.ts'
import { fresh, type Scalar, sync } from './scalar/scalar.ts'
import type { SccVisits } from './scc.ts'
import type { RetRange, State, StateEntry } from './state.ts'

/** Thrown where Linux returns an error; its text is in the log already. Caught in verify() only. */
export class Reject {
  /** Positive errno. */
  readonly errno: number
  constructor(errno: number) {
    this.errno = errno
  }
}

export interface Subprog {
  start: number
  end: number
  name: string
  /** Bytes of stack used, as accessed. */
  stackDepth: number
  hasTailCall: boolean
  hasLdAbs: boolean
  isCallback: boolean
  isAsyncCallback: boolean
  isExceptionCallback: boolean
  mightSleep: boolean
  changesPacket: boolean
  tailCallReachable: boolean
  /** BTF function, 0 where there is none. */
  typeId: number
  isGlobal: boolean
  called: boolean
  /** Prepared argument descriptions of a BTF function. */
  args: readonly SubprogArg[] | undefined
  argsBad: boolean
  postorderStart: number
  keepFastcallStack: boolean
  fastcallStackOff: number
}

export type SubprogArg =
  | { kind: 'anything' }
  | { kind: 'ctx' }
  | { kind: 'mem'; size: number; nullable: boolean; untrusted?: boolean; rdonly?: boolean }
  | { kind: 'dynptr' }
  | { kind: 'arena' }
  | { kind: 'btf'; btf: Btf; btfId: number; nullable: boolean; untrusted?: boolean }

/** What is known of one instruction, all states together. Arrays are indexed by slot. */
export class InsnAux {
  readonly prunePoint: Uint8Array
  readonly jmpPoint: Uint8Array
  readonly forceCheckpoint: Uint8Array
  readonly callsCallback: Uint8Array
  readonly seen: Uint8Array
  readonly liveRegs: Uint16Array
  readonly scc: Int32Array
  readonly nospec: Uint8Array
  readonly nospecResult: Uint8Array
  /** Register type that a memory access went through; 0: none yet. */
  readonly ptrType: Int32Array
  readonly needsZext: Uint8Array
  /** 1: may_goto, iter_next and the like were seen here with a fixed pattern. */
  readonly iterNext: Uint8Array
  readonly fastcallPattern: Uint8Array
  readonly fastcallSpills: Uint8Array

  constructor(count: number) {
    this.prunePoint = new Uint8Array(count + 1)
    this.jmpPoint = new Uint8Array(count + 1)
    this.forceCheckpoint = new Uint8Array(count + 1)
    this.callsCallback = new Uint8Array(count + 1)
    this.seen = new Uint8Array(count + 1)
    this.liveRegs = new Uint16Array(count + 1)
    this.scc = new Int32Array(count + 1)
    this.nospec = new Uint8Array(count + 1)
    this.nospecResult = new Uint8Array(count + 1)
    this.ptrType = new Int32Array(count + 1)
    this.needsZext = new Uint8Array(count + 1)
    this.iterNext = new Uint8Array(count + 1)
    this.fastcallPattern = new Uint8Array(count + 1)
    this.fastcallSpills = new Uint8Array(count + 1)
  }
}

/** A state that waits for its turn, and where it came from. */
export interface Pending {
  readonly state: State
  readonly insnIdx: number
  readonly previous: number
  readonly logPosition: number
}

/** What was proved of an access for the engines (see AccessKind), and of a call. */
export interface Proofs {
  readonly access: Map<number, Set<AccessKind>>
  readonly calls: Map<number, CallFacts | undefined>
  readonly contextLoads: Map<number, number>
}

const LSM_BOOLEAN: ReadonlySet<string> = new Set(['audit_rule_known', 'inode_xattr_skipcap'])
const LSM_ANY: ReadonlySet<string> = new Set(['getselfattr', 'setselfattr', 'xfrm_decode_session'])

/** Licenses that may call GPL-only functions (include/linux/license.h). */
const GPL_LICENSES: ReadonlySet<string> = new Set([
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
])

export const MAX_INSNS_PROCESSED = 1_000_000
export const MAX_JMPS = 8192

export class Env {
  readonly input: ProgramInput
  readonly facts: KernelFacts
  readonly caps: Capabilities
  readonly type: ProgramTypeFacts
  readonly insns: Insn[]
  readonly log: Log
  readonly aux: InsnAux
  readonly strictAlignment: boolean
  readonly testStateFreq: boolean
  readonly testRegInvariants: boolean
  readonly allowPtrLeaks: boolean
  readonly allowUninitStack: boolean
  readonly bypassSpecV1: boolean
  readonly bypassSpecV4: boolean
  sleepable: boolean

  subprogs: Subprog[] = []
  exceptionCallbackSubprog = 0
  postorder: Int32Array = new Int32Array(0)
  usedMaps: MapFacts[] = []
  /** Map or BTF object that a 64-bit immediate refers to. */
  readonly immediates = new Map<number, Immediate>()
  /** The kfunc of each kfunc call. */
  readonly kfuncCalls = new Map<string, KfuncCall | undefined>()
  readonly helperCache = new Map<number, HelperProto | undefined>()

  state!: State
  insnIdx = 0
  prevInsnIdx = -1
  readonly stack: Pending[] = []
  explored: (StateEntry[] | undefined)[] = []
  sccVisits!: SccVisits
  live!: LiveStack

  insnProcessed = 0
  jmpsProcessed = 0
  prevInsnProcessed = 0
  prevJmpsProcessed = 0
  totalStates = 0
  peakStates = 0
  maxStatesPerInsn = 0
  exploredSize = 0
  freeListSize = 0
  idGen = 0
  prevLogPosition = 0
  prevInsnPrintLength = 0
  prevLine = -1
  readonly scratched: Scratched = { regs: 0, stackL: 0, stackH: 0 }
  /** The jump history entry of the current instruction, if it has one. */
  historyEntry: import('./state.ts').HistoryEntry | undefined = undefined
  exploreAluLimits = false
  seenDirectWrite = false
  seenException = false
  arena: MapFacts | undefined = undefined
  readonly proofs: Proofs = { access: new Map(), calls: new Map(), contextLoads: new Map() }
  /** The vmlinux function, tracepoint or hook that the program attaches to. */
  attach: AttachTarget = { name: '', protoId: 0, btf: undefined }
  returnRange: RetRange | undefined = undefined
  /** A scalar of which nothing is known; what unknown stack bytes read as. */
  readonly unboundScalar: Reg = unknownScalar()

  /** License compatible with the kernel's. */
  readonly gpl: boolean
  maxCtxOffset = 0
  /** All checks passed. */
  verified = false
  /** A kfunc call that the loader left unresolved was walked. */
  unresolvedKfunc = false
  /** The one callback of each bpf_loop() call that could be inlined, -1 where it cannot. */
  readonly loopCallbacks = new Map<number, number>()
  readonly aluStates = new Map<number, { state: number; limit: number }>()
  readonly jits = true
  /** Before Linux 6.18 an RCU section within another is refused. */
  readonly nestedRcuRefused: boolean = true
  readonly jitsSubprogTailCalls = true
  /** Register types of an iterator's context arguments. */
  iterArgs: ReadonlyMap<number, number> | undefined = undefined

  constructor(input: ProgramInput, facts: KernelFacts, type: ProgramTypeFacts, logLevel: number) {
    this.input = input
    this.facts = facts
    this.caps = facts.capabilities
    this.type = type
    this.insns = input.insns.map((insn) => ({ ...insn }))
    this.log = new Log(logLevel)
    this.aux = new InsnAux(input.insns.length)
    this.strictAlignment = (input.flags & 1) !== 0 && (input.flags & 2) === 0
    this.testStateFreq = (input.flags & 8) !== 0
    this.sleepable = (input.flags & 16) !== 0
    this.testRegInvariants = (input.flags & 128) !== 0
    this.gpl = GPL_LICENSES.has(input.license)
    this.allowPtrLeaks = this.caps.perfmon
    this.allowUninitStack = this.caps.perfmon
    this.bypassSpecV1 = this.caps.perfmon
    this.bypassSpecV4 = this.caps.perfmon
  }

  /** Append to the log. */
  print(text: string): void {
    this.log.write(text)
  }

  /** Log a line and refuse the program. */
  fail(errno: keyof typeof ERRNO, text?: string): never {
    if (text !== undefined) this.log.write(text + '\n')
    throw new Reject(ERRNO[errno])
  }

  newId(): number {
    return ++this.idGen
  }

  scratchReg(n: number): void {
    this.scratched.regs |= 1 << n
  }

  scratchSlot(spi: number): void {
    if (spi < 32) this.scratched.stackL |= 1 << spi
    else this.scratched.stackH |= 1 << (spi - 32)
  }

  scratchAll(): void {
    this.scratched.regs = -1
    this.scratched.stackL = -1
    this.scratched.stackH = -1
  }

  scratchNone(): void {
    this.scratched.regs = 0
    this.scratched.stackL = 0
    this.scratched.stackH = 0
  }

  /** State with a final newline; prints everything if `all`, else what changed, which then counts as printed. */
  printState(state: State, frameno: number, all: boolean): void {
    this.print(formatState(state, frameno, all, this.scratched) + '\n')
    if (!all) this.scratchNone()
  }

  /** The state behind the instruction just printed, on its line if nothing was printed since. */
  printInsnState(state: State, frameno: number): void {
    if (this.prevLogPosition !== 0 && this.prevLogPosition === this.log.end) {
      this.log.reset(this.prevLogPosition - 1)
      const length = this.prevInsnPrintLength
      const width = Math.ceil(Math.max(length + 4, 40) / 8) * 8 - length - 1
      this.print(' '.repeat(width) + ';')
    } else this.print(`${this.insnIdx}:`)
    this.printState(state, frameno, false)
  }

  insnText(index: number): string {
    return instructionText(this, index)
  }

  /** The source line of an instruction, once for each line of source in a row. */
  printLine(index: number, prefix: string): void {
    if (!this.log.enabled) return
    const lines = this.input.lineInfo
    if (!lines?.length) return
    let low = 0
    let high = lines.length - 1
    let found = -1
    while (low <= high) {
      const middle = (low + high) >> 1
      if (lines[middle]!.insn <= index) {
        found = middle
        low = middle + 1
      } else high = middle - 1
    }
    if (found < 0) return
    // A line of an earlier function is none of ours.
    if (lines[found]!.insn < this.subprogs[this.subprogOf(index)]!.start) return
    const line = lines[found]!
    if (this.prevLine >= 0) {
      const before = lines[this.prevLine]!
      if (found === this.prevLine) return
      if (before.file === line.file && before.text === line.text && before.line === line.line) return
    }
    const file = line.file.slice(line.file.lastIndexOf('/') + 1)
    this.print(`${prefix}${line.text.trimStart()} @ ${file}:${line.line}\n`)
    this.prevLine = found
  }

  subprogOf(index: number): number {
    const { subprogs } = this
    let low = 0
    let high = subprogs.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (subprogs[middle]!.start <= index) low = middle
      else high = middle - 1
    }
    return low
  }

  isKernelBtf(btf: Btf): boolean {
    return btf === this.facts.btf || this.facts.modules.some((module) => module.btf === btf)
  }

  /** The context may be read at any constant or variable offset (BPF_PROG_TYPE_SYSCALL). */
  get contextOffsetAllowed(): boolean {
    return this.input.type === PROG_TYPE.syscall
  }

  /** Arguments of the attach point are pointers that the kernel vouches for. */
  get trustsArgs(): boolean {
    const { type, expectedAttachType } = this.input
    if (type === PROG_TYPE.lsm || type === PROG_TYPE.struct_ops) return true
    if (type !== PROG_TYPE.tracing) return false
    return expectedAttachType === ATTACH_TYPE.trace_raw_tp || expectedAttachType === ATTACH_TYPE.trace_iter
  }

  isNullableArg(index: number): boolean {
    const { type, expectedAttachType } = this.input
    if (type !== PROG_TYPE.tracing || expectedAttachType !== ATTACH_TYPE.trace_raw_tp) return false
    const name = this.attach.name.replace(/^btf_trace_/, '')
    return this.facts.nullableArgs?.get(name)?.includes(index) ?? false
  }

  get attachReturnsVoid(): boolean {
    const { btf, protoId } = this.attach
    if (!btf || !protoId) return false
    const proto = btf.type(protoId)
    return proto.kind === 'func_proto' && proto.returnType === 0
  }

  /** What an LSM hook may return; undefined when anything goes. */
  lsmReturnRange(): RetRange | undefined {
    if (this.attachReturnsVoid) return undefined
    const name = this.attach.name.replace(/^bpf_lsm_/, '')
    if (LSM_BOOLEAN.has(name)) return { min: 0, max: 1 }
    if (LSM_ANY.has(name)) return undefined
    return { min: -4095, max: 0 }
  }

  /** A load of an LSM hook's (or fexit's) return value. */
  returnValueLoad(offset: number): boolean {
    if (this.input.type !== PROG_TYPE.lsm || !this.attach.btf) return false
    const proto = this.attach.btf.type(this.attach.protoId)
    return proto.kind === 'func_proto' && offset === proto.params.length * 8 && this.lsmReturnRange() !== undefined
  }

  returnValueRange(): Scalar {
    const range = this.lsmReturnRange()!
    const s = fresh()
    s.sminL = range.min
    s.sminH = range.min >> 31
    s.smaxL = range.max
    s.smaxH = range.max >> 31
    s.smin32 = range.min
    s.smax32 = range.max
    return sync(s)
  }

  /** The current instruction accesses memory that was proved to be `kind`. */
  prove(kind: AccessKind): void {
    const { access } = this.proofs
    const known = access.get(this.insnIdx)
    if (known) known.add(kind)
    else access.set(this.insnIdx, new Set([kind]))
  }

  noteContextAccess(offset: number, size: number): void {
    this.maxCtxOffset = Math.max(this.maxCtxOffset, offset + size)
    this.proofs.contextLoads.set(this.insnIdx, offset)
  }

  findSubprog(start: number): number {
    const index = this.subprogOf(start)
    return this.subprogs[index]?.start === start ? index : -1
  }
}

export type Immediate =
  | { kind: 'map'; map: MapFacts }
  | { kind: 'map_value'; map: MapFacts; offset: number }
  | { kind: 'btf_var'; btf: Btf; typeId: number; percpu: boolean; memSize: number; module: string | undefined }
  | { kind: 'func'; subprog: number }

export interface KfuncCall {
  readonly facts: KfuncFacts | undefined
  readonly name: string
  readonly btf: Btf
  readonly btfId: number
  readonly protoId: number
  readonly module: string | undefined
}

export interface AttachTarget {
  name: string
  /** FUNC_PROTO id, 0 for none. */
  protoId: number
  btf: Btf | undefined
}
