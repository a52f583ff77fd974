// What holds for every workload: chance decides who forks, sleeps, waits, computes, sends and dies.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Rng } from '../../base/rng.ts'
import { boot } from '../../kernel-sim/boot.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import { type ScriptBody, script } from './script.ts'

const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000

/** A process that does `steps` things, some of them by children of the same kind. */
function chaos(rng: Rng, steps: number, depth: number, pids: number[]): ScriptBody {
  return function* () {
    const own = yield ['gettid']
    pids.push(own)
    for (let i = 0; i < steps; i++) {
      const child = chaos(rng, Math.floor(steps / 2), depth + 1, pids)
      switch (rng.between(0, depth > 3 ? 5 : 8)) {
        case 0:
          yield rng.between(1, 12_000_000)
          break
        case 1:
          yield ['sched_yield']
          break
        case 2:
          yield ['wait4', -1, 0, 1]
          break
        case 3:
          yield ['alarm', rng.between(0, 2)]
          break
        case 4:
          yield ['kill', pids[rng.between(0, pids.length - 1)]!, [9, 15, 18, 19, 10, 0][rng.between(0, 5)]!]
          break
        case 5:
          yield rng.between(1, 100_000)
          break
        case 6:
          yield ['fork', child]
          break
        case 7:
          yield ['vfork', child]
          break
        default:
          yield ['clone', THREAD, child]
      }
    }
    for (let i = 0; i < 3; i++) if ((yield ['wait4', -1]) < 0) break
    return rng.between(0, 255)
  }
}

interface Watched {
  readonly lines: string[]
  /** What was wrong, in the order it was seen. */
  readonly wrong: string[]
}

/** Looks at every event of the scheduler and at the life of tasks. */
function watch(k: Kernel): Watched {
  const lines: string[] = []
  const wrong: string[] = []
  const running = k.cpus.map((cpu) => cpu.current.pid)
  const clocks = k.cpus.map((cpu) => cpu.nowNs)
  const alive = new Set<number>([...k.tasks.all()].map((task) => task.pid))
  const int = (at: number): number => k.mem.dv.getInt32(at, true)
  const check = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(`${k.nowNs}: ${what}`)
  }
  const seen = (line: string): void => {
    const { id } = k.cpu
    check(k.nowNs >= clocks[id]!, `the clock of CPU ${id} went back`)
    clocks[id] = k.nowNs
    lines.push(`${k.nowNs} ${id} ${k.current.pid} ${line}`)
  }
  k.trace.schedSwitch.attachRecord((at) => {
    const [prev, next] = [int(at + 24), int(at + 56)]
    seen(`switch ${prev} ${int(at + 32)} ${next}`)
    check(running[k.cpu.id] === prev, `${prev} leaves CPU ${k.cpu.id}, where ${running[k.cpu.id]} runs`)
    check(next === 0 || !running.includes(next), `${next} runs twice`)
    running[k.cpu.id] = next
  })
  k.trace.schedWakeup.attachRecord((at) => seen(`wakeup ${int(at + 24)}`))
  k.trace.schedWakeupNew.attachRecord((at) => {
    seen(`new ${int(at + 24)}`)
    alive.add(int(at + 24))
  })
  k.trace.schedProcessExit.attachRecord((at) => {
    seen(`exit ${int(at + 24)}`)
    check(alive.delete(int(at + 24)), `${int(at + 24)} exits twice`)
  })
  k.trace.sysEnter.attachRecord(() => seen('enter'))
  k.trace.sysExit.attachRecord(() => seen('return'))
  return { lines, wrong }
}

function run(seed: number, cpus: number, version: string): Watched & { k: Kernel; end: string } {
  const k = boot({ memoryBytes: 128 << 20, cpus, seed, profile: profileFor(version) })
  const watched = watch(k)
  const pids: number[] = []
  for (let i = 0; i < 2; i++) k.spawn({ comm: `chaos${i}`, user: script(k, chaos(k.rng(`chaos${i}`), 12, 0, pids)) })
  const end = k.run({ maxSteps: 200_000, untilNs: 60e9 })
  return { k, end, ...watched }
}

test('CPUs, clocks and tasks stay consistent, and the same seed gives the same events', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('6.12', '6.1'),
      (seed, cpus, version) => {
        const first = run(seed, cpus, version)
        expect(first.wrong).toEqual([])
        expect(first.end).toBe('idle')
        // Only stopped or sleeping tasks are left, and what waits for them.
        for (const task of first.k.tasks.all()) expect(task.onRq).toBe(false)
        for (const cpu of first.k.cpus) expect(cpu.current).toBe(cpu.idle)
        expect(run(seed, cpus, version).lines).toEqual(first.lines)
      },
    ),
    { numRuns: 12 },
  )
})
