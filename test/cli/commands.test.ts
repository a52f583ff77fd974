// What each command gives, and how it ends.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { bpfsim, root, scratchFolder } from './command.ts'

const folder = scratchFolder()
const OBJECT = 'examples/opensnoop.bpf.o'
const RECORDING = 'test/data/recordings/gcc-hello.strace.gz'
const PARSE = 'test/bench/programs/parse.bpf.o'
const PACKET = 'test/bench/programs/packet.bin'

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe.concurrent('run', () => {
  test('JSON lines, the summary last', async () => {
    const { code, out } = await bpfsim([
      'run',
      OBJECT,
      '--replay',
      RECORDING,
      '-f',
      'json',
      '--seed',
      '7',
      '--cpus',
      '3',
    ])
    expect(code).toBe(0)
    const records = jsonLines(out)
    const summary = records.pop()!
    const events = records.filter(({ type }) => type === 'event')
    expect(Object.keys(events[0]!)).toEqual(['type', 'map', 'cpu', 'time_ns', 'data'])
    expect(Object.keys(summary)).toEqual([
      'type',
      'virtual_ns',
      'events',
      'programs',
      'lost',
      'seed',
      'cpus',
      'kernel',
      'replay',
    ])
    expect(summary).toMatchObject({ type: 'summary', events: events.length, lost: { events: 0 }, seed: 7, cpus: 3 })
    expect(summary['programs']).toContainEqual({ name: 'sys_exit_openat', runs: events.length, missed: 0 })
    expect(summary['replay']).toMatchObject({ syscalls: expect.any(Number), by_syscall: expect.any(Object) })
  })

  test('a workload: its events as text, the summary on standard error', async () => {
    const { code, out, err } = await bpfsim([OBJECT])
    expect(code).toBe(0)
    expect(out).toContain(', comm = "sh", fname = "/etc/profile"')
    expect(err).toMatch(/^\d\.\d+ s on Linux 6\.12\S+: \d+ events; .*\n$/)
  })

  test('a script that throws: exit code 1, the line of the script', async () => {
    const script = path.join(folder, 'broken.ts')
    writeFileSync(script, "\nthrow new Error('my tool is broken')\n")
    const { code, err } = await bpfsim([script])
    expect(code).toBe(1)
    expect(err).toContain('Error: my tool is broken')
    expect(err).toContain('broken.ts:2:7')
  })

  test('a program that is refused: exit code 1, the verifier’s log', async () => {
    const script = path.join(folder, 'refused.ts')
    writeFileSync(
      script,
      "import { boot, program } from 'bpfsim'\nboot().load(program({ section: 'kprobe/vfs_read', asm: 'exit' }))",
    )
    const { code, err } = await bpfsim([script])
    expect(code).toBe(1)
    expect(err).toContain("bpfsim: main: prog 'main': BPF program load failed: Permission denied (EACCES)\n")
    expect(err).toContain('R0 !read_ok')
  })

  test('interrupted: what it has, exit code 130', async () => {
    const { code, out } = await bpfsim(['run', OBJECT, '--pace', '0.01', '-f', 'json'], {
      atFirstOutput: (child) => child.kill('SIGINT'),
    })
    expect(code).toBe(130)
    const records = jsonLines(out)
    const summary = records.at(-1)!
    const events = records.filter(({ type }) => type === 'event').length
    expect(summary).toMatchObject({ type: 'summary', events })
    expect(events).toBeGreaterThan(0)
    expect(summary['virtual_ns']).toBeLessThan(100e6)
  })

  test('a reader that goes away: it ends at once, without a word', async () => {
    const { code, err } = await bpfsim(['run', OBJECT, '--pace', '0.01'], {
      atFirstOutput: (child) => child.stdout!.destroy(),
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })
})

describe.concurrent('list', () => {
  test('attach points, with arguments', async () => {
    const { code, out } = await bpfsim(['list', '-v', 'tracepoint:syscalls:sys_enter_openat'])
    expect(code).toBe(0)
    expect(out).toBe(
      `tracepoint:syscalls:sys_enter_openat
    int __syscall_nr
    int dfd
    const char *filename
    int flags
    umode_t mode
`,
    )
  })

  test('examples', async () => {
    const { out } = await bpfsim(['list', 'examples'])
    const names = out.match(/^\S+/gm)
    expect(names).toEqual(['execsnoop', 'hello', 'opensnoop', 'readlat', 'runqlat', 'syscalls'])
  })
})

describe.concurrent('files', () => {
  test('verify --json: a line per program', async () => {
    const { code, out } = await bpfsim(['verify', OBJECT, '--json'])
    expect(code).toBe(0)
    const verdicts = jsonLines(out)
    expect(verdicts).toHaveLength(4)
    for (const each of verdicts) {
      expect(Object.keys(each)).toEqual([
        'obj',
        'prog',
        'section',
        'verdict',
        'errno',
        'log',
        'insns',
        'processed',
        'verify_us',
      ])
      expect(each).toMatchObject({ obj: 'opensnoop', verdict: 'ACCEPT', errno: 0 })
    }
  })

  test('btf dump: the object’s types as a C header', async () => {
    const { code, out } = await bpfsim(['btf', 'dump', OBJECT, '--format', 'c'])
    expect(code).toBe(0)
    expect(out).toContain('#ifndef __VMLINUX_H__')
    expect(out).toMatch(/^struct event \{$/m)
  })

  test('asm and disasm: there and back', async () => {
    const text = 'r0 = 5\nif r1 s> r2 goto +1\nlock *(u64 *)(r1 +0) += r2\nexit\n'
    const hex = await bpfsim(['asm', '-', '--hex'], { stdin: text })
    expect(hex).toMatchObject({ code: 0, err: '' })
    expect(hex.out).toMatch(/^([0-9a-f]{16}\n){4}$/)
    const listed = await bpfsim(['disasm', '-'], { stdin: hex.out })
    expect(listed.out).toContain('lock *(u64 *)(r1 +0) += r2\n')
    expect(await bpfsim(['asm', '-', '--hex'], { stdin: listed.out })).toEqual(hex)
  })

  test('gen types: what is committed beside the example', async () => {
    const { code, out } = await bpfsim(['gen', 'types', OBJECT])
    expect(code).toBe(0)
    expect(out).toBe(readFileSync(path.join(root, 'examples/opensnoop.types.ts'), 'utf8'))
  })
})

describe.concurrent('prog run', () => {
  test.each(['jit', 'interpreter'])('%s: result, mean duration, the packet afterwards', async (engine) => {
    const target = path.join(folder, `${engine}.bin`)
    const flags = ['--data-in', PACKET, '--data-out', target, '--repeat', '10', '--engine', engine, '--json']
    const { code, out } = await bpfsim(['prog', 'run', PARSE, '--prog', 'prog', ...flags])
    expect(code).toBe(0)
    const packet = readFileSync(path.join(root, PACKET))
    const [record] = jsonLines(out)
    expect(record).toEqual({
      prog: 'prog',
      engine,
      retval: 12400,
      duration_ns: expect.any(Number),
      data_out: packet.toString('hex'),
    })
    expect(readFileSync(target)).toEqual(packet)
  })

  test('what TEST_RUN refuses: Linux’s errno, exit code 1', async () => {
    const { code, out, err } = await bpfsim(['prog', 'run', PARSE, '--prog', 'prog'])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toBe(`bpfsim: ${PARSE}: prog 'prog': test run: Invalid argument (EINVAL)\n`)
  })
})
