import { createReadStream, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { UserError } from '../../../base/errors.ts'
import { readStrace } from '../../../user-space/replay/strace/read.ts'
import type { RecordedCall } from '../../../user-space/replay/strace/record.ts'
import { type Value, ValueReader } from '../../../user-space/replay/strace/value.ts'

const recording = (name: string): URL => new URL(`../../data/recordings/${name}.strace.gz`, import.meta.url)

async function* bytes(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text)
}

const calls = async (text: string): Promise<RecordedCall[]> =>
  (await readStrace(bytes(text), 'log')).events.filter((event) => event.kind === 'call')

/** Texts inside a value that the reader kept without understanding them. */
function rawTexts(value: Value): string[] {
  switch (value.kind) {
    case 'raw':
      return [value.text]
    case 'struct':
      return [...value.fields.values()].flatMap(rawTexts)
    case 'array':
      return value.items.flatMap(rawTexts)
    case 'named':
      return rawTexts(value.value)
    case 'change':
      return [...rawTexts(value.before), ...rawTexts(value.after)]
    default:
      return []
  }
}

describe('real recordings', () => {
  // Counted on the text alone: finished lines plus resumed ones are calls, as every one of them has a result.
  for (const name of ['gcc-hello', 'files-dd', 'nginx-curl']) {
    test(`${name}: every line is read and every call is there`, async () => {
      const text = gunzipSync(readFileSync(recording(name))).toString('latin1')
      const lines = text.split('\n').filter(Boolean)
      const finished = lines.filter((line) => / [a-z0-9_]+\(.*\) += /.test(line) || line.includes(' resumed>')).length
      const read = await readStrace(createReadStream(recording(name)), name, { strict: true })
      expect(read.skipped).toEqual([])
      expect(read.lines).toBe(lines.length)
      expect(read.events.filter((e) => e.kind === 'call').length).toBe(finished)
      expect(read.events.filter((e) => e.kind === 'exit').length).toBe(lines.filter((l) => l.includes('+++')).length)
      expect(read.events.filter((e) => e.kind === 'signal').length).toBe(
        lines.filter((l) => l.includes(' --- SIG')).length,
      )
      const raw = read.events.flatMap((event) => (event.kind === 'call' ? event.args.flatMap(rawTexts) : []))
      expect(raw.filter((text) => text !== '?' && !text.startsWith('{WIF'))).toEqual([])
    })
  }
})

describe('lines', () => {
  test('halves of an interrupted call join', async () => {
    const [a, b] = await calls(
      '7 100.000000 read(3</a b>,  <unfinished ...>\n8 100.000010 getpid() = 8 <0.000001>\n' +
        '7 100.000500 <... read resumed>"x\\0\\1772"..., 512) = 4 <0.000500>\n',
    )
    expect(a!.name).toBe('getpid')
    expect(b).toMatchObject({ pid: 7, startNs: 0, durationNs: 500_000, name: 'read', line: 1, endLine: 3 })
    expect(b!.args).toEqual([
      { kind: 'fd', fd: 3, name: '/a b' },
      { kind: 'string', text: 'x\0\x7f2', truncated: true },
      { kind: 'number', value: 512n },
    ])
  })

  test('results: errors, descriptors, addresses, details, none', async () => {
    const read = await calls(
      '1 1.000000 openat(AT_FDCWD</srv>, "x", O_RDONLY) = -1 ENOENT (No such file or directory) <0.000001>\n' +
        '1 1.000001 dup2(3, 1) = 1</dev/null<char 1:3>> <0.000001>\n' +
        '1 1.000002 brk(NULL) = 0x19796000 <0.000001>\n' +
        '1 1.000003 poll([{fd=5, events=POLLOUT}], 1, 0) = 1 ([{fd=5, revents=POLLOUT}]) <0.000006>\n' +
        '1 1.000004 rt_sigsuspend([], 8) = ? ERESTARTNOHAND (To be restarted if no handler) <0.1>\n'.replace(
          '<0.1>',
          '<0.100000>',
        ) +
        '1 1.000005 exit_group(0) = ?\n',
    )
    expect(read.map((call) => call.result.value)).toEqual([-2n, 1n, 0x19796000n, 1n, -514n, undefined])
    expect(read[0]!.args[0]).toEqual({ kind: 'fd', fd: -100, name: '/srv' })
    expect(read[1]!.result.fdName).toBe('/dev/null<char 1:3>')
    expect(read[3]!.result.detail).toBe('[{fd=5, revents=POLLOUT}]')
  })

  test('a call still open at the end of the log is kept without a result', async () => {
    const [call] = await calls('1 1.000000 wait4(-1,  <unfinished ...>\n')
    expect(call).toMatchObject({ name: 'wait4', result: { value: undefined } })
    expect(call!.args).toEqual([{ kind: 'number', value: -1n }])
  })

  test('without -f there is no process id; [pid N] is read too', async () => {
    const read = await calls('1.000000 getpid() = 7 <0.000001>\n[pid   42] 1.000001 getpid() = 42 <0.000001>\n')
    expect(read.map((call) => call.pid)).toEqual([1, 42])
  })
})

describe('values', () => {
  const value = (text: string) => new ValueReader(text).value()
  test('flags, products, structs, sets, changes, calls', () => {
    expect(value('O_RDWR|O_CLOEXEC|0x10')).toEqual({ kind: 'flags', terms: ['O_RDWR', 'O_CLOEXEC', 16n] })
    expect(value('8192*1024')).toEqual({ kind: 'number', value: 8388608n })
    expect(value('~[RTMIN RT_1]')).toMatchObject({
      kind: 'array',
      complement: true,
      items: [{ terms: ['RTMIN'] }, { terms: ['RT_1'] }],
    })
    expect(value('[112 => 16]')).toMatchObject({ kind: 'array', items: [{ kind: 'change', after: { value: 16n } }] })
    expect(value('{st_mode=S_IFREG|0644, st_size=36583, ...}')).toMatchObject({ kind: 'struct', partial: true })
    const address = value('{sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("127.0.0.1")}')
    expect(address.kind === 'struct' && address.fields.get('sin_port')).toMatchObject({
      kind: 'call',
      name: 'htons',
      args: [{ value: 8080n }],
    })
    expect(value('5<TCP:[127.0.0.1:1->127.0.0.1:2]>')).toEqual({
      kind: 'fd',
      fd: 5,
      name: 'TCP:[127.0.0.1:1->127.0.0.1:2]',
    })
    expect(value('[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]')).toMatchObject({ kind: 'array', items: [{ kind: 'raw' }] })
    expect(value('0x7ff /* 3 vars */')).toEqual({ kind: 'number', value: 0x7ffn, comment: '3 vars' })
  })
})

describe('bad recordings', () => {
  const fails = async (text: string, strict = false): Promise<string> => {
    const error: unknown = await readStrace(bytes(text), 'log.txt', { strict }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(UserError)
    expect((error as Error).message).not.toContain('\n')
    return (error as Error).message
  }
  test('what is no recording says how to make one', async () => {
    expect(await fails('hello world\nmore\n')).toMatch(
      /^log\.txt: not an strace recording \(line 1: .*record with strace -f -ttt/,
    )
    expect(await fails('')).toMatch(/it is empty/)
    expect(await fails('12:00:01.5 getpid() = 1\n')).toMatch(/no absolute time stamp/)
  })
  test('a bad line is skipped and counted, or with strict stops with its number', async () => {
    const text =
      '1 1.000000 getpid() = 1 <0.000001>\n1 1.000001 open("x, O_RDONLY) = 3\n1 1.000002 getpid() = 1 <0.000001>\n'
    const read = await readStrace(bytes(text), 'log')
    expect(read.events.length).toBe(2)
    expect(read.skipped).toEqual([{ line: 2, reason: expect.stringMatching(/^column \d+: a string is not closed/) }])
    expect(await fails(text, true)).toMatch(/^log\.txt:2: column/)
  })
  test('a cut gzip file keeps what was readable', async () => {
    const whole = readFileSync(recording('gcc-hello'))
    const cut = async function* (): AsyncIterable<Uint8Array> {
      yield new Uint8Array(whole.subarray(0, whole.length / 2))
    }
    const read = await readStrace(cut(), 'cut.gz')
    expect(read.events.length).toBeGreaterThan(500)
    expect(read.skipped.at(-1)!.reason).toMatch(/cut off after line \d+/)
  })
})
