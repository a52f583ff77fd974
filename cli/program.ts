// The command tree. Each command is one file under commands/; here only their order.

import { Command } from 'commander'
import { addAsm, addDisasm } from './commands/asm.ts'
import { addBtf } from './commands/btf.ts'
import { addGen } from './commands/gen.ts'
import { addList } from './commands/list.ts'
import { addProg } from './commands/prog.ts'
import { addRun } from './commands/run.ts'
import { addVerify } from './commands/verify.ts'
import { VERSION } from './version.ts'

const COMMANDS = [addRun, addList, addVerify, addProg, addDisasm, addAsm, addBtf, addGen]

/** Commander's words for wrong usage, as one line like all others. */
const usageError = (text: string): string =>
  `${text
    .trim()
    .replace(/^error: /, 'bpfsim: ')
    .replace(/\s*\n\((.*)\)$/, (_, hint: string) => `; ${hint[0]!.toLowerCase()}${hint.slice(1)}`)}\n`

/** A fresh command tree; parsing throws CommanderError (usage, --help, --version) instead of exiting. */
export function program(): Command {
  const root = new Command('bpfsim')
    .description(
      'A simulated Linux event host with eBPF: attach real BPF programs to a simulated kernel, no root, no Linux.',
    )
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(usageError(text)) })
    .enablePositionalOptions()
  for (const add of COMMANDS) add(root)
  return root
}
