// Standard output is for data, standard error for everything said about it. A closed pipe is handled in main.ts.

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function printError(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** What a kernel refused: one line, and the verifier's words where there are some. */
export function printRefused(message: string, log = ''): void {
  printError(`bpfsim: ${message}`)
  if (log !== '') printError(log.trimEnd())
}
