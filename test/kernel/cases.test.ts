// The cases of test/cases/vm are Linux's own behaviour: what the running kernel takes of them gives the same results there.

import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { kernelRunner } from '../../scripts/fuzz/kernel.ts'
import { FUZZ_MAPS, MEMORY_BYTES } from '../../scripts/fuzz/programs.ts'
import { readCases } from '../conformance/cases.ts'

const kernel = kernelRunner(path.join(import.meta.dirname, 'run-programs.c'))

/** The program as a function that gets the memory; its result goes behind the memory. */
const wrap = (asm: string, length: number): string => `
  r1 = map[memory][0]+0
  r2 = ${length}
  call body
  r1 = map[memory][0]+0
  *(u64 *)(r1 +${MEMORY_BYTES}) = r0
  r0 = 0
  exit
body:
  ${asm}`

const littleEndian = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes.toString('hex')
}

describe('cases on the running kernel', () => {
  test.skipIf(typeof kernel === 'string')(`agree${typeof kernel === 'string' ? ` (skipped: ${kernel})` : ''}`, () => {
    if (typeof kernel === 'string') return
    using _ = kernel
    const cases = readCases(path.join(import.meta.dirname, '../cases/vm'))
      .filter(({ name }) => name !== 'packet.txt' && name !== 'faults.txt')
      .flatMap((file) => file.cases)
    const programs = cases.map(({ asm, memory }) => {
      const padded = new Uint8Array(MEMORY_BYTES)
      padded.set(memory)
      const { insns } = assemble(wrap(asm, memory.length), { maps: FUZZ_MAPS })
      return { lowered: { insns, access: [] }, memory: padded }
    })
    const refused: string[] = []
    kernel.run(programs).forEach((ran, i) => {
      const { title, result, memory, memoryAfter } = cases[i]!
      if (ran.kind === 'refused') refused.push(title)
      else {
        expect(ran.outcome.r0, title).toBe(littleEndian(result as bigint))
        const after = Buffer.from(memoryAfter ?? memory).toString('hex')
        expect(ran.outcome.memory.slice(0, after.length), title).toBe(after)
      }
    })
    // The wrapper takes a frame of the eight; callbacks need BTF; older kernels lack cpu v4 or load-acquire.
    const unable = /^eight frames|^a callback |acquire|sign-ext|swap|long jump|may_goto|signed/
    expect(refused.filter((title) => !unable.test(title))).toEqual([])
  })
})
