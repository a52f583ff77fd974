// Puts the output of each attach script of examples/ into its header:  node dist/scripts/examples.js [--check]
// A header's output is the comment lines behind its first line, indented; long ones are cut. --check only says what differs.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const LINES = 12
const INDENT = '//   '

const root = path.resolve(import.meta.dirname, '../..')
const folder = path.join(root, 'examples')
const loader = pathToFileURL(path.join(root, 'dist/cli/script-loader.js')).href

/** What the script prints. */
function outputOf(file: string): string[] {
  const code = `import { runScript } from '${loader}'; await runScript(${JSON.stringify(file)})`
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  return text.trimEnd().split('\n')
}

/** The source with `output` in its header. */
function withOutput(source: string, output: readonly string[]): string {
  const lines = source.split('\n')
  const first = lines.findIndex((line) => line.startsWith('// '))
  let end = first + 1
  while (lines[end] === '//' || lines[end]!.startsWith(INDENT)) end++
  const shown = output.length > LINES ? [...output.slice(0, LINES), '…'] : output
  const header = ['//', ...shown.map((line) => (line === '' ? '//' : `${INDENT}${line}`))]
  return [...lines.slice(0, first + 1), ...header, ...lines.slice(end)].join('\n')
}

const check = process.argv.includes('--check')
for (const name of readdirSync(folder).sort()) {
  if (!name.endsWith('.ts') || name.endsWith('.types.ts')) continue
  const file = path.join(folder, name)
  const source = readFileSync(file, 'utf8')
  const updated = withOutput(source, outputOf(file))
  if (updated === source) continue
  if (!check) writeFileSync(file, updated)
  else {
    console.error(`examples/${name}: its header does not show what it prints; run node dist/scripts/examples.js`)
    process.exitCode = 1
  }
}
