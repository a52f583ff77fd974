import { describe, expect, test } from 'vitest'
import { toJson, toText } from '../../user-space/output.ts'

describe('JSON', () => {
  test('keeps every digit of 64-bit values, bytes as hexadecimal', () => {
    const data = {
      big: 18446744073709551615n,
      bytes: new Uint8Array([1, 255]),
      list: [1n, 'a\n'],
      none: null,
      ok: true,
    }
    expect(toJson({ type: 'event', map: 'events', cpu: 1, time_ns: 1500, data })).toBe(
      '{"type":"event","map":"events","cpu":1,"time_ns":1500,"data":{"big":18446744073709551615,"bytes":"01ff","list":[1,"a\\n"],"none":null,"ok":true}}',
    )
  })

  test('leaves out what is not there', () => {
    expect(toJson({ a: undefined, b: 1 })).toBe('{"b":1}')
  })
})

test('text of a summary', () => {
  const programs = [{ name: 'enter', runs: 3, missed: 1 }]
  const record = {
    type: 'summary',
    virtual_ns: 2_500_000,
    events: 2,
    programs,
    lost: { events: 4, other: 0 },
    seed: 1,
    cpus: 2,
    kernel: '6.12.0',
  } as const
  expect(toText(record, {})).toBe(
    '0.002500 s on Linux 6.12.0: 2 events; enter ran 3 times, missed 1; 4 records of events were lost',
  )
})

test('text of an event without a type, and of an empty map', () => {
  expect(toText({ type: 'event', map: 'events', cpu: 1, time_ns: 1_000_000, hex: '0102' }, {})).toBe(
    '0.001000 cpu1 events: 0102',
  )
  expect(toText({ type: 'map', map: 'counts', entries: [] }, {})).toBe('counts: empty')
})
