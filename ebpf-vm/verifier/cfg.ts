// Control flow before anything is walked: subprograms, jumps within them, unreachable code, and where states are worth remembering.

import { KF } from '../../base/facts.ts'
import { isHelperCall, isKfuncCall, isLdImm64, isLocalCall } from '../isa/insn.ts'
import { CLASS, JMP, MODE, PSEUDO, SRC_X } from '../isa/opcodes.ts'
import type { Env, Subprog } from './env.ts'
import {
  findHelper,
  findKfunc,
  isAsyncCallbackHelper,
  isAsyncCallbackKfunc,
  isSyncCallbackHelper,
  isSyncCallbackKfunc,
} from './lookup.ts'

const TAIL_CALL = 12

function newSubprog(start: number): Subprog {
  return {
    start,
    end: 0,
    name: '',
    stackDepth: 0,
    hasTailCall: false,
    hasLdAbs: false,
    isCallback: false,
    isAsyncCallback: false,
    isExceptionCallback: false,
    mightSleep: false,
    changesPacket: false,
    tailCallReachable: false,
    typeId: 0,
    isGlobal: false,
    called: false,
    args: undefined,
    argsBad: false,
    postorderStart: 0,
    keepFastcallStack: false,
    fastcallStackOff: 0,
  }
}

/** Find the subprograms: the main program, targets of calls and of function references; look up kfuncs. */
export function findSubprogs(env: Env): void {
  const { insns } = env
  const starts = new Set<number>([0])
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i]!
    const isFunc = isLdImm64(insn) && insn.src === PSEUDO.func
    if (!isFunc && !isLocalCall(insn) && !isKfuncCall(insn)) continue
    if (!env.caps.bpf)
      env.fail('EPERM', 'loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN')
    if (isKfuncCall(insn)) {
      findKfunc(env, insn)
      continue
    }
    const target = i + insn.imm + 1
    if (target < 0 || target >= insns.length) {
      env.subprogs = [...starts].map(newSubprog)
      env.fail('EINVAL', 'call to invalid destination')
    }
    starts.add(target)
    if (starts.size > 256) env.fail('E2BIG', 'too many subprograms')
  }
  const exception = exceptionCallbackStart(env)
  if (exception >= 0) starts.add(exception)
  env.subprogs = [...starts].sort((a, b) => a - b).map(newSubprog)
  env.subprogs.forEach((subprog, i) => {
    subprog.end = env.subprogs[i + 1]?.start ?? insns.length
  })
  if (exception >= 0) {
    const index = env.findSubprog(exception)
    env.exceptionCallbackSubprog = index
    env.subprogs[index]!.isExceptionCallback = true
  }
  if (env.log.verbose)
    env.subprogs.forEach((subprog, i) => {
      env.print(`func#${i} @${subprog.start}\n`)
    })
}

/** Start of the function that the main program's exception_callback: declaration tag names, -1 when there is none. */
function exceptionCallbackStart(env: Env): number {
  const { btf, funcInfo } = env.input
  if (!btf || !funcInfo?.length) return -1
  const main = funcInfo[0]!.type
  let name: string | undefined
  for (let id = 1; id < btf.count; id++) {
    const type = btf.type(id)
    if (type.kind !== 'decl_tag' || type.type !== main || type.componentIndex !== -1) continue
    if (!type.name.startsWith('exception_callback:')) continue
    if (name !== undefined) env.fail('EINVAL', 'multiple exception callback tags for main subprog')
    name = type.name.slice('exception_callback:'.length)
  }
  if (name === undefined) return -1
  const id = btf.find(name, 'func')
  if (!id) env.fail('EINVAL', `exception callback '${name}' could not be found in BTF`)
  const type = btf.type(id)
  if (type.kind !== 'func' || type.linkage !== 'global')
    env.fail('EINVAL', `exception callback '${name}' must have global linkage`)
  const info = funcInfo.find((row) => row.type === id)
  return info ? info.insn : -1
}

/** Jumps stay within their subprogram, which ends with an exit or a jump. */
export function checkSubprogs(env: Env): void {
  const { insns } = env
  for (const subprog of env.subprogs) {
    for (let i = subprog.start; i < subprog.end; i++) {
      const insn = insns[i]!
      const { code } = insn
      if (isHelperCall(insn) && insn.imm === TAIL_CALL) {
        subprog.hasTailCall = true
        subprog.tailCallReachable = true
      }
      const mode = code & 0xe0
      if ((code & 7) === CLASS.ld && (mode === MODE.abs || mode === MODE.ind)) subprog.hasLdAbs = true
      const jumps = (code & 7) === CLASS.jmp || (code & 7) === CLASS.jmp32
      const op = code & 0xf0
      if (jumps && op !== JMP.exit.code && op !== JMP.call.code) {
        const target = i + 1 + (code === (CLASS.jmp32 | JMP.ja.code) ? insn.imm : insn.off)
        if (target < subprog.start || target >= subprog.end)
          env.fail('EINVAL', `jump out of range from insn ${i} to ${target}`)
      }
      if (i === subprog.end - 1) {
        const ends =
          code === (CLASS.jmp | JMP.exit.code) ||
          code === (CLASS.jmp32 | JMP.ja.code) ||
          code === (CLASS.jmp | JMP.ja.code)
        if (!ends) env.fail('EINVAL', 'last insn is not an exit or jmp')
      }
    }
  }
}

/** Successors within the subprogram, the fall-through one first. */
export function successors(env: Env, i: number): number[] {
  const insn = env.insns[i]!
  const cls = insn.code & 7
  const op = insn.code & 0xf0
  if (cls === CLASS.jmp || cls === CLASS.jmp32) {
    if (op === JMP.exit.code && cls === CLASS.jmp) return []
    if (op === JMP.ja.code) return [i + 1 + (cls === CLASS.jmp32 ? insn.imm : insn.off)]
    if (op === JMP.call.code) return [i + 1]
    return [i + 1, i + 1 + insn.off]
  }
  return [i + (isLdImm64(insn) ? 2 : 1)]
}

const DISCOVERED = 0x10
const EXPLORED = 0x20
const FALLTHROUGH = 1
const BRANCH = 2

/** Walk the graph depth first; refuse what is unreachable, and loops without CAP_BPF; mark the points where states meet. */
export function checkCfg(env: Env): void {
  const { insns, aux } = env
  const state = new Uint8Array(insns.length)
  const stack: number[] = [0]
  state[0] = DISCOVERED

  /** True: a new instruction was pushed, come back later. */
  const push = (from: number, to: number, edge: number): boolean => {
    if (state[from]! >= (DISCOVERED | edge)) return false
    if (to < 0 || to >= insns.length) {
      env.printLine(from, `${from}: `)
      env.fail('EINVAL', `jump out of range from insn ${from} to ${to}`)
    }
    if (edge === BRANCH) {
      aux.prunePoint[to] = 1
      aux.jmpPoint[to] = 1
    }
    if (state[to] === 0) {
      state[from] = DISCOVERED | edge
      state[to] = DISCOVERED
      stack.push(to)
      return true
    }
    if ((state[to]! & 0xf0) === DISCOVERED) {
      if (env.caps.bpf) return false
      env.printLine(from, `${from}: `)
      env.printLine(to, `${to}: `)
      env.fail('EINVAL', `back-edge from insn ${from} to ${to}`)
    }
    if (state[to] === EXPLORED) state[from] = DISCOVERED | edge
    return false
  }

  const visitFunction = (t: number, size: number, callee: boolean): boolean => {
    if (push(t, t + size, FALLTHROUGH)) return true
    aux.prunePoint[t + size] = 1
    aux.jmpPoint[t + size] = 1
    if (!callee) return false
    aux.prunePoint[t] = 1
    const target = t + insns[t]!.imm + 1
    const from = env.subprogs[env.subprogOf(t)]!
    const to = env.subprogs[env.subprogOf(target)]
    if (to) {
      if (to.mightSleep) from.mightSleep = true
      if (to.changesPacket) from.changesPacket = true
    }
    return push(t, target, BRANCH)
  }

  const visit = (t: number): boolean => {
    const insn = insns[t]!
    const size = isLdImm64(insn) ? 2 : 1
    if (size === 2 && insn.src === PSEUDO.func) return visitFunction(t, 2, true)
    const cls = insn.code & 7
    if (cls !== CLASS.jmp && cls !== CLASS.jmp32) return push(t, t + size, FALLTHROUGH)
    const op = insn.code & 0xf0
    if (op === JMP.exit.code) return false
    if (op === JMP.call.code) {
      markCall(env, t)
      return visitFunction(t, 1, isLocalCall(insn))
    }
    if (op === JMP.ja.code) {
      if (insn.code & SRC_X) env.fail('EINVAL')
      const target = t + 1 + (cls === CLASS.jmp ? insn.off : insn.imm)
      if (push(t, target, FALLTHROUGH)) return true
      aux.prunePoint[target] = 1
      aux.jmpPoint[target] = 1
      return false
    }
    aux.prunePoint[t] = 1
    if (insn.code === (CLASS.jmp | JMP.jcond.code)) aux.forceCheckpoint[t] = 1
    if (push(t, t + 1, FALLTHROUGH)) return true
    return push(t, t + 1 + insn.off, BRANCH)
  }

  const walk = (): void => {
    while (stack.length) {
      const t = stack[stack.length - 1]!
      if (visit(t)) continue
      state[t] = EXPLORED
      stack.pop()
    }
  }
  walk()
  if (env.exceptionCallbackSubprog) {
    const start = env.subprogs[env.exceptionCallbackSubprog]!.start
    if (state[start] === 0) {
      state[start] = DISCOVERED
      aux.prunePoint[start] = 1
      aux.jmpPoint[start] = 1
      stack.push(start)
      walk()
    }
  }
  for (let i = 0; i < insns.length; i++) {
    if (state[i] !== EXPLORED) env.fail('EINVAL', `unreachable insn ${i}`)
    if (isLdImm64(insns[i]!)) {
      if (state[i + 1] !== 0) env.fail('EINVAL', `jump into the middle of ldimm64 insn ${i}`)
      i++
    }
  }
}

function markCall(env: Env, t: number): void {
  const { aux } = env
  const insn = env.insns[t]!
  const subprog = env.subprogs[env.subprogOf(t)]!
  let sync = false
  let async = false
  if (isHelperCall(insn)) {
    sync = isSyncCallbackHelper(insn.imm)
    async = isAsyncCallbackHelper(insn.imm)
    const proto = findHelper(env, insn.imm)
    if (proto?.mightSleep) subprog.mightSleep = true
    if (proto?.changesPacket) subprog.changesPacket = true
  } else if (isKfuncCall(insn)) {
    const call = findKfunc(env, insn)
    if (call) {
      sync = isSyncCallbackKfunc(call.name)
      async = isAsyncCallbackKfunc(call.name)
      const flags = call.facts?.flags ?? 0
      if (flags & KF.iter_next) {
        aux.prunePoint[t] = 1
        aux.forceCheckpoint[t] = 1
        aux.iterNext[t] = 1
      }
      if (flags & KF.sleepable) subprog.mightSleep = true
      if (call.name === 'bpf_xdp_pull_data') subprog.changesPacket = true
    }
  }
  if (async) aux.prunePoint[t] = 1
  if (sync) {
    aux.callsCallback[t] = 1
    aux.forceCheckpoint[t] = 1
    aux.prunePoint[t] = 1
    aux.jmpPoint[t] = 1
  }
}

/** Instructions of each subprogram in postorder, one subprogram after the other. */
export function computePostorder(env: Env): void {
  const count = env.insns.length
  const order = new Int32Array(count)
  const state = new Uint8Array(count)
  let filled = 0
  for (const subprog of env.subprogs) {
    subprog.postorderStart = filled
    const stack = [subprog.start]
    while (stack.length) {
      const top = stack[stack.length - 1]!
      state[top] = state[top]! | DISCOVERED
      if (state[top]! & EXPLORED) {
        order[filled++] = top
        stack.pop()
        continue
      }
      for (const next of successors(env, top)) {
        if (state[next] !== 0) continue
        stack.push(next)
        state[next] = DISCOVERED
      }
      state[top] = state[top]! | EXPLORED
    }
  }
  env.postorder = order.subarray(0, filled)
}

/** Number the strongly connected components that are loops, from 1 (Tarjan's algorithm). */
export function computeScc(env: Env): void {
  const count = env.insns.length
  const low = new Int32Array(count)
  const pre = new Int32Array(count)
  const OFF_STACK = 0x7fffffff
  let preorder = 1
  let id = 1
  const stack: number[] = []
  const dfs: number[] = []
  for (let i = 0; i < count; i++) {
    if (pre[i] !== 0 || (i > 0 && env.insns[i]!.code === 0)) continue
    dfs.push(i)
    walk: while (dfs.length) {
      const w = dfs[dfs.length - 1]!
      if (pre[w] === 0) {
        low[w] = pre[w] = preorder++
        stack.push(w)
      }
      const next = successors(env, w)
      for (const s of next) {
        if (pre[s] === 0) {
          dfs.push(s)
          continue walk
        }
        if (low[s]! < low[w]!) low[w] = low[s]!
      }
      dfs.pop()
      if (low[w]! < pre[w]!) continue
      const isLoop = stack[stack.length - 1] !== w || next.includes(w)
      for (;;) {
        const t = stack.pop()!
        low[t] = OFF_STACK
        if (isLoop) env.aux.scc[t] = id
        if (t === w) break
      }
      if (isLoop) id++
    }
  }
}
