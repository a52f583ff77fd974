// Fuzzed programs on every engine, and on the kernel of this machine where it lets us: all must leave the same behind.

import fc from 'fast-check'
import { disassemble } from '../../ebpf-vm/disasm/disasm.ts'
import type { Engine } from '../../ebpf-vm/machine.ts'
import type { KernelRunner } from './kernel.ts'
import { type FuzzProgram, fuzzProgram, type Lowered, lower } from './programs.ts'
import { engineRunner, hex, type Outcome } from './run.ts'

/** Two outcomes that differ; the message has both and the program, as assemble() reads it. */
export class Disagreement extends Error {
  override name = 'Disagreement'

  constructor(program: Lowered, memory: Uint8Array, outcomes: Readonly<Record<string, Outcome>>) {
    const told = Object.entries(outcomes).map(([who, outcome]) => `${who}: ${JSON.stringify(outcome)}`)
    super([...told, `memory: ${hex(memory)}`, disassemble(program.insns)].join('\n'))
  }
}

const same = <T extends Outcome>(a: T, b: T): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * Fails on the first program on which an engine differs from the first engine, with that program shrunk. Every other program runs
 * with its accesses proved, the rest with every access checked. `runs` programs, the same for the same seed.
 */
export function compareEngines(engines: readonly Engine[], runs: number, seed: number): void {
  const [first, ...others] = engines.map(engineRunner)
  fc.assert(
    fc.property(fuzzProgram, fc.boolean(), (program, proved) => {
      const lowered = lower(program)
      const reference = first!.run(lowered, program.memory, !proved)
      for (const runner of others) {
        const outcome = runner.run(lowered, program.memory, proved)
        if (same(reference, outcome)) continue
        const who = `${runner.name} (${proved ? 'proved' : 'checked'})`
        throw new Disagreement(lowered, program.memory, { [first!.name]: reference, [who]: outcome })
      }
    }),
    { numRuns: runs, seed },
  )
}

export interface KernelComparison {
  readonly agreed: number
  /** Programs that the kernel's verifier did not take, by its last words. */
  readonly refused: ReadonlyMap<string, number>
}

/** Throws Disagreement where the kernel leaves something else behind than the engine. */
export function compareWithKernel(engine: Engine, kernel: KernelRunner, runs: number, seed: number): KernelComparison {
  const runner = engineRunner(engine)
  const programs = fc.sample(fuzzProgram, { numRuns: runs, seed }).map((program: FuzzProgram) => ({
    lowered: lower(program, { forLinux: true }),
    memory: program.memory,
  }))
  const refused = new Map<string, number>()
  let agreed = 0
  kernel.run(programs).forEach((result, i) => {
    const { lowered, memory } = programs[i]!
    if (result.kind === 'refused') {
      const words = `${result.errno}: ${lastWords(result.log)}`
      refused.set(words, (refused.get(words) ?? 0) + 1)
      return
    }
    const { timeNs: _, ...outcome } = runner.run(lowered, memory, true)
    if (!same(outcome, result.outcome)) {
      throw new Disagreement(lowered, memory, { kernel: result.outcome, [runner.name]: outcome })
    }
    agreed++
  })
  return { agreed, refused }
}

const lastWords = (log: string): string =>
  log
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(verification time|stack depth|processed) /.test(line))
    .at(-1) ?? ''
