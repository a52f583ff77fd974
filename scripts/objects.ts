// Rebuilds the BPF objects that are committed beside their C sources:  node dist/scripts/objects.js [--check]
// Needs clang of the version below and libbpf-dev's headers. --check builds into a temporary folder and compares; under another
// clang it only says so, because another clang writes other bytes.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const CLANG = '19.1.7'
const FOLDERS = ['examples', 'test/data/objects', 'test/bench/programs']
const FLAGS = [
  '-g',
  '-O2',
  '--target=bpf',
  '-mcpu=v3',
  '-D__TARGET_ARCH_x86',
  '-Wall',
  '-Werror',
  '-Wno-unused-function',
]

const root = path.resolve(import.meta.dirname, '../..')

function tool(name: string): string {
  const major = CLANG.split('.')[0]
  for (const each of [`${name}-${major}`, name]) {
    try {
      if (execFileSync(each, ['--version'], { encoding: 'utf8' }).includes(CLANG)) return each
    } catch {
      // not installed under this name
    }
  }
  return ''
}

function compile(clang: string, strip: string, source: string, target: string): void {
  const folder = path.dirname(source)
  // Paths of the building machine stay out of the object.
  const flags = [...FLAGS, `-ffile-prefix-map=${folder}=.`, `-I${path.join(root, 'examples')}`]
  execFileSync(clang, [...flags, '-c', path.basename(source), '-o', target], { cwd: folder, stdio: 'inherit' })
  execFileSync(strip, ['-g', target])
}

const check = process.argv.includes('--check')
const clang = tool('clang')
const strip = tool('llvm-strip')
if (clang === '' || strip === '') {
  console.error(`clang and llvm-strip ${CLANG} are not installed: objects are not ${check ? 'compared' : 'rebuilt'}`)
  process.exit(check ? 0 : 2)
}
const scratch = mkdtempSync(path.join(tmpdir(), 'bpfsim-objects-'))
let different = 0
for (const folder of FOLDERS) {
  for (const name of readdirSync(path.join(root, folder)).sort()) {
    if (!name.endsWith('.bpf.c')) continue
    const source = path.join(root, folder, name)
    const object = source.replace(/\.c$/, '.o')
    const target = check ? path.join(scratch, path.basename(object)) : object
    compile(clang, strip, source, target)
    if (check && !readFileSync(target).equals(readFileSync(object))) {
      console.error(
        `${path.relative(root, object)} is not what clang ${CLANG} makes of its source: run node dist/scripts/objects.js`,
      )
      different++
    }
  }
}
rmSync(scratch, { recursive: true })
process.exitCode = different > 0 ? 1 : 0
