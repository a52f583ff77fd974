// clang and llvm-objcopy, whichever version is installed, for tests that compile. Tests skip where there is none.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const VERSIONS = ['', '-20', '-19', '-18', '-17', '-16', '-15', '-14']

/** The first of `name`, `name-20`, … that runs, or undefined, with the reason (the packages that have it) on stderr. */
export function findTool(name: string, packages = 'clang llvm'): string | undefined {
  for (const version of VERSIONS) {
    try {
      execFileSync(name + version, ['--version'], { stdio: 'ignore' })
      return name + version
    } catch {
      // the next one
    }
  }
  console.error(`skipped: no ${name} here (Debian: apt-get install ${packages})`)
  return undefined
}

/** The BTF that clang writes for C source text compiled for BPF. Throws with clang's messages when it does not compile. */
export function compileToBtf(clang: string, objcopy: string, source: string): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'bpfsim-clang-'))
  try {
    const file = (name: string): string => path.join(folder, name)
    writeFileSync(file('types.c'), source)
    const flags = ['-target', 'bpf', '-g', '-O0', '-Wall', '-Wno-unused', '-Werror', '-c', '-o', file('types.o')]
    execFileSync(clang, [...flags, file('types.c')], { stdio: ['ignore', 'ignore', 'pipe'] })
    execFileSync(objcopy, ['--dump-section', `.BTF=${file('types.btf')}`, file('types.o'), file('copy.o')])
    return new Uint8Array(readFileSync(file('types.btf')))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
