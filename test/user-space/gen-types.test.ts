import { expect, test } from 'vitest'
import { generateTypes } from '../../user-space/gen-types.ts'
import { readTestObject } from './object/support.ts'

test('an object as a TypeScript interface', () => {
  expect(generateTypes(readTestObject('maps'), 'maps.bpf.o')).toBe(`\
// Written by \`bpfsim gen types maps.bpf.o\`: do not edit.

export interface Value {
  count: bigint
  name: string
}

export interface Maps {
  programs: 'tail' | 'main_program'
  maps: {
    inner_one: { key: number; value: bigint }
    inner_two: { key: number; value: bigint }
    outer: { key: number; value: Uint8Array }
    jumps: { key: number; value: Uint8Array }
    by_type: { key: number; value: Value }
    by_size: { key: Uint8Array; value: Uint8Array }
    ring: { key: number; value: number; event: Uint8Array }
    extra: { key: Uint8Array; value: number }
    '.rodata': { key: number; value: { limit: number; greeting: string } }
    '.data': { key: number; value: { latest: Value } }
    '.data.special': { key: number; value: { special: number } }
    '.bss': { key: number; value: { counter: bigint; private_counter: number } }
  }
  variables: {
    limit: number
    greeting: string
    latest: Value
    special: number
    counter: bigint
    private_counter: number
  }
}
`)
})
