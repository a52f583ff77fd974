// The command as a person runs it: its own process, exit code, and what came out of both ends.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'

export const root = path.resolve(import.meta.dirname, '../..')

export interface Outcome {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface CommandOptions {
  readonly stdin?: string | Uint8Array
  /** Called once, with the first output, and may stop the process or stop listening. */
  readonly atFirstOutput?: (child: ReturnType<typeof spawn>) => void
}

/** A folder for files of the tests in this file, gone after them. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'bpfsim-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function bpfsim(args: readonly string[], { stdin, atFirstOutput }: CommandOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(root, 'bin/bpfsim.js'), ...args], { cwd: root })
  const out: Buffer[] = []
  const err: Buffer[] = []
  let isFirst = true
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk)
    if (isFirst) atFirstOutput?.(child)
    isFirst = false
  })
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.end(stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() })
    })
  })
}
