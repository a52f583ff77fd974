// Every attach script of examples/ runs and prints something. That its header shows just that is checked by scripts/examples.ts.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { runScript } from '../cli/script-loader.ts'

const folder = path.resolve(import.meta.dirname, '../examples')
const scripts = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.types.ts'))

afterEach(() => void vi.restoreAllMocks())

/** Lines of the header's output; see scripts/examples.ts. */
function shown(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line.startsWith('//   ') && !line.endsWith('…')).map((line) => line.slice(5))
}

test.each(scripts)('%s', async (name) => {
  const file = path.join(folder, name)
  const printed: string[] = []
  vi.spyOn(console, 'log').mockImplementation((text: string) => void printed.push(...text.split('\n')))
  await runScript(file)
  const header = shown(file)
  expect(header.length).toBeGreaterThan(0)
  expect(printed.filter((line) => line !== '').length).toBeGreaterThanOrEqual(header.length)
})
