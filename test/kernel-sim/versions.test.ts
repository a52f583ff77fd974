// One kernel's code on several kernel versions: the same session announces the same things, each in that version's records.

import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { boot } from '../../kernel-sim/boot.ts'
import { type Profile, profileFor, profileFromBtf } from '../../kernel-sim/profiles/profile.ts'
import { script } from './script.ts'

const EVENTS = ['sched:sched_process_fork', 'sched:sched_process_exit', 'sched:sched_switch', 'raw_syscalls:sys_exit']
const FIELDS = ['parent_pid', 'child_pid', 'pid', 'prev_comm', 'prev_state', 'next_comm', 'id', 'ret']

/** What a small session announces: the fields above of the events above, found by name in the version's own records. */
function session(profile: Profile): string[] {
  const k = boot({ memoryBytes: 64 << 20, profile })
  const lines: string[] = []
  for (const event of EVENTS) {
    const record = profile.tracepoints.find(({ system, name }) => `${system}:${name}` === event)!
    const fields = record.fields.filter((field) => FIELDS.includes(field.name) && field.dynamic === 'no')
    k.tracepoints.get(event)!.attachRecord((at) => {
      const values = fields.map(({ name, offset, sizeBytes }) => {
        const value = sizeBytes === 16 ? k.mem.cstring(at + offset, 16) : k.mem.dv.getInt32(at + offset, true)
        return `${name}=${value}`
      })
      lines.push(`${event} ${values.join(' ')}`)
    })
  }
  k.spawn({
    comm: 'parent',
    user: script(k, function* () {
      yield ['fork', child]
      yield ['wait4', -1, 0, 0, 0]
      yield ['getpid']
      return 0
    }),
  })
  k.run({ maxSteps: 20_000 })
  return lines
}

function* child(): Generator<[string, ...number[]], number, number> {
  yield ['getppid']
  return 3
}

const expected = session(profileFor('6.12'))

test('6.12 announces the session', () => {
  expect(expected.some((line) => line.startsWith('sched:sched_process_fork parent_pid='))).toBe(true)
  expect(expected.some((line) => line.startsWith('sched:sched_switch prev_comm=parent'))).toBe(true)
})

test('6.1 announces the same', () => {
  expect(session(profileFor('6.1'))).toEqual(expected)
})

const RUNNING = '/sys/kernel/btf/vmlinux'
test.skipIf(!existsSync(RUNNING))(`a kernel of ${RUNNING} (where there is one) announces the same`, () => {
  expect(session(profileFromBtf(new Uint8Array(readFileSync(RUNNING)), RUNNING))).toEqual(expected)
})
