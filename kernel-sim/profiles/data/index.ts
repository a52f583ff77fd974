// The committed profiles, the default first. Written by scripts/profile.
import type { PackedProfile } from '../packed.ts'
import linux6_12 from './linux-6.12.ts'
import linux6_1 from './linux-6.1.ts'

export const PROFILES: Readonly<Record<string, PackedProfile>> = {
  '6.12': linux6_12,
  '6.1': linux6_1,
}
