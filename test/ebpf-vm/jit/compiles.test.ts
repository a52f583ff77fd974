// Every case of test/cases/vm compiles: what does not runs in the interpreter, and would agree with it for that reason alone.

import path from 'node:path'
import { describe, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../../ebpf-vm/bare.ts'
import { CompiledProgram } from '../../../ebpf-vm/jit/jit.ts'
import { readCases } from '../../conformance/cases.ts'

const machine = bareMachine({ tables: () => ({ loadPacket: () => -1 }) })

for (const { name, cases } of readCases(path.join(import.meta.dirname, '../../cases/vm'))) {
  describe(name, () => {
    for (const { title, asm } of cases) {
      test(title, () => {
        new CompiledProgram(machine, unverified(assemble(asm).insns)).free()
      })
    }
  })
}
