// Test cases in files: a title after `==`, then sections (`-- asm`, `-- memory`, `-- result`, `-- memory after`, `-- fault`).

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export interface Case {
  readonly title: string
  readonly asm: string
  readonly memory: Uint8Array
  /** r0 at the end, or the end of the message of the fault that stops the program. */
  readonly result: bigint | { readonly fault: string }
  readonly memoryAfter: Uint8Array | undefined
}

export interface CaseFile {
  readonly name: string
  readonly cases: readonly Case[]
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'))

/** Every `.txt` of a folder. */
export function readCases(folder: string): CaseFile[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => ({ name, cases: parseCases(readFileSync(path.join(folder, name), 'utf8')) }))
}

function parseCases(text: string): Case[] {
  return text
    .split(/^== /m)
    .slice(1)
    .map((part) => {
      const [title, ...sections] = part.split(/^-- /m)
      const named = new Map(
        sections.map((section) => {
          const [name, ...lines] = section.split('\n')
          return [name!.trim(), lines.join('\n').trim()] as const
        }),
      )
      const after = named.get('memory after')
      const fault = named.get('fault')
      return {
        title: title!.trim(),
        asm: named.get('asm') ?? '',
        memory: bytes(named.get('memory') ?? ''),
        result: fault === undefined ? BigInt(named.get('result')!) : { fault },
        memoryAfter: after === undefined ? undefined : bytes(after),
      }
    })
}
