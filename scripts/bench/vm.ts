// npm run bench:vm: the programs of test/bench/programs, compiled and interpreted here and by the running kernel's JIT.
//   node dist/scripts/bench/vm.js [--rounds N] [PROGRAM …]
// Per round each side runs every program for a few milliseconds, taking turns; the table shows medians over the rounds, each side's
// empty program subtracted.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bareMachine } from '../../ebpf-vm/bare.ts'
import { jit } from '../../ebpf-vm/jit/jit.ts'
import type { LoadedProgram, Machine } from '../../ebpf-vm/machine.ts'
import { KernelRunner } from './kernel.ts'
import { callCost, compileTimes, interpreterSpeed } from './other-figures.ts'
import { FOLDER, readProgram } from './program.ts'

// biome-ignore format: one list
const PROGRAMS = [
  'alu64', 'alu32', 'muldiv', 'lcg', 'prime', 'csum', 'fnv', 'stack', 'sort', 'fsm', 'parse', 'arrhist', 'hashcnt', 'hashupd',
  'atomic', 'calls', 'probe', 'probehash',
] // biome-ignore format: one list

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '9' } },
})
const rounds = Number(flags.rounds)
const names = positionals.length > 0 ? positionals : PROGRAMS

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

/** struct xdp_buff as the converted context accesses see it, and the packet that it points to. */
function packetContext(machine: Machine): number {
  const packet = readFileSync(path.join(FOLDER, 'packet.bin'))
  const data = machine.alloc.alloc(4096) + 256
  machine.mem.u8.set(packet, data)
  const ctx = machine.alloc.alloc(64)
  machine.mem.writePtr(ctx, data)
  machine.mem.writePtr(ctx + 8, data + packet.length)
  return ctx
}

/** A slice of time short enough to be spared by the host's scheduler; a round takes the best of several, on both sides. */
const SLICE_NS = 1.5e6
const SLICES = 5

function runs(program: LoadedProgram, ctx: number, count: number): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) program.run(ctx)
  return Number(process.hrtime.bigint() - start)
}

/** Mean nanoseconds of a run, in the best of the slices. */
function timed(program: LoadedProgram, ctx: number): number {
  let count = 1
  while (count < 1e9 && runs(program, ctx, count) < SLICE_NS / 4) count *= 2
  count *= 4
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < SLICES; i++) best = Math.min(best, runs(program, ctx, count) / count)
  return best
}

async function timedInKernel(kernel: KernelRunner, name: string): Promise<number> {
  const once = Math.max((await kernel.run(name, 100)).ns, 1)
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < SLICES; i++) best = Math.min(best, (await kernel.run(name, Math.ceil(SLICE_NS / once))).ns)
  return best
}

/** The empty program, and the probe that runs once: what a call costs. */
const all = ['empty', 'probe1', ...names]
const machine = bareMachine({ memoryBytes: 64 << 20 })
const ctx = packetContext(machine)
const called = callCost(jit.load(machine, readProgram(machine, 'probe1').program), ctx)
const ours = new Map(all.map((name) => [name, jit.load(machine, readProgram(machine, name).program)]))
const started = await KernelRunner.start(all)
const kernel = typeof started === 'string' ? undefined : started
if (typeof started === 'string') console.log(`No comparison with the kernel: ${started}`)

const results = new Map(all.map((name) => [name, { ours: [] as number[], kernel: [] as number[] }]))
for (const name of all) {
  const program = ours.get(name)!
  if (program.engine !== 'jit') console.log(`${name} was not compiled`)
  for (const end = Date.now() + 100; Date.now() < end; ) runs(program, ctx, 10)
  if (kernel) {
    await kernel.reset(name)
    const fresh = jit.load(machine, readProgram(machine, name).program)
    const mine = fresh.run(ctx) >>> 0
    const { r0 } = await kernel.run(name, 1)
    if (mine !== r0) console.log(`${name}: r0 ${mine} here, ${r0} in the kernel`)
    fresh.free()
  }
}
for (let round = 0; round < rounds; round++) {
  for (const name of all) {
    const result = results.get(name)!
    result.ours.push(timed(ours.get(name)!, ctx))
    if (kernel) result.kernel.push(await timedInKernel(kernel, name))
  }
}
const empty = { ours: median(results.get('empty')!.ours), kernel: median(results.get('empty')!.kernel) }
const pad = (value: string | number, width: number): string => String(value).padStart(width)
let logs = 0
let worst = 0
console.log('program         compiled ns   kernel ns   ratio')
for (const name of names) {
  const mine = median(results.get(name)!.ours) - empty.ours
  const theirs = kernel ? median(results.get(name)!.kernel) - empty.kernel : Number.NaN
  const ratio = mine / theirs
  logs += Math.log(ratio)
  worst = Math.max(worst, ratio)
  console.log(`${name.padEnd(14)}${pad(mine.toFixed(0), 13)}${pad(theirs.toFixed(0), 12)}${pad(ratio.toFixed(2), 8)}`)
}
if (kernel) {
  console.log(`geometric mean ${Math.exp(logs / names.length).toFixed(2)}, worst ${worst.toFixed(2)}`)
  const theirs = median(results.get('probe1')!.kernel)
  console.log(
    `one probe with a map, call included: ${called.toFixed(1)} ns from JavaScript, ${theirs} ns in TEST_RUN, ` +
      `ratio ${(called / theirs).toFixed(2)}`,
  )
}
kernel?.stop()
for (const line of [...compileTimes(), interpreterSpeed(ctx)]) console.log(line)
