import { describe, expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../../ebpf-vm/bare.ts'
import { Stepper, type StepView } from '../../../ebpf-vm/interpreter/stepper.ts'

const PROGRAM = `
    *(u64 *)(r10 -8) = 5
    r1 = r10
    r1 += -8
    call double
    exit
double:
    r2 = *(u32 *)(r1 +0)
    r2 += r2
    lock *(u64 *)(r1 +0) += r2
    r0 = *(u64 *)(r1 +0)
    exit`

describe('stepper', () => {
  test('shows each instruction with registers and the memory it touches', () => {
    using stepper = new Stepper(bareMachine(), unverified(assemble(PROGRAM).insns), 0)
    const steps: StepView[] = []
    for (let step = stepper.step(); step; step = stepper.step()) steps.push(step)
    expect(steps.map(({ slot, frame, text }) => `${frame} ${slot} ${text}`)).toEqual([
      '1 0 *(u64 *)(r10 -8) = 5',
      '1 1 r1 = r10',
      '1 2 r1 += -8',
      '1 3 call pc+1',
      '2 5 r2 = *(u32 *)(r1 +0)',
      '2 6 r2 += r2',
      '2 7 lock *(u64 *)(r1 +0) += r2',
      '2 8 r0 = *(u64 *)(r1 +0)',
      '2 9 exit',
      '1 4 exit',
    ])
    expect(steps[5]!.registers[2]).toBe(10n)
    const place = steps[0]!.registers[10]! - 8n
    const word = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0)
    expect(steps[0]!.touched).toEqual({ kind: 'store', address: place, before: word(0), after: word(5) })
    expect(steps[4]!.touched).toMatchObject({ kind: 'load', address: place, after: Uint8Array.of(5, 0, 0, 0) })
    expect(steps[6]!.touched).toEqual({ kind: 'atomic', address: place, before: word(5), after: word(15) })
    expect(steps[1]!.touched).toBeUndefined()
    expect(stepper.result).toBe(15n)
    expect(stepper.slot).toBe(-1)
  })

  test('shows the stack of every function entered', () => {
    using stepper = new Stepper(bareMachine(), unverified(assemble(PROGRAM).insns), 0)
    for (let i = 0; i < 4; i++) stepper.step()
    const [main, double] = stepper.frames
    expect(main!.bytes.slice(-8)).toEqual(Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0))
    expect(double!.address).toBe(stepper.registers[10]! - BigInt(double!.bytes.length))
    expect(main!.address + BigInt(main!.bytes.length)).toBe(double!.address)
  })

  test('stays at an instruction that faults', () => {
    using stepper = new Stepper(bareMachine(), unverified(assemble('r1 = 8\nr0 = *(u8 *)(r1 +0)\nexit').insns), 0)
    stepper.step()
    expect(() => stepper.step()).toThrow(/instruction 1, r0 = \*\(u8 \*\)\(r1 \+0\)/)
    expect(stepper.slot).toBe(1)
  })
})
