// What a session needs of Node: files (plain or gzip) and wall-clock pacing. The only file of the library with node: modules; loaded on
// first use, so that everything else runs in a browser worker as it is.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { UserError } from '../../base/errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory, not a file',
}

/** The bytes of a file. Throws UserError. */
export async function readBytes(file: string | URL): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file))
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new UserError(`cannot read ${file instanceof URL ? file.pathname : file}: ${REASONS[code] ?? message}`)
  }
}

/**
 * Keeps virtual time from running ahead of the wall clock: `pace(virtualNs)` resolves when `speed` times the wall time since the first
 * call has come that far.
 */
export function wallClock(speed: number): (virtualNs: number) => Promise<void> {
  let startMs: number | undefined
  let startNs = 0
  return async (virtualNs) => {
    if (startMs === undefined) {
      startMs = performance.now()
      startNs = virtualNs
    }
    const aheadMs = (virtualNs - startNs) / 1e6 / speed - (performance.now() - startMs)
    if (aheadMs > 1) await sleep(aheadMs)
  }
}
