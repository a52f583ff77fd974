// Fuzzed programs on every engine, and on the kernel of this machine where it lets us: all must leave the same behind.

import fc from 'fast-check'
import { disassemble } from '../../ebpf-vm/disasm/disasm.ts'
import { classify } from '../../ebpf-vm/isa/forms.ts'
import type { Engine } from '../../ebpf-vm/machine.ts'
import type { KernelRunner } from './kernel.ts'
import { mutate, mutations } from './mutate.ts'
import { type FuzzProgram, fuzzProgram, type Lowered, lower } from './programs.ts'
import { engineRunner, hex, type Mode, type Outcome, Refused } from './run.ts'

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

export interface VerdictComparison {
  readonly accepted: number
  readonly refused: number
  /** Programs that the kernel takes and ours refuses, by our last words. */
  readonly onlyOursRefused: readonly string[]
}

/** Linux gives up on a program that is too large for it; ours may know an earlier end. */
const E2BIG = -7

/**
 * Damaged programs: ours must not accept what the kernel refuses (throws Disagreement), and what both accept must leave the same
 * behind.
 */
export function compareVerdicts(engine: Engine, kernel: KernelRunner, runs: number, seed: number): VerdictComparison {
  const runner = engineRunner(engine)
  const programs = fc.sample(fc.tuple(fuzzProgram, mutations), { numRuns: runs, seed }).map(([program, changes]) => ({
    lowered: mutate(lower(program, { forLinux: true }), changes),
    memory: program.memory,
  }))
  const onlyOursRefused: string[] = []
  let accepted = 0
  let refused = 0
  kernel.run(programs).forEach((result, i) => {
    const { lowered, memory } = programs[i]!
    if (result.kind === 'refused' && (result.errno > 0 || result.errno === E2BIG)) return
    let outcome: Outcome | undefined
    let words = ''
    try {
      const { timeNs: _, ...rest } = runner.run(lowered, memory, 'verified')
      outcome = rest
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      words = lastWords(error.message)
    }
    if (result.kind === 'refused') {
      refused++
      if (outcome)
        throw new Disagreement(lowered, memory, { [`refused by the kernel: ${lastWords(result.log)}`]: outcome })
    } else if (!outcome) {
      onlyOursRefused.push(words)
    } else {
      accepted++
      // A loop that damage made endless ends by may_goto: after a count here, since 6.15 after a time there.
      const timed = lowered.insns.some((insn) => classify(insn)?.kind === 'may_goto')
      if (!timed && !same(outcome, result.outcome)) {
        throw new Disagreement(lowered, memory, { kernel: result.outcome, [runner.name]: outcome })
      }
    }
  })
  return { accepted, refused, onlyOursRefused }
}

const lastWords = (log: string): string =>
  log
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(verification time|stack depth|processed) /.test(line))
    .at(-1) ?? ''
