import { createReadStream } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { boot } from '../../../kernel-sim/boot.ts'
import { Replay } from '../../../user-space/replay/replay.ts'
import { readStrace } from '../../../user-space/replay/strace/read.ts'

const RECORDINGS = ['gcc-hello', 'files-dd', 'nginx-curl'] as const
/** Of the calls of a recording. */
const MOST_DIVERGED = 0.02
/** Calls that took the model longer than the recorded program: a few reads of whole files. */
const MOST_LATE = 0.002

interface Returned {
  readonly pid: number
  /** When sys_exit announced it. */
  readonly us: number
  readonly result: string
}

/** The resolution of a recording: what the kernel does behind the recorded end, on its way out, takes less. */
const microseconds = (ns: number): number => Math.floor(ns / 1000)

async function replayed(name: string): Promise<{ replay: Replay; calls: number; returned: Returned[] }> {
  const file = new URL(`../../data/recordings/${name}.strace.gz`, import.meta.url)
  const recording = await readStrace(createReadStream(file), name)
  const kernel = boot()
  const returned: Returned[] = []
  const { mem } = kernel
  kernel.trace.sysExit.attachRaw((args) => {
    returned.push({ pid: kernel.current.pid, us: microseconds(kernel.nowNs), result: String(mem.readInt64(args + 8)) })
  })
  const replay = new Replay(recording)
  replay.start(kernel)
  kernel.run({ untilNs: replay.endNs })
  return { replay, calls: recording.events.filter((event) => event.kind === 'call').length, returned }
}

describe.each(RECORDINGS)('%s', (name) => {
  test('every recorded call is made and returns its recorded result at its recorded time; few diverge', async () => {
    const { replay, calls, returned } = await replayed(name)
    // Calls that never returned (exit_group, what was running at the end) are made and not counted.
    const endless = replay.processes.flatMap(({ calls }) =>
      calls.filter(({ result }) => result.value === undefined),
    ).length
    expect(replay.report.syscalls + endless).toBe(calls)
    expect([...replay.report.unknownConstants.keys()]).toEqual([])
    const wanted = replay.processes
      .flatMap(({ pid, calls }) => calls.map((call) => ({ pid, call })))
      .filter(({ call }) => call.result.value !== undefined)
      .map(({ pid, call }) => ({
        pid,
        us: microseconds(replay.at(call.startNs + call.durationNs)),
        result: String(call.result.value),
      }))
    const open = new Map<string, number>()
    for (const { pid, result } of wanted) open.set(`${pid} ${result}`, (open.get(`${pid} ${result}`) ?? 0) + 1)
    for (const { pid, result } of returned) open.set(`${pid} ${result}`, (open.get(`${pid} ${result}`) ?? 0) - 1)
    expect([...open].filter(([, count]) => count > 0)).toEqual([])
    const inTime = new Set(returned.map(({ pid, us, result }) => `${pid} ${us} ${result}`))
    const late = wanted.filter(({ pid, us, result }) => !inTime.has(`${pid} ${us} ${result}`))
    expect(late.length).toBeLessThanOrEqual(MOST_LATE * calls)
    expect(replay.report.diverged / calls).toBeLessThanOrEqual(MOST_DIVERGED)
  })
})

test('the same recording gives the same run', async () => {
  const [first, second] = [await replayed('gcc-hello'), await replayed('gcc-hello')]
  expect(second.returned).toEqual(first.returned)
})
