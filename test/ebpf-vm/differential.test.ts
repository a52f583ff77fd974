// Random programs leave the same behind on every engine and, through both verifiers, on the kernel of this machine where it lets us.
// `npm run fuzz:vm -- --seconds N` goes on with other seeds.

import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import { classify, FORMS } from '../../ebpf-vm/isa/forms.ts'
import { compareEngines, compareWithKernel } from '../../scripts/fuzz/compare.ts'
import { kernelRunner } from '../../scripts/fuzz/kernel.ts'
import { fuzzProgram, lower } from '../../scripts/fuzz/programs.ts'

const kernel = kernelRunner(path.join(import.meta.dirname, '../kernel/run-programs.c'))

describe('random programs', () => {
  test('have instructions of every form but what the verifier makes or needs BTF for', () => {
    const seen = new Set(
      fc.sample(fuzzProgram, { numRuns: 500, seed: 1 }).flatMap((program) => lower(program).insns.map(classify)),
    )
    const missing = FORMS.filter((form) => !seen.has(form)).map((form) => {
      if (form.kind === 'ld_imm64') return `ld_imm64 ${form.pseudo}`
      return form.kind === 'call' ? `call ${form.target}` : form.kind
    })
    expect(new Set(missing)).toEqual(
      new Set([
        'addr_space_cast',
        'mov_percpu',
        'call kfunc',
        'ld_imm64 btf_id',
        'ld_imm64 map_idx',
        'ld_imm64 map_idx_value',
      ]),
    )
  })

  test('agree on all engines, with and without proofs', () => {
    compareEngines(Object.values(ENGINES), 2000, 1)
  }, 120_000)

  test.skipIf(typeof kernel === 'string')(
    `agree with the running kernel${typeof kernel === 'string' ? ` (skipped: ${kernel})` : ''}`,
    () => {
      if (typeof kernel === 'string') return
      using _ = kernel
      const { agreed, refused } = compareWithKernel(Object.values(ENGINES), kernel, 500, 1)
      expect(agreed, JSON.stringify([...refused])).toBeGreaterThan(470)
    },
    120_000,
  )
})
