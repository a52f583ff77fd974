// What leaves a program and comes back, on every engine: helpers of every kind of argument and result, callbacks, programs inside
// programs, exceptions, the may_goto budget.

import { describe, expect, test } from 'vitest'
import { KERNEL_HI } from '../../base/memory.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import type { HelperImpl } from '../../ebpf-vm/helper.ts'
import { HELPER_COST_NS, MAY_GOTO_LIMIT, type Machine } from '../../ebpf-vm/machine.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'

const KERNEL = BigInt(KERNEL_HI >>> 0) << 32n

/** A machine with these helpers from 1000 on. */
const machineWith = (...helpers: ((machine: Machine) => HelperImpl)[]): Machine =>
  bareMachine({ tables: (machine) => ({ helpers: new Map(helpers.map((make, i) => [1000 + i, make(machine)])) }) })

/** The text as a program; its calls of bpf_throw are that kfunc's, and a function labelled `handler` is its exception callback. */
function program(text: string): VerifiedProgram {
  const { insns, relocations, labels } = assemble(text)
  const base = unverified(insns)
  const handler = labels.get('handler')
  const subprograms = base.subprograms.map((sub) => ({ ...sub, isExceptionCallback: sub.start === handler }))
  return { ...base, subprograms, kfuncs: new Map(relocations.map(({ slot, name }) => [slot, { name }])) }
}

for (const engine of Object.values(ENGINES)) {
  describe(engine.name, () => {
    test('a helper gets its arguments as its words say', () => {
      const seen: number[][] = []
      const machine = machineWith(() => ({
        takes: ['ptr', 'u32', 's32', 'u64', 'ptr'],
        gives: 'void',
        run: (...words) => seen.push(words),
      }))
      const text = `
        r2 = 0xaaaaaaaa00000007 ll
        r3 = 0xbbbbbbbbfffffffe ll
        r4 = 0x1122334455667788 ll
        r5 = 0
        call 1000
        r0 = 0
        exit`
      const at = machine.alloc.alloc(8)
      engine.load(machine, program(text)).run(at)
      expect(seen).toEqual([[at, 7, -2, 0x55667788, 0x11223344, 0]])
    })

    test.each([
      ['void', 0, 0n],
      ['s32', -5, 0xfffffffffffffffbn],
      ['u32', -5, 0xfffffffbn],
      ['ptr', 0x2000, KERNEL + 0x2000n],
      ['ptr', 0, 0n],
      ['u64', 0, 0x1122334455667788n],
    ] as const)('a helper that gives %s', (gives, word, r0) => {
      const machine = machineWith((m) => ({
        takes: [],
        gives,
        run: () => (gives === 'u64' ? m.giveU64(0x55667788, 0x11223344) : word),
      }))
      expect(engine.load(machine, program('r0 = -1\ncall 1000\nexit')).runWide(0)).toBe(r0)
    })

    test('every call costs its time before it runs', () => {
      const times: number[] = []
      const machine = machineWith(
        ({ platform }) => ({ takes: [], gives: 'void', run: () => times.push(platform.nowNs()) }),
        ({ platform }) => ({ takes: [], gives: 'void', costNs: 7, run: () => times.push(platform.nowNs()) }),
      )
      const start = machine.platform.nowNs()
      engine.load(machine, program('call 1000\ncall 1001\ncall 1000\nr0 = 0\nexit')).run(0)
      expect(times.map((time) => time - start)).toEqual([HELPER_COST_NS, HELPER_COST_NS + 7, 2 * HELPER_COST_NS + 7])
    })

    test('a callback gets 64-bit arguments and gives its result to the helper', () => {
      const machine = machineWith((m) => ({
        takes: ['func', 'u64'],
        gives: 's32',
        run: (slot, lo, hi) => m.call(slot!, 1, 0, lo!, hi!, 0, 0, 0, 0, 5, 0),
      }))
      const text = `
          r1 = f ll
          r2 = 0x300000004 ll
          call 1000
          exit
        f:
          r0 = r2
          r0 >>= 32
          r0 *= 10
          r0 += r1
          r0 *= 10
          r0 += r5
          r0 = -r0
          exit`
      expect(engine.load(machine, program(text)).runWide(0)).toBe(BigInt.asUintN(64, -315n))
    })

    test('a program may run inside a helper of itself', () => {
      let loaded = (_: number): number => 0
      const machine = machineWith(() => ({ takes: ['ptr'], gives: 'u32', run: (at) => loaded(at!) }))
      // sum of the numbers up to the one at ctx, one run deeper for each
      const text = `
          r6 = *(u32 *)(r1 +0)
          r0 = 0
          if r6 == 0 goto out
          *(u32 *)(r10 -4) = r6
          r7 = r6
          r7 += -1
          *(u32 *)(r10 -8) = r7
          r1 = r10
          r1 += -8
          call 1000
          r2 = *(u32 *)(r10 -4)
          r0 += r2
          if r2 == r6 goto out
          r0 = -1
        out:
          exit`
      const summing = engine.load(machine, program(text))
      loaded = (at) => summing.run(at)
      const at = machine.alloc.alloc(8)
      machine.mem.dv.setUint32(at, 10, true)
      expect(summing.run(at)).toBe(55)
    })

    const THROWING = `
          r6 = r1
          call inner
          r0 = 1
          exit
        inner:
          call deeper
          r0 = 2
          exit
        deeper:
          r1 = 0x500000007 ll
          call bpf_throw
          r0 = 3
          exit`

    test('bpf_throw ends the program with its cookie, from any depth', () => {
      const machine = machineWith()
      const { cells, mem } = machine
      const top = mem.i32[cells.stackTop >> 2]
      const loaded = engine.load(machine, program(THROWING))
      expect(loaded.runWide(0)).toBe(0x500000007n)
      expect(mem.i32[cells.stackTop >> 2]).toBe(top)
      expect(loaded.runWide(0)).toBe(0x500000007n)
    })

    test('an exception callback makes the result of the cookie', () => {
      const text = `${THROWING}
        handler:
          r0 = r1
          r0 += 1
          exit`
      // Something must refer to it, as the verifier's rewriting does.
      const source = program(text.replace('r6 = r1', 'r6 = handler ll'))
      expect(engine.load(machineWith(), source).runWide(0)).toBe(0x500000008n)
    })

    test('bpf_throw in a callback unwinds through the helper', () => {
      const machine = machineWith((m) => ({ takes: ['func'], gives: 'void', run: (slot) => m.call(slot!) }))
      const text = `
          r1 = f ll
          call 1000
          r0 = 1
          exit
        f:
          r1 = 9
          call bpf_throw
          r0 = 0
          exit`
      expect(engine.load(machine, program(text)).runWide(0)).toBe(9n)
    })

    test('may_goto leaves the loop when the budget of the function is spent, and takes time', () => {
      const machine = machineWith()
      const text = `
          r0 = 0
        again:
          may_goto out
          r0 += 1
          goto again
        out:
          exit`
      const start = machine.platform.nowNs()
      expect(engine.load(machine, program(text)).run(0)).toBe(MAY_GOTO_LIMIT)
      expect(machine.platform.nowNs() - start).toBe(MAY_GOTO_LIMIT + 1)
    })
  })
}
