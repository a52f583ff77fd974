// An attach script runs wherever it lies: TypeScript, an ES module, with `bpfsim` the running package.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { UserError } from '../../base/errors.ts'
import { runScript } from '../../cli/script-loader.ts'

const root = path.resolve(import.meta.dirname, '../..')
const scratch = mkdtempSync(path.join(tmpdir(), 'bpfsim-scripts-'))
const folders = [scratch]
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** What a script says, by way of the global that it sets. */
const said = globalThis as { bpfsimSaid?: unknown }

const SCRIPT = `#!/usr/bin/env bpfsim
import { assemble } from 'bpfsim/vm'
import { workload, type Workload } from 'bpfsim/workload'
import { where } from './part.ts'
import path from 'node:path'

const nothing: Workload = workload('nothing', function* () {})
using last = { [Symbol.dispose]() {} }
await Promise.resolve()
const said = globalThis as { bpfsimSaid?: unknown }
said.bpfsimSaid = [assemble('exit').insns.length, nothing.name, where, path.basename(new URL(import.meta.url).pathname)]
`
const PART = `export const where: string = new URL('./data.bin', import.meta.url).href\n`

function place(folder: string, name: string, files: Record<string, string> = {}): string {
  const file = path.join(folder, name)
  for (const [each, text] of Object.entries({ [name]: SCRIPT, 'part.ts': PART, ...files })) {
    mkdirSync(path.dirname(path.join(folder, each)), { recursive: true })
    writeFileSync(path.join(folder, each), text)
  }
  return file
}

async function run(file: string): Promise<unknown> {
  said.bpfsimSaid = undefined
  await runScript(file)
  return said.bpfsimSaid
}
const saying = (file: string): unknown[] => [
  1,
  'nothing',
  new URL('./data.bin', `file://${file}`).href,
  path.basename(file),
]

test('in a folder without a package', async () => {
  const file = place(path.join(scratch, 'bare'), 'opens.ts')
  expect(await run(file)).toEqual(saying(file))
})

test('as .mts', async () => {
  const file = place(path.join(scratch, 'mts'), 'opens.mts')
  expect(await run(file)).toEqual(saying(file))
})

test('in a fresh folder of `npm init -y`, which says CommonJS', async () => {
  const manifest = JSON.stringify({ name: 'fresh', version: '1.0.0', main: 'index.js', type: 'commonjs' })
  const file = place(path.join(scratch, 'fresh'), 'opens.ts', { 'package.json': manifest })
  expect(await run(file)).toEqual(saying(file))
})

test('inside node_modules', async () => {
  const file = place(path.join(scratch, 'host/node_modules/tool'), 'opens.ts', { 'package.json': '{"name":"tool"}' })
  expect(await run(file)).toEqual(saying(file))
})

test('in the repository', async () => {
  const folder = mkdtempSync(path.join(root, 'test', 'script-'))
  folders.push(folder)
  const file = place(folder, 'opens.ts')
  expect(await run(file)).toEqual(saying(file))
})

test('with packages of its own folder, ES module or CommonJS', async () => {
  const file = place(path.join(scratch, 'with-package'), 'opens.ts', {
    'opens.ts': `import { name } from 'dep'\nimport old from 'old'\n(globalThis as any).bpfsimSaid = [name, old.name]\n`,
    'node_modules/dep/package.json': '{"name":"dep","type":"module","exports":"./dep.js"}',
    'node_modules/dep/dep.js': `export const name = 'dep'\n`,
    'node_modules/old/package.json': '{"name":"old","main":"old.js"}',
    'node_modules/old/old.js': `module.exports = { name: 'old' }\n`,
  })
  expect(await run(file)).toEqual(['dep', 'old'])
})

test('a mistake is one line with its place', async () => {
  const folder = path.join(scratch, 'wrong')
  const syntax = place(folder, 'opens.ts', { 'opens.ts': 'const a = 1\nconst = 2\n' })
  await expect(run(syntax)).rejects.toThrow(UserError)
  await expect(run(syntax)).rejects.toThrow(/opens\.ts:2:7: Expected identifier but found "="$/)
  const missing = place(folder, 'opens.ts', { 'opens.ts': `import { x } from 'no-such-package'\nx()\n` })
  await expect(run(missing)).rejects.toThrow(/opens\.ts:1:19: Could not resolve "no-such-package"/)
})

test('what it throws comes through, with the script’s own lines', () => {
  const file = place(path.join(scratch, 'throws'), 'opens.ts', {
    'opens.ts': `type Long = { a: string }\n\nexport function fails(): Long {\n  throw new Error('so')\n}\nfails()\n`,
  })
  // The test runner has its own idea of stacks: ask a process of its own.
  const loader = pathToFileURL(path.join(root, 'dist/cli/script-loader.js')).href
  const code = `import { runScript } from '${loader}'; runScript('${file}').catch((error) => console.log(error.stack))`
  const stack = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  expect(stack).toMatch(/^Error: so\n.*fails \(.*throws\/opens\.ts:4:9\)/)
})
