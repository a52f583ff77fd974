// Loops of open-coded iterators, may_goto and callbacks: values that no decision used are forgotten between two rounds, so that a
// loop converges.

import { copyReg, type Reg, SCALAR } from './reg.ts'
import * as S from './scalar/scalar.ts'
import { byteType, SPILL, type State } from './state.ts'

/** Forget scalars that differ from the previous round and are not precise. */
export function widenImprecise(old: State, now: State): void {
  const ids = new Map<number, number>()
  for (let f = old.frames.length - 1; f >= 0; f--) {
    const a = old.frames[f]!
    const b = now.frames[f]!
    for (let i = 0; i < 11; i++) b.regs[i] = widen(a.regs[i]!, b.regs[i]!, ids)
    for (let i = 0; i < a.stack.length && i < b.stack.length; i++) {
      const x = a.stack[i]!
      const y = b.stack[i]!
      if (byteType(x.types, 7) !== SPILL || byteType(y.types, 7) !== SPILL) continue
      b.stack[i] = { types: y.types, reg: widen(x.reg, y.reg, ids) }
    }
  }
}

function widen(old: Reg, now: Reg, ids: Map<number, number>): Reg {
  if (old.type !== SCALAR || now.type !== SCALAR) return now
  if (old.precise || now.precise || sameValue(old, now, ids)) return now
  const r = copyReg(now)
  r.s = S.ANY
  r.id = 0
  r.off = 0
  return r
}

function sameValue(old: Reg, now: Reg, ids: Map<number, number>): boolean {
  if (old.off !== now.off || !S.equal(old.s, now.s)) return false
  if ((old.id !== 0) !== (now.id !== 0)) return false
  if (old.id === 0) return true
  const known = ids.get(old.id)
  if (known !== undefined) return known === now.id
  ids.set(old.id, now.id)
  return true
}
