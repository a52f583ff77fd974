// Flags of the `bpfsim run` that runs an attach script, for the boot() calls that the script makes. The command sets them on the global
// object before it loads the script and takes them off behind it: a script has no other connection to the command that runs it.

import type { BootOptions, Session } from './session.ts'

export interface RunFlags {
  /** Laid over what the script passes to boot(). */
  readonly options: BootOptions
  /** `--set NAME=VALUE`: texts of global variables, set in every object that has them as it is loaded. */
  readonly set?: ReadonlyMap<string, string>
  /** Called with each session that the script boots. */
  readonly onBoot?: (session: Session) => void
}

const KEY = Symbol.for('bpfsim.run')

interface Holder {
  [KEY]?: RunFlags | undefined
}

export const runFlags = (): RunFlags | undefined => (globalThis as Holder)[KEY]

/** Runs `work` with flags in place. */
export async function withRunFlags<T>(flags: RunFlags, work: () => Promise<T>): Promise<T> {
  const holder = globalThis as Holder
  const before = holder[KEY]
  holder[KEY] = flags
  try {
    return await work()
  } finally {
    holder[KEY] = before
  }
}
