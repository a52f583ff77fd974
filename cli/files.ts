// Files that a person named: whatever goes wrong becomes one line.

import { createReadStream, readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Btf } from '../base/btf/btf.ts'
import { UserError } from '../base/errors.ts'
import { readObjectBytes } from '../user-space/object/read.ts'

const REASONS: Record<string, string> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory, not a file',
}

function failed(what: 'read' | 'write', path: string, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return new UserError(`cannot ${what} ${path}: ${REASONS[code] ?? (error as Error).message}`)
}

export function readFile(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === '-' ? 0 : path))
  } catch (error) {
    throw failed('read', path, error)
  }
}

export function writeFile(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes)
  } catch (error) {
    throw failed('write', path, error)
  }
}

/** The bytes of a file that may be gzipped. */
export function readMaybeGzip(path: string): Uint8Array {
  const bytes = readFile(path)
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return new Uint8Array(gunzipSync(bytes))
  } catch {
    throw new UserError(`cannot read ${path}: the gzip data is damaged or cut off`)
  }
}

export const readText = (path: string): string => new TextDecoder().decode(readFile(path))

/** A file as chunks, for importers. */
export async function* chunksOf(path: string): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Uint8Array
  } catch (error) {
    throw failed('read', path, error)
  }
}

export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46

/** BTF from a raw blob, gzipped or not, or from the .BTF section of an object. */
export function readBtf(path: string): Btf {
  const bytes = readMaybeGzip(path)
  if (!isElf(bytes)) return Btf.parse(bytes, undefined, path)
  const { btf } = readObjectBytes(bytes, path)
  if (!btf) throw new UserError(`${path}: has no .BTF section: compile it with -g`)
  return btf
}
