// bpfsim gen: code for attach scripts.

import { basename } from 'node:path'
import type { Command } from 'commander'
import { generateTypes } from '../../user-space/gen-types.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { readFile } from '../files.ts'

export function addGen(root: Command): void {
  const gen = root.command('gen').description('generate code for attach scripts')
  gen
    .command('types')
    .description('the types of an object’s maps, variables and programs, as TypeScript')
    .argument('<object>', 'a BPF object')
    .action((file: string) => {
      process.stdout.write(generateTypes(readObjectBytes(readFile(file), file), basename(file)))
    })
}
