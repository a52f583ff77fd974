// Writes kernel-sim/profiles/data, a profile of each kernel below from its raw vmlinux BTF, and test/data/offsets-VERSION.json for the
// test that compares. Deterministic: the same inputs give the same files.   node dist/scripts/profile/main.js FOLDER
//
// FOLDER holds linux-VERSION-debian.btf.gz: /sys/kernel/btf/vmlinux of a machine that runs the Debian package, or the .BTF section of
// the vmlinux within it (extract-vmlinux, objcopy --dump-section .BTF=FILE), packed with gzip.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Btf } from '../../base/btf/btf.ts'
import { Layouts } from '../../base/layouts.ts'
import type { PackedProfile } from '../../kernel-sim/profiles/packed.ts'
import { packProfile } from './pack.ts'
import { selectRoots } from './select.ts'
import { subset } from './subset.ts'

const KERNELS = [
  { name: '6.12', release: '6.12.117+deb12-amd64', version: '6.12.117' },
  { name: '6.1', release: '6.1.0-56-amd64', version: '6.1.192' },
]

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: node dist/scripts/profile/main.js FOLDER')
  process.exit(2)
}
const root = path.join(import.meta.dirname, '../../..')
function moduleText(name: string, packed: PackedProfile): string {
  return `// Types of a real kernel, cut down by scripts/profile: facts about Linux ${name} on x86-64. Do not edit.
export default {
  format: ${packed.format},
  origin: '${packed.origin}',
  release: '${packed.release}',
  version: '${packed.version}',
  strings: \`${packed.strings}\`,
  words: ${packed.words},
  types: \`
${packed.types.replaceAll(/.{120}/g, '$&\n')}\`,
  tracepoints: \`${packed.tracepoints}\`,
} as const
`
}

const offsetsFile = (name: string): string => path.join(root, `test/data/offsets-${name}.json`)

/** Fields that recorded tools read, `struct.member.path`: what the files have already. Add a key to have it checked. */
function fieldNames(): string[] {
  const names = KERNELS.flatMap(({ name }) => Object.keys(JSON.parse(readFileSync(offsetsFile(name), 'utf8'))))
  return [...new Set(names)].sort()
}

/** Of each field [offset, size, first bit, bits] in the whole BTF: the committed part must agree. */
function offsetsText(full: Btf, fields: readonly string[]): string {
  const layouts = new Layouts(full)
  const lines: string[] = []
  for (const key of fields) {
    const [struct, ...parts] = key.split('.')
    const field = layouts.field(struct!.split('___')[0]!, parts.join('.'))
    const place = field && [field.offset, field.size, field.bitOffset, field.bits]
    if (place) lines.push(`  ${JSON.stringify(key)}: [${place.join(', ')}]`)
  }
  return `{\n${lines.join(',\n')}\n}\n`
}

const fields = fieldNames()
const imports: string[] = []
const entries: string[] = []
const data = path.join(root, 'kernel-sim/profiles/data')
for (const kernel of KERNELS) {
  const full = Btf.parse(gunzipSync(readFileSync(path.join(folder, `linux-${kernel.name}-debian.btf.gz`))))
  const kept = subset(full, selectRoots(full))
  const origin = `vmlinux BTF of Debian package linux-image-${kernel.release}`
  const text = moduleText(kernel.name, packProfile(kept, { ...kernel, origin }))
  const file = `linux-${kernel.name}`
  writeFileSync(path.join(data, `${file}.ts`), text)
  writeFileSync(offsetsFile(kernel.name), offsetsText(full, fields))
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
