// Pruning: a path that arrives in a state that an earlier, accepted path had (or one that allows less) need not be walked again.
// When states are remembered, compared and forgotten follows Linux, so that the number of processed instructions does too.

import type { Env } from './env.ts'
import { forgetPrecision, propagatePrecision, pushHistory } from './precision.ts'
import {
  ADD_CONST,
  ARENA,
  BASE_MASK,
  BUF,
  MAP_KEY,
  MAP_VALUE,
  MEM,
  NOT_INIT,
  PACKET,
  PACKET_META,
  type Reg,
  SCALAR,
  STACK,
  TP_BUFFER,
  UNSET,
} from './reg.ts'
import * as S from './scalar/scalar.ts'
import * as T from './scalar/tnum.ts'
import { toNumber } from './scalar/words.ts'
import {
  allBytes,
  byteType,
  DYNPTR,
  EMPTY_SLOT,
  type Frame,
  INVALID,
  IRQ,
  ITER,
  MISC,
  type Slot,
  SPILL,
  type State,
  type StateEntry,
  ZERO,
} from './state.ts'

/** How alike two states must be. */
export const NOT_EXACT = 0
export const EXACT = 1
export const RANGE_WITHIN = 2
type Exactness = typeof NOT_EXACT | typeof EXACT | typeof RANGE_WITHIN

/** Ids of the old state and the ids that stand for them in the current one. */
class IdMap {
  readonly #old: number[] = []
  readonly #now: number[] = []
  #temporary: number

  constructor(temporary: number) {
    this.#temporary = temporary
  }

  check(old: number, now: number): boolean {
    if ((old !== 0) !== (now !== 0)) return false
    if (old === 0) return true
    for (let i = 0; i < this.#old.length; i++) {
      if (this.#old[i] === old) return this.#now[i] === now
      if (this.#now[i] === now) return false
    }
    this.#old.push(old)
    this.#now.push(now)
    return true
  }

  /** Scalars: an id of 0 is an id of its own. */
  checkScalar(old: number, now: number): boolean {
    return this.check(old || ++this.#temporary, now || ++this.#temporary)
  }
}

function regsExact(old: Reg, now: Reg, ids: IdMap): boolean {
  return sameShape(old, now) && S.equal(old.s, now.s) && ids.check(old.id, now.id) && ids.check(old.refId, now.refId)
}

/** Everything that is not value, id or mark. */
function sameShape(old: Reg, now: Reg): boolean {
  return (
    old.type === now.type &&
    old.off === now.off &&
    old.map === now.map &&
    old.mapUid === now.mapUid &&
    old.btf === now.btf &&
    old.btfId === now.btfId &&
    old.n === now.n &&
    (old.object === now.object ||
      (old.object !== undefined && now.object !== undefined && old.object.dynptr === now.object.dynptr))
  )
}

function regSafe(env: Env, old: Reg, now: Reg, ids: IdMap, exact: Exactness): boolean {
  if (exact === EXACT) return regsExact(old, now, ids)
  if (old.type === NOT_INIT && (exact === NOT_EXACT || now.type === NOT_INIT)) return true
  if (old.type !== now.type) return false
  switch (old.type & BASE_MASK) {
    case SCALAR:
      if (env.exploreAluLimits) return old.off === now.off && S.equal(old.s, now.s) && ids.checkScalar(old.id, now.id)
      if (!old.precise && exact === NOT_EXACT) return true
      if ((old.id & ADD_CONST) !== (now.id & ADD_CONST)) return false
      if (old.id & ADD_CONST && old.off !== now.off) return false
      return S.within(old.s, now.s) && T.contains(old.s.tnum, now.s.tnum) && ids.checkScalar(old.id, now.id)
    case MAP_KEY:
    case MAP_VALUE:
    case MEM:
    case BUF:
    case TP_BUFFER:
      return (
        sameShape(old, now) &&
        S.within(old.s, now.s) &&
        T.contains(old.s.tnum, now.s.tnum) &&
        ids.check(old.id, now.id) &&
        ids.check(old.refId, now.refId)
      )
    case PACKET:
    case PACKET_META:
      if (old.n < 0 || now.n < 0) {
        if (old.n !== now.n) return false
      } else if (old.n > now.n) return false
      if (old.off !== now.off) return false
      if (!ids.check(old.id, now.id)) return false
      return S.within(old.s, now.s) && T.contains(old.s.tnum, now.s.tnum)
    case STACK:
      return regsExact(old, now, ids)
    case ARENA:
      return true
    default:
      return regsExact(old, now, ids)
  }
}

const SPILLED = allBytes(SPILL)
const ALL_MISC = allBytes(MISC)

/** A scalar that stands for the slot: a full 64-bit spill, or unknown data (where uninitialised stack may be read). */
function scalarOf(env: Env, slot: Slot): Reg | undefined {
  if (slot.types === SPILLED && slot.reg.type === SCALAR) return slot.reg
  if (slot.types === ALL_MISC) return env.unboundScalar
  if (env.allowUninitStack && onlyMiscOrInvalid(slot.types)) return env.unboundScalar
  return undefined
}

function onlyMiscOrInvalid(types: number): boolean {
  if (types === 0) return true
  for (let i = 0; i < 8; i++) {
    const type = byteType(types, i)
    if (type !== MISC && type !== INVALID) return false
  }
  return true
}

function stackSafe(env: Env, old: Frame, now: Frame, ids: IdMap, exact: Exactness): boolean {
  for (let spi = 0; spi < old.stack.length; spi++) {
    const a = old.stack[spi]!
    const b = now.stack[spi] ?? EMPTY_SLOT
    if (exact === EXACT && a.types !== b.types) return false
    if (exact === EXACT && spi >= now.stack.length) return false
    if (a.types === 0) continue
    if (a === b && exact !== EXACT && byteType(a.types, 7) !== SPILL) continue
    for (let i = 0; i < 8; i++) {
      const type = byteType(a.types, i)
      if (type === INVALID) continue
      if (env.allowUninitStack && type === MISC) continue
      if (spi >= now.stack.length) return false
      const oldScalar = scalarOf(env, a)
      const nowScalar = scalarOf(env, b)
      if (oldScalar && nowScalar) {
        if (!regSafe(env, oldScalar, nowScalar, ids, exact)) return false
        break
      }
      const other = byteType(b.types, i)
      if (type === MISC && other === ZERO) continue
      if (type !== other) return false
      if (i !== 7) continue
      if (!objectSafe(env, type, a, b, ids, exact)) return false
    }
  }
  return true
}

function objectSafe(env: Env, type: number, a: Slot, b: Slot, ids: IdMap, exact: Exactness): boolean {
  const x = a.reg.object
  const y = b.reg.object
  switch (type) {
    case SPILL:
      return regSafe(env, a.reg, b.reg, ids, exact)
    case DYNPTR:
      return x?.dynptr === y?.dynptr && x?.first === y?.first && ids.check(a.reg.refId, b.reg.refId)
    case ITER:
      return (
        x?.iterName === y?.iterName &&
        x?.btf === y?.btf &&
        x?.active === y?.active &&
        x?.drained === y?.drained &&
        ids.check(a.reg.refId, b.reg.refId)
      )
    case IRQ:
      return ids.check(a.reg.refId, b.reg.refId) && x?.irqLock === y?.irqLock
    default:
      return true
  }
}

function refsSafe(old: State, now: State, ids: IdMap): boolean {
  if (
    old.refs.length !== now.refs.length ||
    old.activeLocks !== now.activeLocks ||
    old.preemptLocks !== now.preemptLocks ||
    old.rcuLocks !== now.rcuLocks
  )
    return false
  if (!ids.check(old.irqId, now.irqId)) return false
  if (!ids.check(old.lockId, now.lockId) || old.lockPointer !== now.lockPointer) return false
  for (let i = 0; i < old.refs.length; i++) {
    const a = old.refs[i]!
    const b = now.refs[i]!
    if (!ids.check(a.id, b.id) || a.kind !== b.kind) return false
    if (a.kind !== 'ptr' && a.kind !== 'irq' && a.pointer !== b.pointer) return false
  }
  return true
}

export function statesEqual(env: Env, old: State, now: State, exact: Exactness): boolean {
  if (old.frames.length !== now.frames.length) return false
  if (old.speculative && !now.speculative) return false
  if (old.inSleepable !== now.inSleepable) return false
  const ids = new IdMap(env.idGen)
  if (!refsSafe(old, now, ids)) return false
  for (let i = 0; i < old.frames.length; i++) {
    const a = old.frames[i]!
    const b = now.frames[i]!
    if (a.callsite !== b.callsite) return false
    if (a.callbackDepth > b.callbackDepth) return false
    const live = env.aux.liveRegs[old.frameInsn(i)]!
    for (let r = 0; r < 11; r++) if (live & (1 << r) && !regSafe(env, a.regs[r]!, b.regs[r]!, ids, exact)) return false
    if (!stackSafe(env, a, b, ids, exact)) return false
  }
  return true
}

// ---- Remembered states ----

function sameCallsites(a: State, b: State): boolean {
  if (a.frames.length !== b.frames.length) return false
  for (let i = a.frames.length - 1; i >= 0; i--) if (a.frames[i]!.callsite !== b.frames[i]!.callsite) return false
  return true
}

/** Forget what nothing behind a finished state reads. */
function clean(env: Env, state: State): void {
  state.cleaned = true
  state.frames.forEach((frame, f) => {
    const live = env.aux.liveRegs[state.frameInsn(f)]!
    for (let i = 0; i < 10; i++) if (!(live & (1 << i))) frame.regs[i] = UNSET
    for (let i = 0; i < frame.stack.length; i++)
      if (frame.stack[i]!.types !== 0 && !env.live.isAlive(state, f, i)) frame.stack[i] = EMPTY_SLOT
  })
}

function bucketOf(env: Env, insn: number): number {
  return (insn ^ (env.state.frame.callsite >>> 0)) >>> 0
}

/** Loops are only possible when the states differ nowhere in their registers' values. */
function mayLoop(old: State, now: State): boolean {
  if (old.frames.length !== now.frames.length) return false
  const a = old.frame
  const b = now.frame
  for (let i = 0; i < 11; i++) {
    const x = a.regs[i]!
    const y = b.regs[i]!
    if (x === y) continue
    if (!sameShape(x, y) || x.id !== y.id || x.refId !== y.refId || !S.equal(x.s, y.s)) return false
  }
  return true
}

function iterDepthsDiffer(old: State, now: State): boolean {
  for (let f = old.frames.length - 1; f >= 0; f--) {
    const a = old.frames[f]!
    const b = now.frames[f]!
    for (let i = 0; i < a.stack.length; i++) {
      const slot = a.stack[i]!
      if (byteType(slot.types, 0) !== ITER || slot.types !== allBytes(ITER)) continue
      const object = slot.reg.object
      if (!object?.active) continue
      if ((object.depth ?? 0) !== (b.stack[i]?.reg.object?.depth ?? 0)) return true
    }
  }
  return false
}

/** The iterator that R1 points to is active. */
function iterIsActive(state: State): boolean {
  const reg = state.frame.regs[1]!
  const offset = reg.off + toNumber(reg.s.tnum.vL, reg.s.tnum.vH)
  const spi = Math.floor((-offset - 1) / 8)
  const object = state.frames[reg.n]?.stack[spi]?.reg.object
  return object?.active === true
}

/**
 * At a point where paths meet: true when the current path need not be walked on. Otherwise the state may have been remembered.
 */
export function isVisited(env: Env, insn: number): boolean {
  const now = env.state
  const force = env.testStateFreq || env.aux.forceCheckpoint[insn] === 1 || now.history.length > 40
  let add = force
  if (env.jmpsProcessed - env.prevJmpsProcessed >= 2 && env.insnProcessed - env.prevInsnProcessed >= 8) add = true

  const bucket = bucketOf(env, insn) % env.insns.length
  const list = (env.explored[bucket] ??= [])
  cleanList(env, list, insn, now)

  let count = 0
  for (let i = 0; i < list.length; i++) {
    const entry = list[i]!
    const old = entry.state
    count++
    if (old.insnIdx !== insn) continue
    let hit = false
    let loop = false
    if (old.branches > 0) {
      const verdict = compareUnfinished(env, insn, old, now)
      if (verdict === 'loop') {
        hit = true
        loop = true
      } else if (
        !force &&
        env.jmpsProcessed - env.prevJmpsProcessed < 20 &&
        env.insnProcessed - env.prevInsnProcessed < 100
      )
        add = false
    } else {
      loop = env.sccVisits.isIncomplete(old)
      hit = statesEqual(env, old, now, loop ? RANGE_WITHIN : NOT_EXACT)
    }
    if (hit) {
      entry.hits++
      if (env.aux.jmpPoint[env.insnIdx]) pushHistory(env, now)
      propagatePrecision(env, old, now)
      if (loop) {
        const edge = now.copy()
        edge.equalState = old
        edge.insnIdx = insn
        env.sccVisits.addBackedge(old, edge)
      }
      return true
    }
    if (add) entry.misses++
    const patience = env.aux.forceCheckpoint[insn] && old.branches > 0 ? 64 : 3
    if (entry.misses > entry.hits * patience + patience) {
      entry.inFreeList = true
      list.splice(i--, 1)
      env.freeListSize++
      env.exploredSize--
      maybeFree(env, entry)
    }
  }
  if (env.maxStatesPerInsn < count) env.maxStatesPerInsn = count
  if (!env.caps.bpf && count > 64) return false
  if (!add) return false
  remember(env, list, insn)
  return false
}

function cleanList(env: Env, list: readonly StateEntry[], insn: number, now: State): void {
  for (const { state } of list) {
    if (state.branches > 0 || state.cleaned || state.insnIdx !== insn) continue
    if (!sameCallsites(state, now) || env.sccVisits.isIncomplete(state)) continue
    clean(env, state)
  }
}

/** An earlier state of the path that is walked now (or of one that waits): is this a loop, and a good one? */
function compareUnfinished(env: Env, insn: number, old: State, now: State): 'loop' | 'miss' {
  const frame = old.frame
  if (frame.inAsyncCallback && frame.asyncEntry !== now.frame.asyncEntry) return 'miss'
  if (env.aux.iterNext[insn]) return statesEqual(env, old, now, RANGE_WITHIN) && iterIsActive(now) ? 'loop' : 'miss'
  if (env.insns[insn]!.code === 0xe5) {
    if (old.mayGotoDepth !== now.mayGotoDepth && statesEqual(env, old, now, RANGE_WITHIN)) return 'loop'
  }
  if (env.aux.callsCallback[insn]) return statesEqual(env, old, now, RANGE_WITHIN) ? 'loop' : 'miss'
  if (
    mayLoop(old, now) &&
    statesEqual(env, old, now, EXACT) &&
    !iterDepthsDiffer(old, now) &&
    old.mayGotoDepth === now.mayGotoDepth &&
    old.callbackUnrollDepth === now.callbackUnrollDepth
  ) {
    env.printLine(insn, '; ')
    env.print(`infinite loop detected at insn ${insn}\n`)
    env.print('cur state:')
    env.printState(now, now.curframe, true)
    env.print('old state:')
    env.printState(old, now.curframe, true)
    env.fail('EINVAL')
  }
  return 'miss'
}

function updatePeak(env: Env): void {
  env.peakStates = Math.max(env.peakStates, env.exploredSize + env.freeListSize)
}

function remember(env: Env, list: StateEntry[], insn: number): void {
  const now = env.state
  env.totalStates++
  env.exploredSize++
  updatePeak(env)
  env.prevJmpsProcessed = env.jmpsProcessed
  env.prevInsnProcessed = env.insnProcessed
  if (env.caps.bpf) forgetPrecision(now)
  const state = now.copy()
  state.insnIdx = insn
  const entry: StateEntry = { state, hits: 0, misses: 0, inFreeList: false }
  state.entry = entry
  env.sccVisits.enter(state)
  now.parent = state
  now.firstInsn = insn
  now.dfsDepth = state.dfsDepth + 1
  now.history = []
  list.unshift(entry)
}

function maybeFree(env: Env, entry: StateEntry): void {
  if (!entry.inFreeList || entry.state.branches > 0) return
  entry.inFreeList = false
  env.freeListSize--
}

/** A path from `state` has ended: count it off in the state and its parents. */
export function endBranch(env: Env, from: State): void {
  let state: State | undefined = from
  while (state) {
    state.branches--
    if (state.branches > 0) return
    env.sccVisits.exit(state)
    if (state.entry) maybeFree(env, state.entry)
    state = state.parent
  }
}
