import { describe, expect, test } from 'vitest'
import { BtfBuilder } from '../../../base/btf/encode.ts'
import { PROFILES } from '../../../kernel-sim/profiles/data/index.ts'
import { unpackProfile, unpackTracepoints } from '../../../kernel-sim/profiles/packed.ts'
import { PROFILE_NAMES, profileFor } from '../../../kernel-sim/profiles/profile.ts'
import { indexTracepoints } from '../../../kernel-sim/profiles/tracepoints.ts'
import { packProfile } from '../../../scripts/profile/pack.ts'
import { SAMPLE } from '../../base/btf/sample.ts'

test('packing keeps every kind, every bit', () => {
  const builder = new BtfBuilder()
  for (const type of SAMPLE) builder.add(type)
  const btf = builder.build()
  expect(unpackProfile(packProfile(btf, { origin: 'a test', release: '1.0', version: '1.0.0' }))).toEqual(btf.encode())
})

describe.each(PROFILE_NAMES)('the committed profile %s', (name) => {
  const { btf } = profileFor(name)
  const packed = PROFILES[name]!

  test('is what packing its own BTF gives', () => {
    const again = packProfile(btf, packed)
    expect(again).toEqual({ ...packed, types: packed.types.replaceAll('\n', '') })
  })

  test('lists the tracepoints that its BTF has', () => {
    expect(unpackTracepoints(packed)).toEqual(indexTracepoints(btf))
  })

  test('is valid BTF', () => {
    const builder = new BtfBuilder()
    builder.append(btf)
    expect(builder.build().encode()).toEqual(btf.encode())
  })
})
