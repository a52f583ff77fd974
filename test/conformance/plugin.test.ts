import { execFile } from 'node:child_process'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import { encode } from '../../ebpf-vm/isa/insn.ts'

const plugin = path.join(import.meta.dirname, 'plugin')

interface Ended {
  readonly code: number
  readonly out: string
  readonly error: string
}

const run = (args: readonly string[], stdin: string): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(plugin, args, (failure, out, error) => {
      resolve({ code: failure ? Number(failure.code) : 0, out, error })
    })
    child.stdin!.end(stdin)
  })

const program = (text: string): string =>
  Array.from(encode(assemble(text).insns), (byte) => byte.toString(16).padStart(2, '0')).join(' ')

describe('conformance plug-in', () => {
  for (const engine of Object.keys(ENGINES)) {
    test(`${engine}: memory in the first argument, program on standard input, r0 on standard output`, async () => {
      const text = 'ldxdw %r0, [%r1+0]\nadd %r0, %r2\nexit'
      const ended = await run(['01 02 03 04 05 06 07 f8', '--engine', engine], program(text))
      expect(ended).toEqual({ code: 0, out: 'f807060504030209\n', error: '' })
    })
  }

  test('a program that faults ends with 1 and says why', async () => {
    const ended = await run([], program('ldxw %r0, [%r1+8]\nexit'))
    expect(ended).toMatchObject({ code: 1, out: '' })
    expect(ended.error).toMatch(/0x0000000000000008/)
  })

  test('an unknown engine is a wrong argument', async () => {
    expect(await run(['--engine', 'llvm'], '')).toMatchObject({ code: 2, out: '' })
  })
})
