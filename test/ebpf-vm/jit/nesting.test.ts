// A program that another one's helper starts, for another CPU and at a later time, leaves no trace in the first one.

import { expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { unverified } from '../../../ebpf-vm/bare.ts'
import { plainHelpers } from '../../../ebpf-vm/helpers/impl/plain.ts'
import { CompiledProgram } from '../../../ebpf-vm/jit/jit.ts'
import { TestPlatform, testMachine } from '../support.ts'

const READ = `
  *(u64 *)(r10 -8) = 7
  call get_smp_processor_id
  r6 = r0
  call ktime_get_ns
  r7 = r0`

test('the CPU, the time and the stack are those of the program that goes on', () => {
  const platform = new TestPlatform()
  let inner: CompiledProgram | undefined
  const machine = testMachine(platform, (it) => {
    const helpers = plainHelpers(it)
    helpers.set(7, {
      id: 7,
      name: 'get_prandom_u32',
      takes: [],
      gives: 'u32',
      run: () => {
        platform.currentCpu = 1
        platform.charge(1000)
        const result = inner!.run(0)
        platform.currentCpu = 0
        return result
      },
    })
    return helpers
  })
  const load = (asm: string): CompiledProgram => new CompiledProgram(machine, unverified(assemble(asm).insns))
  inner = load(`${READ}\nr0 = r6\n*(u64 *)(r10 -8) = 9\nexit`)
  const outer = load(`${READ}
    call get_prandom_u32
    r8 = r0
    call get_smp_processor_id
    r0 <<= 8
    r0 |= r8
    r0 <<= 8
    r0 |= r6
    r9 = r0
    call ktime_get_ns
    r0 -= r7
    r0 <<= 32
    r0 |= r9
    r1 = *(u64 *)(r10 -8)
    r0 <<= 4
    r0 |= r1
    exit`)
  const stack = machine.pushStack(0)
  const result = outer.runWide(0)
  expect(result & 15n).toBe(7n)
  expect((result >> 4n) & 0xffffffn).toBe(0x000100n)
  // Its own three helper calls and the inner program's two, and what the helper charged.
  expect(result >> 36n).toBe(1000n + 5n * 20n)
  expect(machine.pushStack(0)).toBe(stack)
})
