// The committed form of a profile: one module of data per kernel, written by scripts/profile. Its BTF is kept in two parts: the
// types in base64, the strings as text, one to a line.

import { decodeBase64 } from '../../base/base64.ts'
import { assembleBtf } from '../../base/btf/format.ts'

/** Raised when the form changes; scripts/profile writes it, unpackProfile() expects it. */
export const PROFILE_FORMAT = 1

export interface PackedProfile {
  readonly format: typeof PROFILE_FORMAT
  /** Which kernel this was read off: distribution package and architecture. */
  readonly origin: string
  readonly release: string
  /** The string section, ASCII: each string ends with a newline in place of NUL. */
  readonly strings: string
  /** The type section in base64. */
  readonly types: string
}

const NEWLINE = 10

/** The BTF blob as the kernel would have it. */
export function unpackProfile(packed: PackedProfile): Uint8Array {
  const strings = new TextEncoder().encode(packed.strings)
  for (let i = 0; i < strings.length; i++) if (strings[i] === NEWLINE) strings[i] = 0
  return assembleBtf(decodeBase64(packed.types), strings)
}
