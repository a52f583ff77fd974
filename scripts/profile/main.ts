// Writes kernel-sim/profiles/data: a profile of each kernel below from its raw vmlinux BTF, and test/data/offsets-VERSION.json for the
// test that compares. Deterministic: the same inputs give the same files.   node dist/scripts/profile/main.js FOLDER
//
// FOLDER holds linux-VERSION-debian.btf.gz (vmlinux BTF of Debian's kernel packages), tools.json, functions.json and
// struct-fields.json (what recorded tools attach to and read).

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Btf } from '../../base/btf/btf.ts'
import { Layouts } from '../../base/layouts.ts'
import type { PackedProfile } from '../../kernel-sim/profiles/packed.ts'
import { packProfile } from './pack.ts'
import { selectRoots, type ToolNames } from './select.ts'
import { subset } from './subset.ts'

const KERNELS = [
  { name: '6.12', release: '6.12.117+deb12-amd64', package: 'linux-image-6.12.117+deb12-amd64' },
  { name: '6.1', release: '6.1.0-56-amd64', package: 'linux-image-6.1.0-56-amd64' },
]

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: node dist/scripts/profile/main.js FOLDER')
  process.exit(2)
}
const root = path.join(import.meta.dirname, '../../..')
const read = (name: string): unknown => JSON.parse(readFileSync(path.join(folder, name), 'utf8'))

/** Every string under a key `functions`, and every first part of a struct-field path. */
function toolNames(): ToolNames {
  const functions = new Set(Object.keys(read('functions.json') as object))
  const visit = (value: unknown, key: string): void => {
    if (typeof value === 'string' && key === 'functions') functions.add(value)
    if (typeof value !== 'object' || value === null) return
    for (const [inner, part] of Object.entries(value)) visit(part, Array.isArray(value) ? key : inner)
  }
  visit(read('tools.json'), '')
  const structs = Object.keys(read('struct-fields.json') as object).map(
    (field) => field.split('.')[0]!.split('___')[0]!,
  )
  return { structs: new Set(structs), functions }
}

function moduleText(name: string, packed: PackedProfile): string {
  return `// Types of a real kernel, cut down by scripts/profile: facts about Linux ${name} on x86-64. Do not edit.
export default {
  format: ${packed.format},
  origin: '${packed.origin}',
  release: '${packed.release}',
  strings: \`${packed.strings}\`,
  words: ${packed.words},
  types: \`
${packed.types.replaceAll(/.{120}/g, '$&\n')}\`,
  tracepoints: \`${packed.tracepoints}\`,
} as const
`
}

/** `struct.member.path` of what tools read -> [offset, size, first bit, bits] in the whole BTF: the committed part must agree. */
function offsetsText(full: Btf): string {
  const layouts = new Layouts(full)
  const lines: string[] = []
  for (const key of Object.keys(read('struct-fields.json') as object).sort()) {
    const [struct, ...parts] = key.split('.')
    const field = layouts.field(struct!.split('___')[0]!, parts.join('.'))
    if (field)
      lines.push(`  ${JSON.stringify(key)}: [${field.offset}, ${field.size}, ${field.bitOffset}, ${field.bits}]`)
  }
  return `{\n${lines.join(',\n')}\n}\n`
}

const tools = toolNames()
const imports: string[] = []
const entries: string[] = []
const data = path.join(root, 'kernel-sim/profiles/data')
for (const kernel of KERNELS) {
  const full = Btf.parse(gunzipSync(readFileSync(path.join(folder, `btf/linux-${kernel.name}-debian.btf.gz`))))
  const kept = subset(full, selectRoots(full, tools))
  const text = moduleText(
    kernel.name,
    packProfile(kept, `vmlinux BTF of Debian package ${kernel.package}`, kernel.release),
  )
  const file = `linux-${kernel.name}`
  writeFileSync(path.join(data, `${file}.ts`), text)
  writeFileSync(path.join(root, `test/data/offsets-${kernel.name}.json`), offsetsText(full))
  const variable = `linux${kernel.name.replace('.', '_')}`
  imports.push(`import ${variable} from './${file}.ts'`)
  entries.push(`  '${kernel.name}': ${variable},`)
  console.log(`${file}: ${kept.count} of ${full.count} types, ${text.length} bytes`)
}
const index = `// The committed profiles, the default first. Written by scripts/profile.
import type { PackedProfile } from '../packed.ts'
${imports.join('\n')}

export const PROFILES: Readonly<Record<string, PackedProfile>> = {
${entries.join('\n')}
}
`
writeFileSync(path.join(data, 'index.ts'), index)
