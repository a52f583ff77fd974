// Small questions about registers that many checks ask.

import { type Reg, SCALAR } from './reg.ts'
import { isConst } from './scalar/scalar.ts'

/** The constant 0. */
export function isNull(reg: Reg): boolean {
  return reg.type === SCALAR && isConst(reg.s) && (reg.s.tnum.vL | reg.s.tnum.vH) === 0
}
