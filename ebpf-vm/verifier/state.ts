// The states that the verifier walks through: stack slots, frames, held resources. Registers and slots are values; frames and states
// are changed in place while they are current, and copied whole when a branch is pushed or a state is remembered.

import { type Reg, UNSET } from './reg.ts'

// ---- Stack slots ----

/** What one byte of stack holds. */
export const INVALID = 0
export const SPILL = 1
export const MISC = 2
export const ZERO = 3
export const DYNPTR = 4
export const ITER = 5
export const IRQ = 6
export const SLOT_CHARS = '?rm0dif'

/** Eight bytes of stack. `types` holds a nibble per byte, the byte at the highest address in the lowest nibble. */
export interface Slot {
  readonly types: number
  readonly reg: Reg
}

export const EMPTY_SLOT: Slot = { types: 0, reg: UNSET }
export const allBytes = (type: number): number => Math.imul(type, 0x11111111)
/** Type of byte `i`, counted from the slot's highest address (Linux's slot_type[i]): offset -1 is byte 0, offset -8 byte 7. */
export const byteType = (types: number, i: number): number => (types >>> (i * 4)) & 15
export const withByte = (types: number, i: number, type: number): number =>
  (types & ~(15 << (i * 4))) | (type << (i * 4))

// ---- Frames ----

export interface RetRange {
  readonly min: number
  readonly max: number
}

export class Frame {
  regs: Reg[]
  stack: Slot[] = []
  /** Instruction of the call, -1 of the main program. */
  callsite: number
  frameno: number
  subprog: number
  callbackDepth = 0
  asyncEntry = 0
  inCallback = false
  inAsyncCallback = false
  inExceptionCallback = false
  /** Whether a callback's return value is checked, and against what. */
  callbackRange: RetRange | undefined = undefined

  constructor(callsite: number, frameno: number, subprog: number) {
    this.callsite = callsite
    this.frameno = frameno
    this.subprog = subprog
    this.regs = new Array<Reg>(11).fill(UNSET)
  }

  copy(): Frame {
    const f = new Frame(this.callsite, this.frameno, this.subprog)
    f.regs = this.regs.slice()
    f.stack = this.stack.slice()
    f.callbackDepth = this.callbackDepth
    f.asyncEntry = this.asyncEntry
    f.inCallback = this.inCallback
    f.inAsyncCallback = this.inAsyncCallback
    f.inExceptionCallback = this.inExceptionCallback
    f.callbackRange = this.callbackRange
    return f
  }
}

// ---- Resources ----

/** A held reference, lock or interrupt flag. `pointer` identifies what a lock guards (a map or an object). */
export interface Ref {
  readonly kind: 'ptr' | 'irq' | 'lock' | 'res_lock' | 'res_lock_irq'
  readonly id: number
  readonly insn: number
  readonly pointer?: unknown
}

// ---- Jump history ----

/** One step of the way from the parent state to here; how precision finds its way back. */
export interface HistoryEntry {
  insn: number
  previous: number
  /** A stack access through a register other than r10: slot and frame; spi -1: none. */
  spi: number
  frame: number
  stackAccess: boolean
  /** Registers and slots that shared an id when a jump taught something: [frame, register or -1 - spi]. */
  linked: readonly number[] | undefined
}

export class State {
  frames: Frame[] = []
  parent: State | undefined = undefined
  /** Paths from here that are not finished. */
  branches = 0
  insnIdx = 0
  firstInsn = 0
  lastInsn = 0
  dfsDepth = 0
  callbackUnrollDepth = 0
  mayGotoDepth = 0
  refs: readonly Ref[] = []
  activeLocks = 0
  lockId = 0
  lockPointer: unknown = undefined
  irqId = 0
  preemptLocks = 0
  rcuLocks = 0
  speculative = false
  inSleepable = false
  cleaned = false
  history: HistoryEntry[] = []
  /** In a back edge's copy: the remembered state that it equals. */
  equalState: State | undefined = undefined
  /** The list entry that this state is, for its eviction. */
  entry: StateEntry | undefined = undefined

  get frame(): Frame {
    return this.frames[this.frames.length - 1]!
  }

  get curframe(): number {
    return this.frames.length - 1
  }

  copy(): State {
    const s = new State()
    s.frames = this.frames.map((frame) => frame.copy())
    s.parent = this.parent
    s.branches = this.branches
    s.insnIdx = this.insnIdx
    s.firstInsn = this.firstInsn
    s.lastInsn = this.lastInsn
    s.dfsDepth = this.dfsDepth
    s.callbackUnrollDepth = this.callbackUnrollDepth
    s.mayGotoDepth = this.mayGotoDepth
    s.refs = this.refs
    s.activeLocks = this.activeLocks
    s.lockId = this.lockId
    s.lockPointer = this.lockPointer
    s.irqId = this.irqId
    s.preemptLocks = this.preemptLocks
    s.rcuLocks = this.rcuLocks
    s.speculative = this.speculative
    s.inSleepable = this.inSleepable
    s.history = this.history.slice()
    s.equalState = this.equalState
    return s
  }

  /** The instruction at which frame `frameno` continues. */
  frameInsn(frameno: number): number {
    return frameno === this.frames.length - 1 ? this.insnIdx : this.frames[frameno + 1]!.callsite
  }
}

/** A remembered state in the list of its instruction. */
export interface StateEntry {
  readonly state: State
  hits: number
  misses: number
  inFreeList: boolean
}
