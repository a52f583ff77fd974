// Debian's libbpf-tools, their BPF objects' bytes unmodified, watch the three recordings. What they report is compared with what the
// recordings' own text says happened (test/truth), in order, nothing missing and nothing invented.

import { createReadStream } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { Replay } from '../../user-space/replay/replay.ts'
import { readStrace } from '../../user-space/replay/strace/read.ts'
import { boot } from '../../user-space/session.ts'
import * as truth from '../truth/tools.ts'
import { libbpfTool } from './packages.ts'
import { EVENTS, PLANS, type ToolPlan } from './plans.ts'

const RECORDINGS = ['gcc-hello', 'files-dd', 'nginx-curl'] as const

interface Watched {
  /** Records of the perf buffer, in order. */
  records: Uint8Array[]
  /** Entries of the plan's map. */
  entries: [key: unknown, value: unknown][]
  lost: number
}

/** Run the tool over the recording as its command does. */
async function watch(plan: ToolPlan, recording: string, kernel: string): Promise<Watched> {
  const file = new URL(`../data/recordings/${recording}.strace.gz`, import.meta.url)
  const replay = new Replay(await readStrace(createReadStream(file), recording, { strict: true }))
  const spec = readObjectBytes(libbpfTool(plan.tool)!, plan.tool)
  Object.assign(spec.variables, plan.variables)
  using session = boot({ workload: replay, kernel })
  using object = session.load(spec)
  object.attach()
  const records: Uint8Array[] = []
  if (plan.map !== undefined) {
    await session.run()
    return { records, entries: [...object.maps[plan.map]!], lost: 0 }
  }
  const reader = object.maps['events']!.reader()
  for await (const { bytes } of reader) records.push(bytes.slice())
  return { records, entries: [], lost: reader.lost }
}

/** The part of a comm or name before its NUL is what the decoder gives; execsnoop's arguments are NUL-separated. */
function decodeExec(bytes: Uint8Array): truth.Exec {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const size = view.getUint32(20, true)
  const latin1 = (from: number, length: number): string =>
    Buffer.from(bytes.subarray(from, from + length)).toString('latin1')
  return {
    pid: view.getInt32(0, true),
    ppid: view.getInt32(4, true),
    ret: view.getInt32(12, true),
    comm: latin1(24, 16).split('\0')[0]!,
    args: latin1(40, size).split('\0').slice(0, -1),
  }
}

/** A first process has the recorder for its parent, which the text does not name. */
const unlessFirst = <T extends { ppid: number }>(all: T[], like: readonly { ppid: number }[]): T[] =>
  all.map((one, i) => (like[i]?.ppid === 0 ? { ...one, ppid: 0 } : one))

type Check = (watched: Watched, recording: string) => void

const CHECKS: Readonly<Record<keyof typeof PLANS, Check>> = {
  opensnoop: ({ records }, recording) => {
    const got = records.map((bytes) => EVENTS.opensnoop.decode(bytes))
    expect(got.map(({ pid, comm, fname, flags, ret }) => ({ pid, comm, fname, flags, ret }))).toEqual(
      truth.opens(recording),
    )
  },
  execsnoop: ({ records }, recording) => {
    const wanted = truth.execs(recording)
    // The tool reads 20 arguments behind the file's name at most.
    expect(unlessFirst(records.map(decodeExec), wanted)).toEqual(
      wanted.map((exec) => ({ ...exec, args: exec.args.slice(0, 20) })),
    )
  },
  exitsnoop: ({ records }, recording) => {
    const wanted = truth.exits(recording)
    const got = records.map((bytes) => {
      const { pid, ppid, comm, exit_code, sig } = EVENTS.exitsnoop.decode(bytes)
      return { pid, ppid, comm, exitCode: exit_code, signal: sig }
    })
    const order = <T extends { pid: number }>(all: T[]): T[] => [...all].sort((a, b) => a.pid - b.pid)
    expect(unlessFirst(order(got), order(wanted))).toEqual(order(wanted))
  },
  statsnoop: ({ records }, recording) => {
    const got = records.map((bytes) => EVENTS.statsnoop.decode(bytes))
    expect(got.map(({ pid, comm, pathname, ret }) => ({ pid, comm, path: pathname, ret }))).toEqual(
      truth.stats(recording),
    )
  },
  syscount: ({ entries }, recording) => {
    const numbers = boot().kernel.profile.syscalls
    const got = entries.map(([key, value]) => [
      numbers.find(({ number }) => number === key)!.call,
      Number((value as { count: bigint }).count),
    ])
    expect(new Map(got.sort() as [string, number][])).toEqual(new Map([...truth.syscalls(recording)].sort()))
  },
  filelife: ({ records }, recording) => {
    const got = records.map((bytes) => EVENTS.filelife.decode(bytes))
    expect(got.map(({ tgid, file }) => ({ pid: tgid, name: file }))).toEqual(
      truth.lives(recording).map(({ pid, name }) => ({ pid, name: name.slice(0, 31) })),
    )
  },
}

const available = libbpfTool('opensnoop') !== undefined

describe.skipIf(!available).each(RECORDINGS)('%s', (recording) => {
  for (const [tool, plan] of Object.entries(PLANS) as [keyof typeof PLANS, ToolPlan][]) {
    for (const kernel of plan.kernels) {
      test(`${tool} on Linux ${kernel}`, async () => {
        const watched = await watch(plan, recording, kernel)
        expect(watched.lost).toBe(0)
        CHECKS[tool](watched, recording)
      })
    }
  }
})
