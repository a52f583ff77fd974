// The cases of test/cases/vm, on every engine.

import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { runBare } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import { readCases } from '../conformance/cases.ts'

const files = readCases(path.join(import.meta.dirname, '../cases/vm'))

for (const engine of Object.values(ENGINES)) {
  describe(engine.name, () => {
    for (const { name, cases } of files) {
      describe(name, () => {
        for (const { title, asm, memory, result, memoryAfter } of cases) {
          test(title, () => {
            const { insns } = assemble(asm)
            if (typeof result !== 'bigint') {
              expect(() => runBare(engine, insns, memory)).toThrow(result.fault)
              return
            }
            const run = runBare(engine, insns, memory)
            expect(`0x${run.r0.toString(16)}`).toBe(`0x${result.toString(16)}`)
            if (memoryAfter) expect(run.memory).toEqual(memoryAfter)
          })
        }
      })
    }
  })
}
