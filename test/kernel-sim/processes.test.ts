import { describe, expect, test } from 'vitest'
import { boot } from '../../kernel-sim/boot.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import { SIGACTION } from '../../kernel-sim/signal/signals.ts'
import { childrenUsage } from '../../kernel-sim/task/usage.ts'
import { type ScriptBody, script } from './script.ts'

/** Runs `body` as a process and returns a line for each announced event. */
function run(body: ScriptBody, options: { handlers?: Record<number, ScriptBody>; seed?: number; cpus?: number } = {}) {
  const k = boot({ memoryBytes: 64 << 20, seed: options.seed ?? 1, cpus: options.cpus ?? 2 })
  const lines: string[] = []
  const text = (at: number) => k.mem.cstring(at, 16)
  const int = (at: number) => k.mem.dv.getInt32(at, true)
  const say = (line: string) => lines.push(`${k.current.pid} ${line}`)
  const name = (nr: number) => k.syscalls.record(nr)!.call
  k.trace.sysEnter.attachRecord((at) => say(`${name(int(at + 8))}(`))
  k.trace.sysExit.attachRecord((at) => say(`${name(int(at + 8))} = ${int(at + 16)}`))
  k.trace.schedProcessFork.attachRecord((at) => say(`fork ${int(at + 24)} ${int(at + 44)}`))
  k.trace.schedProcessExit.attachRecord((at) => say(`exit ${text(at + 8)}`))
  k.trace.signalGenerate.attachRecord((at) => say(`generate ${int(at + 8)} for ${int(at + 36)}: ${int(at + 44)}`))
  k.trace.signalDeliver.attachRecord((at) => say(`deliver ${int(at + 8)}`))
  const task = k.spawn({ comm: 'test', user: script(k, body, options.handlers) })
  return { k, lines, task, go: () => k.run({ maxSteps: 20_000 }) }
}

const setHandler = (k: Kernel, signal: number, flags = 0): void => {
  const at = k.signals.action(k.current, signal)
  k.mem.writeInt64(at + SIGACTION.handler, 0x500000)
  k.mem.writeInt64(at + SIGACTION.flags, flags)
}

describe('processes', () => {
  test('fork, exit with a status, wait: calls and events in order', () => {
    const statuses: number[] = []
    const { lines, go, k } = run(function* () {
      const child = yield [
        'fork',
        function* () {
          yield 1000
          return 7
        },
      ]
      statuses.push(child, yield ['wait4', -1], k.current.found!.status, yield ['wait4', -1])
      return 0
    })
    expect(go()).toBe('idle')
    expect(statuses).toEqual([1002, 1002, 7 << 8, -10])
    expect(lines).toEqual([
      '1001 fork(',
      '1001 fork 1001 1002',
      '1001 fork = 1002',
      '1001 wait4(',
      '1002 fork = 0',
      '1002 exit_group(',
      '1002 exit test',
      '1002 generate 17 for 1001: 1',
      '1001 wait4 = 1002',
      '1001 wait4(',
      '1001 wait4 = -10',
      '1001 exit_group(',
      '1001 exit test',
    ])
    expect([...k.tasks.all()].map((task) => task.comm)).toEqual(['init', 'kthreadd'])
  })

  test('a signal without a handler ends a sleeper, and every function it sleeps in returns', () => {
    const returns: string[] = []
    const { lines, go, k } = run(function* () {
      const child = yield [
        'fork',
        function* () {
          yield ['pause']
          return 0
        },
      ]
      yield 500_000
      yield ['kill', child, 15]
      yield ['wait4', child]
      return k.current.found!.status
    })
    for (const name of ['__x64_sys_pause', 'schedule', 'do_exit', 'do_group_exit']) {
      k.functions.get(name)!.attach({ exit: ({ task, result }) => returns.push(`${task.pid} ${name} ${result}`) })
    }
    go()
    expect(returns.filter((line) => line.startsWith('1002'))).toEqual(['1002 schedule 0', '1002 __x64_sys_pause -514'])
    expect(lines).toContain('1002 pause = -514')
    expect(lines).toContain('1002 deliver 9')
    expect(lines.find((line) => line.startsWith('1001 exit_group'))).toBeDefined()
  })

  test('a handler runs, the call it interrupted is EINTR, or made again with SA_RESTART', () => {
    for (const restart of [false, true]) {
      const seen: (string | number)[] = []
      const { go, k, lines } = run(
        function* () {
          setHandler(k, 10, restart ? 0x10000000 : 0)
          const parent = yield ['getpid']
          yield [
            'fork',
            function* () {
              yield 100_000
              yield ['kill', parent, 10]
              yield 100_000
              return 0
            },
          ]
          seen.push(yield ['wait4', -1])
          return 0
        },
        {
          handlers: {
            10: function* () {
              seen.push('handler')
              yield ['gettid']
              return undefined
            },
          },
        },
      )
      expect(go()).toBe('idle')
      expect(seen).toEqual(['handler', restart ? 1002 : -4])
      expect(lines).toContain('1001 wait4 = -512')
      expect(lines.filter((line) => line === '1001 wait4(')).toHaveLength(restart ? 2 : 1)
    }
  })

  test('a child that was waited for is counted, by its parent and by wait4', () => {
    let own: { utime: number } | undefined
    let children = 0
    const { go, k, task } = run(function* () {
      yield [
        'fork',
        function* () {
          yield 7_000_000
          return 0
        },
      ]
      yield ['wait4', -1]
      own = k.current.found!.usage!
      children = childrenUsage(k, task).utime
      return 0
    })
    go()
    expect([own!.utime, children]).toEqual([7_000_000, 7_000_000])
  })

  test('a nicer task gets less of the CPU that it shares', () => {
    const used: number[] = []
    const { go, k } = run(
      function* () {
        const busy: ScriptBody = function* () {
          for (let i = 0; i < 400; i++) yield 1_000_000
          return 0
        }
        yield ['fork', busy]
        const nice = yield ['fork', busy]
        yield ['setpriority', 0, nice, 10]
        yield 1
        yield ['wait4', -1]
        used.push(k.current.found!.usage!.utime, k.tasks.get(nice)!.utime)
        return 0
      },
      { cpus: 1 },
    )
    go()
    expect(used[0]).toBe(400_000_000)
    expect(used[1]! / used[0]!).toBeGreaterThan(0.05)
    expect(used[1]! / used[0]!).toBeLessThan(0.2)
  })

  test('the stack of a task that went to sleep before anyone looked', () => {
    const { k, go } = run(function* () {
      yield [
        'fork',
        function* () {
          yield ['pause']
          return 0
        },
      ]
      yield ['wait4', -1]
      return 0
    })
    expect(go()).toBe('idle')
    const names = (pid: number) =>
      k.tasks
        .get(pid)!
        .kernelStack()
        .map((a) => k.functions.symbolAt(a)!.name)
    expect(names(1001)).toEqual([
      '__schedule',
      'schedule',
      'do_wait',
      'kernel_wait4',
      '__x64_sys_wait4',
      'do_syscall_64',
      'entry_SYSCALL_64_after_hwframe',
    ])
    expect(names(1002)).toEqual([
      '__schedule',
      'schedule',
      '__x64_sys_pause',
      'do_syscall_64',
      'entry_SYSCALL_64_after_hwframe',
    ])
  })

  test('threads share a process: exit_group ends them all', () => {
    const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000
    const { k, go, lines } = run(function* () {
      yield [
        'clone',
        THREAD,
        function* () {
          yield ['pause']
          return 0
        },
      ]
      expect(k.current.group.threads.map((thread) => [thread.pid, thread.tgid])).toEqual([
        [1001, 1001],
        [1002, 1001],
      ])
      yield 200_000
      return 3
    })
    expect(go()).toBe('idle')
    expect(lines.filter((line) => line.includes('exit test'))).toEqual(['1001 exit test', '1002 exit test'])
    expect(k.tasks.get(1001)).toBeUndefined()
    expect(k.tasks.get(1002)).toBeUndefined()
  })

  test('what a task uses is given back when it is gone', () => {
    const { k, go } = run(function* () {
      for (let i = 0; i < 20; i++) {
        yield [
          'fork',
          function* () {
            yield 1000
            return 0
          },
        ]
        yield ['wait4', -1]
      }
      return 0
    })
    const before = k.alloc.usedBytes
    go()
    expect(k.alloc.usedBytes).toBeLessThanOrEqual(before)
  })

  test('the same seed gives the same events, two kernels do not meet', () => {
    const body: ScriptBody = function* () {
      for (let i = 0; i < 3; i++) {
        yield [
          'fork',
          function* () {
            yield 3_000_000
            return 1
          },
        ]
      }
      for (let i = 0; i < 3; i++) yield ['wait4', -1]
      return 0
    }
    const [a, b] = [run(body), run(body)]
    while (a.k.run({ maxSteps: 3 }) !== 'idle' || b.k.run({ maxSteps: 7 }) !== 'idle');
    expect(a.lines).toEqual(b.lines)
    expect(a.k.driver.nowNs).toBe(b.k.driver.nowNs)
  })
})
