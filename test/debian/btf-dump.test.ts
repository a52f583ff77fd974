// The C header of a kernel's BTF compiles, and what clang then says of each struct is what the kernel's BTF says: members, offsets,
// bitfields, sizes. The raw form is bpftool's own, byte for byte. On the committed profiles, and on the running kernel's whole BTF where there is one.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Btf } from '../../base/btf/btf.ts'
import { dumpC } from '../../base/btf/c-dump.ts'
import { dumpRaw } from '../../base/btf/raw-dump.ts'
import type { BtfKind, BtfMember } from '../../base/btf/types.ts'
import { PROFILE_NAMES, profileFor } from '../../kernel-sim/profiles/profile.ts'
import { compileToBtf, findTool } from './compiler.ts'

const clang = findTool('clang')
const objcopy = findTool('llvm-objcopy')

const RUNNING = '/sys/kernel/btf/vmlinux'
const sources: [string, () => Btf][] = PROFILE_NAMES.map((name) => [`profile ${name}`, () => profileFor(name).btf])
if (existsSync(RUNNING)) sources.push([RUNNING, () => Btf.parse(new Uint8Array(readFileSync(RUNNING)))])

test.skipIf(!clang || !objcopy).each(sources)('the C form of %s compiles to the same types', (_, open) => {
  const btf = open()
  const names = structNames(btf)
  const uses = names.map(({ kind, name }, i) => `${kind} ${name} *use_${i};\n`)
  const compiled = Btf.parse(compileToBtf(clang!, objcopy!, dumpC(btf) + uses.join('')))
  expect(names.length).toBeGreaterThan(1000)
  const different = names.filter(({ id, kind, name }) => {
    const theirs = describeStruct(compiled, compiled.find(name, kind))
    const ours = describeStruct(btf, id)
    // The BPF target's va_list is a pointer, x86-64's an array.
    return theirs.join() !== ours.join() && !ours.some((line) => line.endsWith('va_list'))
  })
  expect(different.map(({ name }) => name)).toEqual([])
})

const bpftool = findTool('bpftool', 'bpftool')

test.skipIf(!bpftool).each(sources)('the raw form of %s is bpftool’s', (_, open) => {
  const btf = open()
  const folder = mkdtempSync(path.join(tmpdir(), 'bpfsim-btf-'))
  try {
    const file = path.join(folder, 'types.btf')
    writeFileSync(file, btf.encode())
    const theirs = execFileSync(bpftool!, ['btf', 'dump', 'file', file, 'format', 'raw'], { maxBuffer: 1 << 28 })
    expect(theirs.toString() === dumpRaw(btf)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const TAGS: readonly BtfKind[] = ['struct', 'union', 'enum', 'enum64']

/** Structs and unions that are the only ones of their tag: of several, all but one get a suffix. */
function structNames(btf: Btf): { id: number; kind: 'struct' | 'union'; name: string }[] {
  const names = []
  for (const { id, kind, name } of btf.types()) {
    if ((kind !== 'struct' && kind !== 'union') || name === '') continue
    if (btf.findAll(name).some((other) => other !== id && TAGS.includes(btf.kind(other)))) continue
    names.push({ id, kind, name })
  }
  return names
}

/** Size and members of a struct; an anonymous member is described by its own members, in its place. */
function describeStruct(btf: Btf, id: number): string[] {
  const lines = [`size ${btf.sizeOf(id)}`]
  const visit = (struct: number, from: number): void => {
    const type = btf.resolve(struct)
    if (type.kind !== 'struct' && type.kind !== 'union') return
    for (const member of type.members) {
      if (member.name === '') visit(member.type, from + member.bitOffset)
      else lines.push(describeMember(btf, member, from))
    }
  }
  visit(id, 0)
  return lines
}

function describeMember(btf: Btf, member: BtfMember, from: number): string {
  if (btf.name(member.type) === 'va_list') return `${member.name}: va_list`
  const size = member.bits > 0 ? `${member.bits} bits` : `${btf.sizeOf(member.type)} bytes`
  return `${member.name} @${from + member.bitOffset}: ${btf.resolve(member.type).kind} ${size}`
}
