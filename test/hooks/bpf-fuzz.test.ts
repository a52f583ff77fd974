// Whatever a task passes, bpf(2) and perf_event_open(2) answer with a number: a guest's mistake never throws.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { COMMANDS, type Command } from '../../hooks/uapi/bpf-attr.ts'
import { PERF_EVENT_ATTR } from '../../hooks/uapi/perf.ts'
import { rig } from './rig.ts'

const small = fc.oneof(fc.nat(8), fc.constantFrom(0xffffffff, 0x7fffffff, 4096, 64), fc.nat(0xffff))
const wide = fc.oneof(fc.bigInt(0n, 16n), fc.constantFrom(1n << 63n, 0xffffffffn, -1n & 0xffffffffffffffffn))
const bytes = fc.oneof(fc.constant(undefined), fc.uint8Array({ maxLength: 64 }))

/** A value of the kind that the field's zero is of. */
const like = (zero: unknown): fc.Arbitrary<unknown> => {
  if (typeof zero === 'number') return small
  if (typeof zero === 'bigint') return wide
  if (typeof zero === 'string') return fc.string({ maxLength: 16 })
  if (zero === undefined) return bytes
  if (zero instanceof Uint8Array) return fc.uint8Array({ maxLength: zero.length })
  return record(zero as object)
}
const record = (zero: object): fc.Arbitrary<object> =>
  fc.record(Object.fromEntries(Object.entries(zero).map(([name, value]) => [name, like(value)])))

const call = fc
  .constantFrom(...(Object.keys(COMMANDS) as Command[]))
  .chain((command) => record(COMMANDS[command].attr.zero()).map((attr) => [command, attr] as const))

test('bpf(2) with any attributes', () => {
  const r = rig()
  for (const type of ['array', 'hash', 'stack_trace', 'percpu_array', 'perf_event_array', 'ringbuf'] as const)
    r.map(type, 4)
  r.load('xdp', 'r0 = 0\nexit')
  fc.assert(
    fc.property(call, ([command, attr]) => {
      expect(r.host.bpf(r.task, command, attr)).toBeTypeOf('number')
    }),
    { numRuns: 2000 },
  )
})

test('perf_event_open(2) with any attributes', () => {
  const r = rig()
  const attr = record({ ...PERF_EVENT_ATTR.zero() })
  fc.assert(
    fc.property(attr, fc.integer({ min: -2, max: 4 }), fc.integer({ min: -2, max: 4 }), (given, pid, cpu) => {
      expect(r.host.perfEventOpen(r.task, given, pid, cpu, -1, 0)).toBeTypeOf('number')
    }),
    { numRuns: 300 },
  )
})

test('bpf(2) with any bytes in user memory', () => {
  const r = rig()
  const at = r.userBytes(new Uint8Array(160))
  fc.assert(
    fc.property(fc.nat(40), fc.uint8Array({ minLength: 160, maxLength: 160 }), fc.nat(200), (number, data, size) => {
      r.task.mm!.write(at, data, 0, data.length)
      expect(r.kernel.as(r.task, () => r.host.bpfSyscall(number, at, size))).toBeTypeOf('number')
    }),
    { numRuns: 300 },
  )
})
