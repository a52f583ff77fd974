import { readFileSync } from 'node:fs'

interface Manifest {
  readonly version: string
}

/** The package's version, read from its manifest, which is two folders above the compiled file. */
export const VERSION = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest)
  .version
