// Which stack slots may still be read: per function and call chain, a data-flow analysis fed by the accesses that the walk sees.
// Slots that are not live are dropped from remembered states, so that more states are equal.
//
// A function instance is one function called through one chain of call sites. For every frame of the chain and every instruction it
// keeps: mayRead (slots that the instruction read), mustWrite (slots that every visit wrote whole), mustWriteAcc (slots that it and
// all that follows write first) and liveBefore. Masks are 64 slots as two int32 words. After Linux 6.18's description of the same.

import { successors } from './cfg.ts'
import type { Env } from './env.ts'
import type { State } from './state.ts'

/** Words per instruction: mayRead, mustWrite, mustWriteAcc, liveBefore, two words each. */
const WORDS = 8
const MAY_READ = 0
const MUST_WRITE = 2
const WRITE_ACC = 4
const LIVE = 6

interface Instance {
  readonly chain: string
  readonly callsites: readonly number[]
  readonly subprog: number
  readonly start: number
  readonly count: number
  readonly frame: number
  updated: boolean
  writeDropped: boolean
  readonly frames: (Int32Array | undefined)[]
  readonly writeSet: Uint8Array
  readonly outerChain: string
}

export class LiveStack {
  readonly #env: Env
  readonly #instances = new Map<string, Instance>()
  #current: Instance | undefined
  #writeInsn = 0
  readonly #written = new Int32Array(16)

  constructor(env: Env) {
    this.#env = env
  }

  #chainOf(state: State, frame: number): string {
    let chain = ''
    for (let i = 0; i < frame; i++) chain += `${state.frames[i + 1]!.callsite},`
    return chain + this.#env.subprogs[state.frames[frame]!.subprog]!.start
  }

  #lookup(state: State, frame: number): Instance {
    const start = this.#env.subprogs[state.frames[frame]!.subprog]!.start
    const chain = this.#chainOf(state, frame)
    // The entry functions are part of the key too: a callback may be reached from different callers at one site.
    let key = chain
    for (let i = 0; i < frame; i++) key += `/${state.frames[i]!.subprog}`
    let found = this.#instances.get(key)
    if (found) return found
    const subprog = state.frames[frame]!.subprog
    const info = this.#env.subprogs[subprog]!
    const callsites: number[] = []
    for (let i = 0; i < frame; i++) callsites.push(state.frames[i + 1]!.callsite)
    let outer = ''
    if (frame > 0) {
      outer = this.#chainOf(state, frame - 1)
      for (let i = 0; i < frame - 1; i++) outer += `/${state.frames[i]!.subprog}`
      this.#lookup(state, frame - 1)
    }
    found = {
      chain,
      callsites,
      subprog,
      start,
      count: info.end - info.start,
      frame,
      updated: false,
      writeDropped: false,
      frames: [],
      writeSet: new Uint8Array(info.end - info.start),
      outerChain: outer,
    }
    this.#instances.set(key, found)
    return found
  }

  /** The current state moved to another call chain. */
  resetChain(): void {
    this.#current = undefined
  }

  #here(): Instance {
    const { state } = this.#env
    return (this.#current ??= this.#lookup(state, state.curframe))
  }

  /** Before each instruction. */
  begin(insn: number): void {
    const instance = this.#here()
    this.#beginIn(instance, insn)
  }

  #beginIn(instance: Instance, insn: number): void {
    this.#writeInsn = insn
    this.#written.fill(0, 0, (instance.frame + 1) * 2)
  }

  /** The current instruction writes the whole slot. */
  write(frame: number, spi: number): void {
    const at = frame * 2 + (spi < 32 ? 0 : 1)
    this.#written[at] = this.#written[at]! | (1 << (spi & 31))
  }

  /** The instruction may read the slot. */
  read(frame: number, insn: number, spi: number): void {
    this.#read(this.#here(), frame, insn, spi < 32 ? 1 << spi : 0, spi < 32 ? 0 : 1 << (spi - 32))
  }

  #read(instance: Instance, frame: number, insn: number, L: number, H: number): void {
    const masks = this.#masks(instance, frame)
    const at = (insn - instance.start) * WORDS
    const newL = masks[at + MAY_READ]! | L
    const newH = masks[at + MAY_READ + 1]! | H
    if (newL !== masks[at + MAY_READ] || newH !== masks[at + MAY_READ + 1]) {
      if ((newL & ~masks[at + LIVE]!) !== 0 || (newH & ~masks[at + LIVE + 1]!) !== 0) instance.updated = true
      masks[at + MAY_READ] = newL
      masks[at + MAY_READ + 1] = newH
    }
  }

  #masks(instance: Instance, frame: number): Int32Array {
    return (instance.frames[frame] ??= new Int32Array(instance.count * WORDS))
  }

  /** After each instruction: a slot stays written only if every visit writes it. */
  commit(): void {
    if (this.#current) this.#commitTo(this.#current)
  }

  #commitTo(instance: Instance): void {
    const index = this.#writeInsn - instance.start
    const seen = instance.writeSet[index] === 1
    for (let frame = 0; frame <= instance.frame; frame++) {
      let L = this.#written[frame * 2]!
      let H = this.#written[frame * 2 + 1]!
      if ((L | H) === 0 && !seen) continue
      if ((L | H) === 0 && !instance.frames[frame]) continue
      const masks = this.#masks(instance, frame)
      const at = index * WORDS + MUST_WRITE
      const oldL = masks[at]!
      const oldH = masks[at + 1]!
      if (seen) {
        L &= oldL
        H &= oldH
      }
      if (L !== oldL || H !== oldH) {
        masks[at] = L
        masks[at + 1] = H
        instance.updated = true
      }
      if ((oldL & ~L) !== 0 || (oldH & ~H) !== 0) instance.writeDropped = true
    }
    instance.writeSet[index] = 1
  }

  /** A path ended or a function returned: settle all frames of the current call chain, innermost first. */
  update(): void {
    const { state } = this.#env
    this.#current = undefined
    for (let frame = state.curframe; frame >= 0; frame--) this.#settle(this.#lookup(state, frame), state)
  }

  #settle(instance: Instance, state: State): void {
    if (!instance.updated) return
    const env = this.#env
    if (instance.writeDropped)
      for (const masks of instance.frames) {
        if (!masks) continue
        for (let i = 0; i < instance.count; i++) {
          masks[i * WORDS + WRITE_ACC] = 0
          masks[i * WORDS + WRITE_ACC + 1] = 0
        }
      }
    const info = env.subprogs[instance.subprog]!
    const order: number[] = []
    for (let i = info.postorderStart; i < env.postorder.length; i++) {
      const at = env.postorder[i]!
      if (at < info.start || at >= info.end) break
      order.push(at)
    }
    let rounds = 0
    for (let changed = true; changed; ) {
      changed = false
      for (let frame = 0; frame <= instance.frame; frame++) {
        const masks = instance.frames[frame]
        if (!masks) continue
        for (const at of order) if (this.#settleInsn(instance, frame, masks, at)) changed = true
      }
      rounds++
    }
    if (env.log.verbose) env.print(`(${instance.chain}) live stack update done in ${rounds} iterations\n`)
    if (instance.frame > 0) this.#toOuter(instance, state)
    instance.updated = false
    instance.writeDropped = false
  }

  #settleInsn(instance: Instance, frame: number, masks: Int32Array, index: number): boolean {
    const env = this.#env
    const at = (index - instance.start) * WORDS
    let afterL = 0
    let afterH = 0
    const next = successors(env, index)
    let accL = next.length ? -1 : 0
    let accH = accL
    for (const s of next) {
      const to = (s - instance.start) * WORDS
      afterL |= masks[to + LIVE]!
      afterH |= masks[to + LIVE + 1]!
      accL &= masks[to + WRITE_ACC]!
      accH &= masks[to + WRITE_ACC + 1]!
    }
    const writeL = masks[at + MUST_WRITE]!
    const writeH = masks[at + MUST_WRITE + 1]!
    const readL = masks[at + MAY_READ]!
    const readH = masks[at + MAY_READ + 1]!
    const liveL = (afterL & ~writeL) | readL
    const liveH = (afterH & ~writeH) | readH
    accL |= writeL
    accH |= writeH
    const changed =
      liveL !== masks[at + LIVE] ||
      liveH !== masks[at + LIVE + 1] ||
      accL !== masks[at + WRITE_ACC] ||
      accH !== masks[at + WRITE_ACC + 1]
    if (
      env.log.verbose &&
      ((readL | readH | writeL | writeH) !== 0 || index === instance.start || env.aux.prunePoint[index])
    ) {
      this.#logChange(instance, frame, index, 'live', masks[at + LIVE]!, masks[at + LIVE + 1]!, liveL, liveH)
      this.#logChange(instance, frame, index, 'written', masks[at + WRITE_ACC]!, masks[at + WRITE_ACC + 1]!, accL, accH)
    }
    masks[at + LIVE] = liveL
    masks[at + LIVE + 1] = liveH
    masks[at + WRITE_ACC] = accL
    masks[at + WRITE_ACC + 1] = accH
    return changed
  }

  #logChange(
    instance: Instance,
    frame: number,
    index: number,
    what: string,
    oldL: number,
    oldH: number,
    newL: number,
    newH: number,
  ): void {
    if (oldL === newL && oldH === newH) return
    let text = `(${instance.chain}) frame ${frame} insn ${index} `
    const upL = newL & ~oldL
    const upH = newH & ~oldH
    const downL = oldL & ~newL
    const downH = oldH & ~newH
    if (upL | upH) text += `+${what} ${formatSlots(upL, upH)} `
    if (downL | downH) text += `-${what} ${formatSlots(downL, downH)} `
    this.#env.print(text + '\n')
  }

  /** What a callee does to its callers' frames counts as done by the call. */
  #toOuter(instance: Instance, state: State): void {
    const site = instance.callsites[instance.frame - 1]!
    const outer = this.#lookup(state, instance.frame - 1)
    this.#beginIn(outer, site)
    for (let frame = 0; frame < instance.frame; frame++) {
      const masks = instance.frames[frame]
      if (!masks) continue
      this.#written[frame * 2] = masks[WRITE_ACC]!
      this.#written[frame * 2 + 1] = masks[WRITE_ACC + 1]!
      this.#read(outer, frame, site, masks[LIVE]!, masks[LIVE + 1]!)
    }
    this.#commitTo(outer)
  }

  /** Whether slot `spi` of frame `frame` may be read from `state` on. */
  isAlive(state: State, frame: number, spi: number): boolean {
    const inner = this.#lookup(state, state.curframe)
    if (this.#isLive(inner, state.insnIdx, frame, spi)) return true
    for (let i = frame; i < state.curframe; i++) {
      const site = state.frames[i + 1]!.callsite
      const at = this.#env.aux.callsCallback[site] ? site : site + 1
      if (this.#isLive(this.#lookup(state, i), at, frame, spi)) return true
    }
    return false
  }

  #isLive(instance: Instance, insn: number, frame: number, spi: number): boolean {
    const masks = instance.frames[frame]
    if (!masks) return false
    const word = masks[(insn - instance.start) * WORDS + LIVE + (spi < 32 ? 0 : 1)]!
    return (word & (1 << (spi & 31))) !== 0
  }
}

/** `-8,-16` */
export function formatSlots(L: number, H: number): string {
  const parts: string[] = []
  for (let i = 0; i < 64; i++) if ((i < 32 ? L >>> i : H >>> (i - 32)) & 1) parts.push(String(-8 * (i + 1)))
  return parts.join(',')
}
