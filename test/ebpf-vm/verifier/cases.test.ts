// test/cases/verifier/*.txt: programs with the verdict and the words they must get. One case:
//
//   -- name: what is shown
//   -- type: socket_filter        (socket_filter when absent)
//   -- asm
//   …
//   -- result: accept             or: reject ERRNO
//   -- log: a line that the log must contain (any number of these)

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import type { MapFacts } from '../../../ebpf-vm/program.ts'
import { PROG_TYPE, type ProgTypeName } from '../../../ebpf-vm/uapi.ts'
import { factsFor } from '../../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../../ebpf-vm/verifier/verify.ts'

interface Case {
  name: string
  type: ProgTypeName
  asm: string[]
  result: string
  log: string[]
}

function parse(text: string): Case[] {
  const cases: Case[] = []
  let inAsm = false
  for (const line of text.split('\n')) {
    const [, key, rest = ''] = /^-- (\w+):? ?(.*)$/.exec(line) ?? []
    const last = cases[cases.length - 1]
    if (key === 'name') {
      cases.push({ name: rest, type: 'socket_filter', asm: [], result: '', log: [] })
      inAsm = false
    } else if (key === 'asm') inAsm = true
    else if (key === 'type') last!.type = rest as ProgTypeName
    else if (key === 'result') {
      inAsm = false
      last!.result = rest
    } else if (key === 'log') last!.log.push(rest)
    else if (inAsm) last!.asm.push(line)
  }
  return cases
}

const counts: MapFacts = {
  id: 1,
  name: 'counts',
  type: 2,
  keySize: 4,
  valueSize: 16,
  maxEntries: 8,
  mapFlags: 0,
  address: 0x10000,
  frozen: false,
  btfKeyTypeId: 0,
  btfValueTypeId: 0,
  directValue: 0,
}
const facts = factsFor({ release: '6.12.0', btf: undefined })
const folder = new URL('../../cases/verifier/', import.meta.url)

for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt')))
  describe(file, () => {
    for (const { name, type, asm, result, log } of parse(readFileSync(new URL(file, folder), 'utf8')))
      test(name, () => {
        const { insns } = assemble(asm.join('\n'), { maps: { counts: 3 } })
        const answer = verify(
          {
            name: 'case',
            type: PROG_TYPE[type],
            expectedAttachType: 0,
            insns,
            license: 'GPL',
            flags: 0,
            mapByFd: (fd) => (fd === 3 ? counts : undefined),
          },
          facts,
          { logLevel: 2 },
        )
        const verdict = answer.ok
          ? 'accept'
          : `reject ${Object.entries(ERRNO).find(([, n]) => n === answer.errno)?.[0]}`
        expect(verdict, answer.log).toBe(result)
        for (const line of log) expect(answer.log).toContain(line)
      })
  })
