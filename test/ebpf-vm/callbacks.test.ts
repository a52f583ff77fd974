// Functions that helpers call back, and exceptions: the same on every engine, and across engines.

import { describe, expect, test } from 'vitest'
import { KERNEL_HI } from '../../base/memory.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { unverified } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import { plainHelpers } from '../../ebpf-vm/helpers/impl/plain.ts'
import { isKfuncCall, isLdImm64 } from '../../ebpf-vm/isa/insn.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { TestPlatform, testMachine, testMap } from './support.ts'

for (const engine of Object.values(ENGINES)) {
  const run = (asm: string, change: (program: VerifiedProgram) => VerifiedProgram = (same) => same): bigint => {
    const machine = testMachine(new TestPlatform(), plainHelpers)
    const map = testMap(machine, { type: MAP_TYPE.array, keySize: 4, valueSize: 8, maxEntries: 5 })
    for (let i = 0; i < 5; i++) {
      const key = machine.alloc.alloc(8)
      machine.mem.dv.setUint32(key, i, true)
      machine.mem.dv.setUint32(map.lookup(key), 10 * i, true)
    }
    const { insns } = assemble(asm, { maps: { m: 0 } })
    insns.forEach((insn, slot) => {
      if (!isLdImm64(insn) || insn.src !== 1) return
      insn.src = 0
      insn.imm = map.address
      insns[slot + 1]!.imm = KERNEL_HI
    })
    const kfuncs = new Map(insns.flatMap((insn, slot) => (isKfuncCall(insn) ? [[slot, { name: 'bpf_throw' }]] : [])))
    const program = engine.load(machine, change({ ...unverified(insns), maps: [map], kfuncs }))
    const stack = machine.pushStack(0)
    const result = program.runWide(0)
    expect(machine.pushStack(0)).toBe(stack)
    expect(program.runWide(0)).toBe(result)
    return result
  }

  describe(engine.name, () => {
    test('bpf_loop calls with index and context until the callback returns 1', () => {
      const loop = (stop: number): string => `
        *(u64 *)(r10 -8) = 0
        r1 = 100
        r2 = body ll
        r3 = r10
        r3 += -8
        r4 = 0
        call loop
        r1 = *(u64 *)(r10 -8)
        r1 <<= 32
        r0 |= r1
        exit
        body:
        *(u64 *)(r10 -16) = -1
        r3 = *(u64 *)(r2 +0)
        r3 += r1
        *(u64 *)(r2 +0) = r3
        r0 = 0
        if r1 < ${stop} goto more
        r0 = 1
        more: exit`
      expect(run(loop(1000))).toBe((4950n << 32n) | 100n)
      expect(run(loop(9))).toBe((45n << 32n) | 10n)
    })

    test('for_each_map_elem visits every element', () => {
      const sum = run(`
        *(u64 *)(r10 -8) = 0
        r1 = m ll
        r2 = body ll
        r3 = r10
        r3 += -8
        r4 = 0
        call for_each_map_elem
        r1 = *(u64 *)(r10 -8)
        r0 <<= 32
        r0 |= r1
        exit
        body:
        r1 = *(u32 *)(r2 +0)
        r3 = *(u64 *)(r3 +0)
        r5 = *(u64 *)(r4 +0)
        r5 += r3
        r5 += r1
        *(u64 *)(r4 +0) = r5
        r0 = 0
        exit`)
      expect(sum).toBe((5n << 32n) | 110n)
    })

    test('bpf_throw ends the program from within calls and callbacks; its cookie is r0', () => {
      const asm = `
        r1 = 10
        r2 = body ll
        r3 = 0
        r4 = 0
        call loop
        r0 = 1
        exit
        body:
        if r1 < 3 goto more
        call inner
        more: r0 = 0
        exit
        inner:
        r1 = 0x500000007 ll
        call bpf_throw
        exit`
      expect(run(asm)).toBe(0x500000007n)
      const handled = run(
        `${asm}
        r0 = r1
        r0 += 1
        exit`,
        (program) => {
          const end = program.insns.length
          const last = program.subprograms.at(-1)!
          const handler = { ...last, name: 'handler', start: end - 3, end, isExceptionCallback: true }
          return { ...program, subprograms: [...program.subprograms.slice(0, -1), { ...last, end: end - 3 }, handler] }
        },
      )
      expect(handled).toBe(0x500000008n)
    })
  })
}
