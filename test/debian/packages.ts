// Debian packages as test data: downloaded with apt, unpacked into a folder of their own, never installed. Where there is no apt (or
// no network) the tests that want them are skipped, and say so.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const cache = path.join(tmpdir(), 'bpfsim-debian-packages')

/** The folder that a package was unpacked into, or undefined, with the reason on stderr, where it cannot be had. */
export function debianPackage(name: string): string | undefined {
  const folder = path.join(cache, name)
  const done = path.join(folder, '.unpacked')
  if (existsSync(done)) return folder
  try {
    mkdirSync(folder, { recursive: true })
    const run = (command: string, ...args: string[]): void => {
      execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    }
    try {
      run('apt-get', 'download', name)
    } catch {
      run('apt-get', 'update')
      run('apt-get', 'download', name)
    }
    const file = readdirSync(folder).find((entry) => entry.endsWith('.deb'))
    if (!file) throw new Error('apt-get downloaded nothing')
    run('dpkg-deb', '-x', file, '.')
    writeFileSync(done, '')
    return folder
  } catch (error) {
    console.error(`skipped: Debian's package ${name} cannot be had here (${(error as Error).message.split('\n')[0]})`)
    return undefined
  }
}

const EM_BPF = 247
const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])

/** The BPF objects that a tool's binary carries: 64-bit little-endian ELF images of e_machine 247 within its bytes. */
export function embeddedObjects(binary: string): Uint8Array[] {
  const bytes = readFileSync(binary)
  const found: Uint8Array[] = []
  for (let at = bytes.indexOf(ELF_MAGIC, 1); at >= 0; at = bytes.indexOf(ELF_MAGIC, at + 1)) {
    if (at + 64 > bytes.length || bytes.readUInt16LE(at + 18) !== EM_BPF) continue
    const sections = Number(bytes.readBigUInt64LE(at + 40))
    const end = at + sections + bytes.readUInt16LE(at + 58) * bytes.readUInt16LE(at + 60)
    found.push(new Uint8Array(bytes.subarray(at, end)))
  }
  return found
}

/** The BPF object of one of libbpf-tools' commands, unmodified; undefined where the package cannot be had. */
export function libbpfTool(name: string): Uint8Array | undefined {
  const folder = debianPackage('libbpf-tools')
  return folder === undefined ? undefined : embeddedObjects(path.join(folder, 'usr/sbin', name))[0]
}

/** Every command of libbpf-tools that carries an object. */
export function libbpfTools(): string[] {
  const folder = debianPackage('libbpf-tools')
  if (folder === undefined) return []
  return readdirSync(path.join(folder, 'usr/sbin'))
    .filter((name) => embeddedObjects(path.join(folder, 'usr/sbin', name)).length > 0)
    .sort()
}
