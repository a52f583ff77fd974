// Switching a machine on.

import { type BootOptions, Kernel } from './kernel.ts'
import { profileFor } from './profiles/profile.ts'

/** A kernel of the default version (or of `profile`), with its idle tasks, ready to run. */
export function boot(options: Partial<BootOptions> = {}): Kernel {
  return new Kernel({ ...options, profile: options.profile ?? profileFor() })
}
