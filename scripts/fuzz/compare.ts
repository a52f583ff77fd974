// Fuzzed programs on every engine, and on the kernel of this machine where it lets us: all must leave the same behind.

import fc from 'fast-check'
import { disassemble } from '../../ebpf-vm/disasm/disasm.ts'
import type { Engine } from '../../ebpf-vm/machine.ts'
import type { KernelRunner } from './kernel.ts'
import { type FuzzProgram, fuzzProgram, type Lowered, lower } from './programs.ts'
import { engineRunner, hex, type Mode, type Outcome } from './run.ts'

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
 * Fails on the first program on which an engine differs from the first engine, with that program shrunk. The engines take turns with
 * checked and proved accesses. `runs` programs, the same for the same seed.
 */
export function compareEngines(engines: readonly Engine[], runs: number, seed: number): void {
  const [first, ...others] = engines.map(engineRunner)
  fc.assert(
    fc.property(fuzzProgram, fc.boolean(), (program, proved) => {
      const lowered = lower(program)
      const [mine, theirs]: [Mode, Mode] = proved ? ['checked', 'proved'] : ['proved', 'checked']
      const reference = first!.run(lowered, program.memory, mine)
      for (const runner of others) {
        const outcome = runner.run(lowered, program.memory, theirs)
        if (same(reference, outcome)) continue
        const told = { [`${first!.name}, ${mine}`]: reference, [`${runner.name}, ${theirs}`]: outcome }
        throw new Disagreement(lowered, program.memory, told)
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

/**
 * Programs through our verifier on every engine, and through the kernel's on the kernel. Throws Disagreement where they leave different
 * things behind, Refused where our verifier does not take what the kernel's takes.
 */
export function compareWithKernel(
  engines: readonly Engine[],
  kernel: KernelRunner,
  runs: number,
  seed: number,
): KernelComparison {
  const runners = engines.map(engineRunner)
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
    for (const runner of runners) {
      const { timeNs: _, ...outcome } = runner.run(lowered, memory, 'verified')
      if (same(outcome, result.outcome)) continue
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
