// The examples that ship with the package, by name.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url))

export interface Example {
  readonly name: string
  readonly file: string
  /** The first line of its header. */
  readonly about: string
}

export function examples(): Example[] {
  return readdirSync(FOLDER)
    .filter((file) => /^[a-z0-9-]+\.ts$/.test(file))
    .sort()
    .map((file) => {
      const header = /^\/\/ \S+: (.*?)(?: {2,}.*)?$/m.exec(readFileSync(FOLDER + file, 'utf8'))
      return { name: file.replace(/\.ts$/, ''), file: FOLDER + file, about: header?.[1] ?? '' }
    })
}
