// verify() as a loader uses it: verdict, errno and Linux's words for small assembled programs.

import { describe, expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import type { ProgramInput } from '../../../ebpf-vm/program.ts'
import { PROG_TYPE } from '../../../ebpf-vm/uapi.ts'
import { factsFor } from '../../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../../ebpf-vm/verifier/verify.ts'

const facts = factsFor({ release: '6.12.0', btf: undefined })

function run(text: string, more: Partial<ProgramInput> = {}, logLevel = 1) {
  const input: ProgramInput = {
    name: 'test',
    type: PROG_TYPE.socket_filter,
    expectedAttachType: 0,
    insns: assemble(text).insns,
    license: 'GPL',
    flags: 0,
    mapByFd: () => undefined,
    ...more,
  }
  return verify(input, facts, { logLevel })
}

describe('verify', () => {
  test('accepts a program that returns a constant', () => {
    const result = run('r0 = 0\nexit')
    expect(result.ok).toBe(true)
    expect(result.stats.processed).toBe(2)
  })

  test('names the register that nothing was written to', () => {
    const result = run('r0 = r2\nexit')
    expect(result).toMatchObject({ ok: false, errno: 13 })
    expect(result.log).toContain('R2 !read_ok')
  })

  test('drops code that no path reaches', () => {
    const result = run('r0 = 0\nif r0 == 0 goto +1\nr0 = 1\nexit')
    expect(result.ok && result.program.insns.length).toBe(2)
  })

  test('refuses a loop without end', () => {
    const result = run('r0 = 0\nl:\ngoto l\nexit')
    expect(result.ok).toBe(false)
  })

  test('a bounded loop ends', () => {
    const result = run('r0 = 0\nl:\nr0 += 1\nif r0 < 100 goto l\nr0 = 0\nexit')
    expect(result.ok).toBe(true)
  })
})
