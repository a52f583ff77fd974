// What is only partly there says so where it is declared; the public table of what is supported is generated from that.

/** A text on a function or record that is only partly there: one clause, what differs from Linux. */
export interface PartialSupport {
  readonly partial?: string
}

/** Mark a declaration as partly there: `msync: partial(msync, 'MS_ASYNC behaves as MS_SYNC')`. */
export function partial<T extends object>(declared: T, what: string): T & Required<PartialSupport> {
  return Object.assign(declared, { partial: what })
}

/** What differs from Linux, '' for what is wholly there. */
export const partialOf = (declared: object): string => (declared as PartialSupport).partial ?? ''
