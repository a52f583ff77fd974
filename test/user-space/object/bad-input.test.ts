// What is no whole BPF object is refused in one line that says what and where.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UserError } from '../../../base/errors.ts'
import { readObjectBytes } from '../../../user-space/object/read.ts'
import { objectBytes } from './support.ts'

const good = objectBytes('maps')
const changed = (change: (bytes: Uint8Array, view: DataView) => void): Uint8Array => {
  const bytes = good.slice()
  change(bytes, new DataView(bytes.buffer))
  return bytes
}

describe('refused', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['text', new TextEncoder().encode('#include <bpf.h>\n'), /^x\.o: not an ELF file; give a BPF object/],
    ['cut off in its header', good.subarray(0, 40), /^x\.o: ELF header cut off at byte 40/],
    [
      'cut off in its sections',
      good.subarray(0, good.length - 100),
      /^x\.o: truncated: .* the file at \d+; copy it again$/,
    ],
    [
      'of another machine',
      changed((_, view) => view.setUint16(18, 62, true)),
      /^x\.o: ELF machine is 62, not BPF \(247\)/,
    ],
    ['big-endian', changed((bytes) => bytes.set([2], 5)), /^x\.o: big-endian ELF; rebuild it little-endian/],
    ['32-bit', changed((bytes) => bytes.set([1], 4)), /^x\.o: 32-bit ELF/],
    ['an executable', changed((_, view) => view.setUint16(16, 2, true)), /^x\.o: not a relocatable ELF object/],
  ])('%s', (_, bytes, message) => {
    expect(() => readObjectBytes(bytes, 'x.o')).toThrow(message)
    expect(() => readObjectBytes(bytes, 'x.o')).toThrow(UserError)
  })
})

test('whatever bytes are damaged, the answer is an object or one line', () => {
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(damage, (changes) => {
      const bytes = good.slice()
      for (const [at, byte] of changes) bytes[at] = byte
      try {
        readObjectBytes(bytes, 'x.o')
      } catch (error) {
        if (!(error instanceof UserError)) throw error
        expect(error.message).not.toContain('\n')
      }
    }),
    { numRuns: 300 },
  )
})
