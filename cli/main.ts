// The `bpfsim` command. Data goes to stdout, everything said about it to stderr.
// Exit: 0 done, 1 refused or failed, 2 usage or bad input, 130 interrupted. A reader that closes the pipe ends it quietly.

import { existsSync } from 'node:fs'
import { CommanderError } from 'commander'
import { UserError } from '../base/errors.ts'
import { program } from './program.ts'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
}

/** `bpfsim opens.ts …` means `bpfsim run opens.ts …`, so that scripts can have a #! line. */
function withRun(argv: readonly string[]): string[] {
  const first = argv[0]
  return first !== undefined && !first.startsWith('-') && first.includes('.') && existsSync(first)
    ? ['run', ...argv]
    : [...argv]
}

try {
  await program().parseAsync(withRun(process.argv.slice(2)), { from: 'user' })
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else if (error instanceof UserError) {
    console.error(`bpfsim: ${error.message}`)
    process.exitCode = 2
  } else throw error
}
