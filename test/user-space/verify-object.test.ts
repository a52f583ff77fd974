// Verdicts on the programs of an object, from files alone.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { factsFor } from '../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../ebpf-vm/verifier/verify.ts'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { verifyObject } from '../../user-space/verify-object.ts'
import { readTestObject } from './object/support.ts'

const { release, btf } = profileFor('6.12')
const facts = factsFor({ release, btf })
let us = 0
const options = { nowUs: () => us++ }

const example = (name: string) =>
  readObjectBytes(
    new Uint8Array(readFileSync(new URL(`../../examples/${name}.bpf.o`, import.meta.url))),
    `${name}.bpf.o`,
  )

test.each(['opensnoop', 'execsnoop', 'readlat', 'runqlat'])('%s is accepted', (name) => {
  const records = [...verifyObject(example(name), facts, verify, options)]
  expect(records.length).toBeGreaterThan(1)
  for (const record of records) {
    expect(record).toMatchObject({
      obj: name,
      verdict: 'ACCEPT',
      errno: 0,
      log: expect.stringMatching(/processed \d+ insns/),
    })
    expect(record.processed).toBeGreaterThan(0)
  }
})

test('a program that reaches a field which this kernel lacks is refused in libbpf’s words, the others are not', () => {
  const records = [...verifyObject(readTestObject('core'), facts, verify, options)]
  const verdicts = Object.fromEntries(records.map(({ prog, verdict }) => [prog, verdict]))
  expect(verdicts).toMatchObject({ field_exists: 'ACCEPT', load_gone: 'REJECT', type_size: 'ACCEPT' })
  const refused = records.find(({ prog }) => prog === 'load_gone')!
  expect(refused.errno).toBe(22)
  expect(refused.log).toContain('failed to resolve CO-RE relocation <byte_off> [2] struct thing.gone (0:8 @ offset 56)')
})

test('one program by name, also when it is not loaded by default', () => {
  const records = [...verifyObject(readTestObject('subprograms'), facts, verify, { ...options, prog: 'looping' })]
  expect(records).toMatchObject([{ prog: 'looping', section: 'raw_tp/sched_switch', verdict: 'ACCEPT' }])
})
