// The three kinds of failure. A guest's mistake is none of them: it gets Linux's negative errno (errno.ts).

/** A person's mistake: a bad file, flag or name. One line that says what, where and what to do; the command exits with 2. */
export class UserError extends Error {
  override name = 'UserError'

  /** Control characters, which damaged files bring in as names, show as `?`. */
  constructor(message: string) {
    super(message.replace(/\p{Cc}/gu, '?'))
  }
}

/** Our own mistake: an invariant of bpfsim does not hold. */
export class InternalError extends Error {
  override name = 'InternalError'
}

/** Closes a switch over a union: compiles only while every case is handled. */
export function unreachable(value: never): never {
  throw new InternalError(`unhandled case ${JSON.stringify(value)}`)
}
