// What watching costs: the three recordings replayed with nothing attached and with opensnoop attached, interleaved; and how long it
// takes from the command to its first line.   npm run bench
// Medians; quote the ratios, as absolute figures are this computer's.

import { spawn } from 'node:child_process'
import { createReadStream, readFileSync } from 'node:fs'
import path from 'node:path'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { Replay } from '../../user-space/replay/replay.ts'
import { readStrace } from '../../user-space/replay/strace/read.ts'
import { boot } from '../../user-space/session.ts'

const ROUNDS = 7
const RECORDINGS = ['gcc-hello', 'files-dd', 'nginx-curl'] as const
const root = path.resolve(import.meta.dirname, '../../..')

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!

async function replayed(name: string, watched: boolean): Promise<{ calls: number; ms: number; events: number }> {
  const file = path.join(root, `test/data/recordings/${name}.strace.gz`)
  const recording = await readStrace(createReadStream(file), name)
  const replay = new Replay(recording)
  using session = boot({ workload: replay })
  let events = 0
  const startMs = performance.now()
  if (watched) {
    const opens = session.load(
      readObjectBytes(readFileSync(path.join(root, 'examples/opensnoop.bpf.o')), 'opensnoop.bpf.o'),
    )
    opens.attach()
    const reader = opens.maps['events']!.reader()
    reader.onBatch = (batch) => {
      events += batch.length
    }
  }
  session.runSync()
  return { calls: replay.report.syscalls, ms: performance.now() - startMs, events }
}

/** Milliseconds from the start of the process to its first byte of output. */
function firstOutput(): Promise<number> {
  return new Promise((resolve) => {
    const startMs = performance.now()
    const child = spawn(process.execPath, [path.join(root, 'bin/bpfsim.js'), 'run', 'opensnoop'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.stdout.once('data', () => {
      resolve(performance.now() - startMs)
      child.kill()
    })
  })
}

console.log('recording      calls   bare calls/s   with opensnoop   ratio   whole replay')
for (const name of RECORDINGS) {
  const bare: number[] = []
  const watched: number[] = []
  let calls = 0
  for (let round = 0; round < ROUNDS; round++) {
    const a = await replayed(name, false)
    const b = await replayed(name, true)
    calls = a.calls
    bare.push(a.ms)
    watched.push(b.ms)
  }
  const [without, withTool] = [median(bare), median(watched)]
  const rate = (ms: number): string =>
    Math.round((calls / ms) * 1000)
      .toLocaleString('en')
      .padStart(12)
  const ratio = (withTool / without).toFixed(2).padStart(7)
  console.log(
    `${name.padEnd(12)} ${String(calls).padStart(7)} ${rate(without)} ${rate(withTool).padStart(16)} ${ratio} ${withTool.toFixed(0).padStart(10)} ms`,
  )
}
const starts: number[] = []
for (let round = 0; round < ROUNDS; round++) starts.push(await firstOutput())
console.log(`from the command to its first line: ${median(starts).toFixed(0)} ms`)
