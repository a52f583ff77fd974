// The command tree. Each command is one file under commands/; here only their order.

import { Command } from 'commander'
import { VERSION } from './version.ts'

/** A fresh command tree; parsing throws CommanderError (usage, --help, --version) instead of exiting. */
export function program(): Command {
  const root = new Command('bpfsim')
    .description(
      'A simulated Linux event host with eBPF: attach real BPF programs to a simulated kernel, no root, no Linux.',
    )
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .enablePositionalOptions()
  return root
}
