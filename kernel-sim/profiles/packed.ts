// The committed form of a profile: one module of data per kernel, written by scripts/profile.

import { decodeBase64 } from '../../base/base64.ts'

/** Raised when the form changes; scripts/profile writes it, unpackProfile() expects it. */
export const PROFILE_FORMAT = 1

export interface PackedProfile {
  readonly format: typeof PROFILE_FORMAT
  /** Which kernel this was read off: distribution package and architecture. */
  readonly origin: string
  readonly release: string
  /** BTF: the blob in base64. */
  readonly btf: string
}

export function unpackProfile(packed: PackedProfile): Uint8Array {
  return decodeBase64(packed.btf)
}
