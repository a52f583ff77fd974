// Jumps at the ends of their ranges, on every engine.

import { describe, expect, test } from 'vitest'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { runBare } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'

const fill = (count: number): string => 'r0 += 1\n'.repeat(count)

for (const engine of Object.values(ENGINES)) {
  describe(engine.name, () => {
    const run = (text: string): bigint => runBare(engine, assemble(text).insns).r0

    test('the furthest jump forwards passes over 32767 instructions', () => {
      expect(run(`r0 = 7\ngoto +32767\n${fill(32767)}exit`)).toBe(7n)
    })

    test('the furthest jump backwards goes 32768 back', () => {
      expect(run(`r0 = 7\ngoto test\nback: exit\n${fill(32766)}test: if r0 == 7 goto -32768\nexit`)).toBe(7n)
    })

    test('a long jump goes further, both ways', () => {
      expect(run(`r0 = 7\ngotol over\nback: exit\n${fill(40000)}over: r0 += 1\ngotol back`)).toBe(8n)
    })

    test('a call reaches as far', () => {
      expect(run(`call far\nexit\n${fill(40000)}exit\nfar: r0 = 9\nexit`)).toBe(9n)
    })
  })
}
