// Bad input: one line on standard error that says what, where and what to do; exit code 2; nothing printed before. That every UserError
// ends so is asked of a few processes; the words of the others are asked of the command tree in this one.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { program } from '../../cli/program.ts'
import { bpfsim, root, scratchFolder } from './command.ts'

const folder = scratchFolder()
const OBJECT = path.join(root, 'examples/opensnoop.bpf.o')

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name)
  writeFileSync(at, content)
  return at
}

const object = readFileSync(OBJECT)
const bigEndian = new Uint8Array(object)
bigEndian[5] = 2
const unknownSection = readFileSync(path.join(root, 'test/bench/programs/empty.bpf.o'), 'latin1').replaceAll(
  'xdp\0',
  'xpd\0',
)
const recording = gunzipSync(readFileSync(path.join(root, 'test/data/recordings/files-dd.strace.gz'))).toString()
const lines = recording.split('\n').slice(0, 60)
lines.splice(40, 0, 'not a line of strace')

const damaged = file('damaged.strace', lines.join('\n'))
const text = file('text.bpf.o', 'hello\n')
const cut = file('cut.bpf.o', object.subarray(0, 1000))
const assembly = file('exit.s', 'exit\n')
const typo = file(
  'typo.ts',
  `import { boot, program } from 'bpfsim'
   using kernel = boot()
   kernel.load(program({ section: 'kprobe/vfs_reed', asm: 'r0 = 0\\nexit' })).attach()`,
)

type Case = [what: string, args: string[], message: RegExp | string]

const saying = (message: RegExp | string): unknown =>
  typeof message === 'string' ? message : expect.stringMatching(message)

/** Wrong usage, and one UserError each of a command, an object and a script: as processes. */
const spawned: Case[] = [
  ['an unknown command', ['rum'], "unknown command 'rum'; did you mean run?"],
  ['an argument that is missing', ['gen', 'types'], "missing required argument 'object'"],
  [
    'an example',
    ['run', 'opensnop'],
    "no file and no example 'opensnop'; did you mean 'opensnoop'?; bpfsim list examples",
  ],
  ['a truncated ELF', ['run', cut], /cut\.bpf\.o: truncated: its section headers end at byte \d+, the file at 1000/],
  [
    'an unknown section',
    ['run', file('empty.bpf.o', Buffer.from(unknownSection, 'latin1'))],
    "empty: prog 'prog': missing BPF prog type, check ELF section name 'xpd'; did you mean 'xdp' or 'tp'?",
  ],
  [
    'an attach point',
    ['run', typo],
    /^prog 'main': .*'vfs_reed\+0x0'.*No such file or directory \(ENOENT\); did you mean 'vfs_read'/,
  ],
]

const cases: Case[] = [
  ['a length of time', ['run', 'hello', '--for', '1x'], "'1x' is no length of time: write 2s, 500ms or 10us"],
  ['a workload', ['run', OBJECT, '--workload', 'shel'], "no workload 'shel'; did you mean 'shell'?"],
  ['a kernel', ['run', OBJECT, '--kernel', '5.4'], 'kernel 5.4: no such profile; there are 6.12, 6.1'],
  [
    'a pattern',
    ['list', 'kprobe:vfs_reed'],
    /^no attach point matches 'kprobe:vfs_reed'; did you mean 'kprobe:vfs_read'/,
  ],
  [
    'a program',
    ['verify', OBJECT, '--prog', 'sys_enter_opn'],
    /no program 'sys_enter_opn'; did you mean 'sys_enter_open'/,
  ],
  [
    'a global variable',
    ['run', OBJECT, '--set', 'targ_fail=1'],
    /no global variable 'targ_fail'; did you mean 'targ_failed'/,
  ],
  ['no object', ['run', text], `${text}: neither a BPF object (ELF) nor an attach script (.ts)`],
  ['no object to verify', ['verify', text], /text\.bpf\.o: not an ELF file; give a BPF object/],
  ['a big-endian ELF', ['run', file('big.bpf.o', bigEndian)], /big\.bpf\.o: big-endian ELF; rebuild it little-endian/],
  ['damaged BTF', ['run', OBJECT, '--btf', text], `${text}: damaged BTF: 6 bytes are less than its 24-byte header`],
  ['no such file', ['run', 'nosuch.bpf.o'], 'cannot read nosuch.bpf.o: no such file'],
  ['a folder', ['gen', 'types', folder], `cannot read ${folder}: is a directory, not a file`],
  [
    'no recording',
    ['run', OBJECT, '--replay', text],
    /text\.bpf\.o: not an strace recording \(line 1: .*record with strace/,
  ],
  [
    'a bad line, --strict',
    ['run', OBJECT, '--replay', damaged, '--strict'],
    `${damaged}:41: not a line of strace -f -ttt`,
  ],
  [
    'a file that cannot be written',
    ['asm', assembly, '-o', folder],
    `cannot write ${folder}: is a directory, not a file`,
  ],
]

describe.concurrent('one line, exit code 2', () => {
  test.each(spawned)('%s', async (_what, args, message) => {
    const { code, out, err } = await bpfsim(args)
    expect(err).toMatch(/^bpfsim: [^\n]+\n$/)
    expect(err.slice('bpfsim: '.length, -1)).toEqual(saying(message))
    expect({ code, out }).toEqual({ code: 2, out: '' })
  })
})

test.each(cases)('%s', async (_what, args, message) => {
  const parsed = program().parseAsync(args, { from: 'user' })
  await expect(parsed).rejects.toMatchObject({ name: 'UserError', message: saying(message) })
})
