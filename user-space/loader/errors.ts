// What can go wrong between an object and a kernel. Each is one line; the verifier's words are in `log`.

import { errnoName } from '../../base/errno.ts'

/** The kernel refused a command of bpf(2) that the caller chose freely; the message says which, on what. */
export class BpfError extends Error {
  override name = 'BpfError'
  /** Positive: EINVAL is 22. */
  readonly errno: number

  constructor(errno: number, message: string) {
    super(message)
    this.errno = errno
  }
}

/** The kernel's verifier (or the loader before it) refused a program. */
export class VerifierError extends Error {
  override name = 'VerifierError'
  readonly program: string
  /** Positive: EACCES is 13. */
  readonly errno: number
  /** The verifier's log at level 1, as libbpf shows it; '' where the program did not get as far. */
  readonly log: string

  constructor(program: string, errno: number, log: string, message: string) {
    super(message)
    this.program = program
    this.errno = errno
    this.log = log
  }

  /** `EACCES` */
  get code(): string {
    return errnoName(this.errno)
  }
}
