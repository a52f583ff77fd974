import { describe, expect, test } from 'vitest'
import { boot } from '../../kernel-sim/boot.ts'
import { DEFAULT_ROOT } from '../../kernel-sim/fs/rootfs.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { Task } from '../../kernel-sim/task/task.ts'
import { type ScriptBody, script } from './script.ts'

/** A kernel with a script and one program that is none, and a task that runs `body`. */
function machine(body: ScriptBody): { k: Kernel; task: Task } {
  const k = boot({
    memoryBytes: 128 << 20,
    files: [
      ...DEFAULT_ROOT,
      { path: '/tmp/hello', kind: 'file', mode: 0o755, content: '#!/bin/cat -n\n' },
      { path: '/tmp/noexec', kind: 'file', mode: 0o644, content: '#!/bin/cat\n' },
      { path: '/tmp/text', kind: 'file', mode: 0o755, content: 'hello\n' },
    ],
  })
  return { k, task: k.spawn({ comm: 'test', user: script(k, body) }) }
}

/** execve(path, argv, NULL) with its strings laid into the current task's memory. */
function execve(k: Kernel, path: string, ...argv: string[]) {
  const { mm } = k.current
  const base = k.memory.mapScratch(mm!, 1)
  let at = base + 256
  const place = (text: string): number => {
    const bytes = Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0))
    mm!.write(at, bytes, 0, bytes.length)
    at += bytes.length
    return at - bytes.length
  }
  const words = [...argv.map(place), 0]
  words.forEach((word, i) => void mm!.write(base + i * 8, new Uint8Array(BigUint64Array.of(BigInt(word)).buffer), 0, 8))
  return ['execve', place(path), base, 0] as const
}

/** The process's arguments, as /proc/PID/cmdline has them. */
function arguments_(task: Task): string[] {
  const mm = task.mm!
  const [start, end] = [mm.place('arg_start'), mm.place('arg_end')]
  const bytes = new Uint8Array(end - start)
  mm.read(start, bytes, 0, bytes.length)
  return String.fromCharCode(...bytes)
    .split('\0')
    .slice(0, -1)
}

describe('execve', () => {
  test('a new program: name, arguments, events with the path, the old memory gone', () => {
    const events: string[] = []
    const seen: (string | string[])[] = []
    const { k, task } = machine(function* () {
      const old = task.mm!
      const result = yield execve(k, '/usr/bin/cat', 'cat', '/etc/hosts')
      seen.push(`${result}`, task.comm, arguments_(task), task.mm === old ? 'old' : 'new')
      return 0
    })
    k.trace.schedProcessExec.attachRecord((at) => {
      const word = k.mem.dv.getUint32(at + 8, true)
      events.push(`exec ${k.mem.cstring(at + (word & 0xffff), 4096)} ${k.mem.dv.getInt32(at + 12, true)}`)
    })
    k.trace.taskRename.attachRecord((at) => {
      events.push(`rename ${k.mem.cstring(at + 12, 16)} ${k.mem.cstring(at + 28, 16)}`)
    })
    expect(k.run({ maxSteps: 10_000 })).toBe('idle')
    expect(seen).toEqual(['0', 'cat', ['cat', '/etc/hosts'], 'new'])
    expect(events).toEqual(['rename test cat', `exec /usr/bin/cat ${1001}`])
  })

  test('a script runs its interpreter, with the script as argument', () => {
    let args: string[] = []
    const { k, task } = machine(function* () {
      expect(yield execve(k, '/tmp/hello', 'hello', 'x')).toBe(0)
      args = [task.comm, ...arguments_(task)]
      return 0
    })
    k.run({ maxSteps: 10_000 })
    expect(args).toEqual(['hello', '/bin/cat', '-n', '/tmp/hello', 'x'])
  })

  test('what cannot be executed is refused, and the old program goes on', () => {
    const results: number[] = []
    const { k, task } = machine(function* () {
      for (const path of ['/nowhere', '/tmp/noexec', '/tmp/text', '/tmp', '/etc/hosts/x']) {
        results.push(yield execve(k, path, path))
      }
      expect(task.comm).toBe('test')
      return 0
    })
    k.run({ maxSteps: 10_000 })
    expect(results).toEqual([-2, -13, -8, -13, -20])
  })

  test('close-on-exec files are closed, vfork returns when the child has a memory of its own', () => {
    const order: string[] = []
    const { k } = machine(function* () {
      const pid = yield [
        'vfork',
        function* () {
          order.push('child')
          yield execve(k, '/usr/bin/true', 'true')
          yield 5_000_000
          order.push('child ends')
          return 0
        },
      ]
      order.push(`parent ${pid}`)
      yield ['wait4', pid]
      return 0
    })
    k.run({ maxSteps: 10_000 })
    expect(order).toEqual(['child', 'parent 1002', 'child ends'])
  })
})
