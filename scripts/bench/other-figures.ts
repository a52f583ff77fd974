// The benchmark's other figures: how long compiling takes, and how fast the interpreter is.

import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import { interpreter } from '../../ebpf-vm/interpreter/interpreter.ts'
import { CompiledProgram } from '../../ebpf-vm/jit/jit.ts'
import type { LoadedProgram } from '../../ebpf-vm/machine.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'

const TRIES = 15
/** Compilations until the compiler itself is compiled. */
const WARM_UP = 60

/** Branches, arithmetic of both widths, stack and packet accesses in the proportions of real programs, about `size` instructions. */
function sample(size: number): VerifiedProgram {
  const part = (n: number): string => `
    r2 = *(u32 *)(r6 +${(n * 8) % 64})
    r3 = r2
    r3 <<= 3
    w4 = w3
    w4 ^= ${n}
    if w4 > ${n * 3} goto skip${n}
    *(u64 *)(r10 -${8 + ((n * 8) % 64)}) = r3
    r7 += r3
    skip${n}:
    r7 ^= r2`
  const parts = Array.from({ length: Math.round((size - 5) / 9) }, (_, n) => part(n))
  const { insns } = assemble(`r6 = r1\nr7 = 0\n${parts.join('\n')}\nr0 = r7\nexit`)
  const plain = unverified(insns)
  return { ...plain, access: insns.map((insn) => (insn.src === 6 ? 'packet' : 'stack')) }
}

/** Median milliseconds until a program has run once, warm: code made, compiled by the engine's baseline compiler, instantiated. */
export function compileTimes(): string[] {
  const machine = bareMachine()
  const ctx = machine.alloc.alloc(128)
  const samples = [50, 500, 4000].map((size) => ({ program: sample(size), times: [] as number[] }))
  for (let i = 0; i < WARM_UP + TRIES; i++) {
    for (const { program, times } of samples) {
      const start = process.hrtime.bigint()
      const compiled = new CompiledProgram(machine, program)
      compiled.run(ctx)
      times.push(Number(process.hrtime.bigint() - start) / 1e6)
      compiled.free()
    }
  }
  return samples.map(({ program, times }) => {
    const warm = times.slice(WARM_UP).sort((a, b) => a - b)
    return `compile and first run, ${program.insns.length} instructions: ${warm[warm.length >> 1]!.toFixed(2)} ms`
  })
}

/**
 * Best mean of many calls of one program, before any other was run: what a hook with one program pays. (A call site that has seen many
 * programs costs about 10 ns more.)
 */
export function callCost(program: LoadedProgram, ctx: number): number {
  const calls = 20_000
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 400; i++) {
    const start = process.hrtime.bigint()
    for (let n = 0; n < calls; n++) program.run(ctx)
    best = Math.min(best, Number(process.hrtime.bigint() - start) / calls)
  }
  return best
}

/** A loop of ten instructions (arithmetic, a store and a load of the stack, a branch), every access checked. */
export function interpreterSpeed(ctx: number): string {
  const rounds = 100_000
  const { insns } = assemble(`
    r6 = 0
    r7 = 1
    next: r1 = r7
    r1 <<= 13
    r7 ^= r1
    w2 = w7
    w2 += 7
    *(u64 *)(r10 -8) = r2
    r3 = *(u64 *)(r10 -8)
    r7 += r3
    r6 += 1
    if r6 < ${rounds} goto next
    r0 = r7
    exit`)
  const program = interpreter.load(bareMachine(), unverified(insns))
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < TRIES; i++) {
    const start = process.hrtime.bigint()
    program.run(ctx)
    best = Math.min(best, Number(process.hrtime.bigint() - start))
  }
  return `interpreter: ${((rounds * 10 * 1e3) / best).toFixed(0)} million instructions a second`
}
