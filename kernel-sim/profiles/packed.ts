// The committed form of a profile: one module of data per kernel, written by scripts/profile. Small, and quick to unpack at boot:
// strings one to a line in the order in which types first use them, types as numbers in text.
//
// A number is written in base64 digits, lowest first: bits 0..4 of a digit are value, bit 5 says that another follows. Signed numbers
// are zigzag (0, -1, 1, -2, …). A type record is kind, vlen * 2 + kflag, then its words (name, third word, tail) each as its sort says:
//
//   name     0 none, 1 the next string not used so far, n + 2 the n-th string
//   type     how far below this record's id the referred id is, signed
//   offset   bits since the previous member, signed; in a struct with bitfields after the member's width
//   signed   as a signed number
//   plain    as it is

import { assembleBtf, KIND_NAMES, KINDS } from '../../base/btf/format.ts'
import type { BtfKind } from '../../base/btf/types.ts'
import { InternalError } from '../../base/errors.ts'
import type { TracepointPlace } from './tracepoints.ts'

/** Raised when the form changes; scripts/profile writes it, unpackProfile() expects it. */
export const PROFILE_FORMAT = 2

export interface PackedProfile {
  readonly format: typeof PROFILE_FORMAT
  /** Which kernel this was read off: distribution package and architecture. */
  readonly origin: string
  readonly release: string
  /** The version that the release is of, `6.1.192`: a distribution's release may not say its last part. */
  readonly version: string
  /** The string section, ASCII: each string ends with a newline in place of NUL. */
  readonly strings: string
  readonly types: string
  /** 32-bit words in the type section. */
  readonly words: number
  /** Trace events and raw tracepoints: `system name typedef struct` to a line, the two type ids in decimal. */
  readonly tracepoints: string
}

export type WordSort = 'name' | 'type' | 'offset' | 'signed' | 'plain'

/** The words behind the three of a record: `tail` once, `each` per vlen. */
export const WORDS: Readonly<
  Record<BtfKind, { readonly tail: readonly WordSort[]; readonly each: readonly WordSort[] }>
> = {
  void: { tail: [], each: [] },
  int: { tail: ['plain'], each: [] },
  ptr: { tail: [], each: [] },
  array: { tail: ['type', 'type', 'plain'], each: [] },
  struct: { tail: [], each: ['name', 'type', 'offset'] },
  union: { tail: [], each: ['name', 'type', 'offset'] },
  enum: { tail: [], each: ['name', 'signed'] },
  fwd: { tail: [], each: [] },
  typedef: { tail: [], each: [] },
  volatile: { tail: [], each: [] },
  const: { tail: [], each: [] },
  restrict: { tail: [], each: [] },
  func: { tail: [], each: [] },
  func_proto: { tail: [], each: ['name', 'type'] },
  var: { tail: ['plain'], each: [] },
  datasec: { tail: [], each: ['type', 'plain', 'plain'] },
  float: { tail: [], each: [] },
  decl_tag: { tail: ['signed'], each: [] },
  type_tag: { tail: [], each: [] },
  enum64: { tail: [], each: ['name', 'plain', 'plain'] },
}

export const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const NEWLINE = 10

/** The BTF blob as the kernel would have it. */
export function unpackProfile(packed: PackedProfile): Uint8Array {
  if (packed.format !== PROFILE_FORMAT)
    throw new InternalError(`profile of format ${packed.format}: run scripts/profile`)
  const strings = new TextEncoder().encode(packed.strings)
  const starts: number[] = [0]
  for (let end = strings.indexOf(NEWLINE); end >= 0; end = strings.indexOf(NEWLINE, end + 1)) {
    strings[end] = 0
    starts.push(end + 1)
  }
  const words = unpackWords(unpackNumbers(packed.types, packed.words), packed.words, starts)
  return assembleBtf(new Uint8Array(words.buffer), strings)
}

/** What indexTracepoints() says of the same BTF. */
export function unpackTracepoints(packed: PackedProfile): TracepointPlace[] {
  return packed.tracepoints.split('\n').map((line) => {
    const [system, name, typedef, structType] = line.split(' ')
    return {
      system: system === '-' ? '' : system!,
      name: name!,
      typedef: Number(typedef),
      structType: Number(structType),
    }
  })
}

// The two loops below run at every boot, before any compiler has seen them: plain loops over typed arrays.

const NO_DIGIT = 64

/** The numbers of a text, line breaks left out: at most four for three words. */
function unpackNumbers(text: string, words: number): Uint32Array {
  const values = new Uint8Array(256).fill(NO_DIGIT)
  for (let i = 0; i < DIGITS.length; i++) values[DIGITS.charCodeAt(i)] = i
  const bytes = new TextEncoder().encode(text)
  const numbers = new Uint32Array(Math.ceil((words * 4) / 3))
  let count = 0
  let number = 0
  let shift = 0
  for (let i = 0; i < bytes.length; i++) {
    const digit = values[bytes[i]!]!
    if (digit === NO_DIGIT) continue
    number |= (digit & 31) << shift
    if (digit >= 32) {
      shift += 5
      continue
    }
    numbers[count++] = number
    number = 0
    shift = 0
  }
  return numbers
}

/** The words of the type section from their numbers. `starts[n]` is the offset of string n; string 0 is ''. */
function unpackWords(numbers: Uint32Array, count: number, starts: readonly number[]): Uint32Array {
  const words = new Uint32Array(count)
  const forms = KIND_NAMES.map((kind) => {
    const { tail, each } = WORDS[kind]
    return { refers: KINDS[kind].refers, sorts: each.length > 0 ? each : tail, each: each.length > 0 }
  })
  let from = 0
  let nextString = 1
  for (let to = 0, id = 1; to < count; id++) {
    const code = numbers[from++]!
    const size = numbers[from++]!
    const vlen = size >>> 1
    const kflag = size & 1
    const name = numbers[from++]!
    words[to++] = name === 0 ? 0 : starts[name === 1 ? nextString++ : name - 2]!
    words[to++] = (kflag << 31) | (code << 24) | vlen
    const third = numbers[from++]!
    const { refers, sorts, each } = forms[code]!
    words[to++] = refers ? id - unzigzag(third) : third
    const end = to + sorts.length * (each ? vlen : 1)
    for (let i = 0, offset = 0; to < end; i = i + 1 === sorts.length ? 0 : i + 1) {
      const number = numbers[from++]!
      switch (sorts[i]!) {
        case 'name':
          words[to++] = number === 0 ? 0 : starts[number === 1 ? nextString++ : number - 2]!
          break
        case 'type':
          words[to++] = id - unzigzag(number)
          break
        case 'offset':
          offset += unzigzag(kflag === 1 ? numbers[from++]! : number)
          words[to++] = kflag === 1 ? (number << 24) | offset : offset
          break
        case 'signed':
          words[to++] = unzigzag(number)
          break
        case 'plain':
          words[to++] = number
      }
    }
  }
  return words
}

function unzigzag(number: number): number {
  return (number >>> 1) ^ -(number & 1)
}
