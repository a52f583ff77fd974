// npm run fuzz:vm -- [--seconds N] [--seed N]
// Random programs on every engine, and, through both verifiers, on the kernel of this machine where it lets us, until the time is up (default 60 seconds) or
// two disagree: then the program that shows it is printed (where only our engines differ, the smallest found), and the exit code is 1.
// Damaged programs go to both verifiers, too.

import path from 'node:path'
import { parseArgs } from 'node:util'
import { ENGINES } from '../ebpf-vm/engines.ts'
import { compareEngines, compareVerdicts, compareWithKernel } from './fuzz/compare.ts'
import { kernelRunner } from './fuzz/kernel.ts'

const BATCH = 500
/** Damaged programs run long: endless loops end late, and verifiers take a while to see them. */
const DAMAGED = 100

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds)
let seed = Number(values.seed ?? Date.now() % 0x7fffffff)
if (!(seconds > 0) || !Number.isInteger(seed)) {
  console.error('fuzz:vm: --seconds takes a positive number, --seed an integer')
  process.exit(2)
}

const engines = Object.values(ENGINES)
// This file runs from dist/scripts/.
const kernel = kernelRunner(path.join(import.meta.dirname, '../../test/kernel/run-programs.c'))
if (typeof kernel === 'string') console.log(`without the kernel: ${kernel}`)
console.log(`engines: ${engines.map(({ name }) => name).join(', ')}; first seed ${seed}`)

const end = Date.now() + seconds * 1000
let programs = 0
let agreed = 0
let damaged = 0
let tooStrict = 0
try {
  for (; Date.now() < end; seed++) {
    compareEngines(engines, BATCH, seed)
    programs += BATCH
    if (typeof kernel === 'string') continue
    agreed += compareWithKernel(engines, kernel, BATCH, seed).agreed
    const verdicts = compareVerdicts(engines[0]!, kernel, DAMAGED, seed)
    damaged += DAMAGED
    tooStrict += verdicts.onlyOursRefused.length
  }
  console.log(`${programs} programs, all engines agree; ${agreed} of them ran on the kernel, which agrees`)
  console.log(
    `${damaged} damaged programs: none accepted that the kernel refuses; ${tooStrict} refused that it accepts`,
  )
} catch (error) {
  console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  if (typeof kernel !== 'string') kernel[Symbol.dispose]()
}
