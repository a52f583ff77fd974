// The words that context tables are written in.

import type { ContextConversion, ContextField, ContextValue } from '../../../base/facts.ts'

/** `member('sk_buff', 'len')`: the field is that member of the real context. */
export const member = (struct: string, path: string, more: Partial<ContextConversion> = {}): ContextConversion => ({
  steps: [{ struct, path }],
  ...more,
})

/** `chain(['sk_buff', 'dev'], ['net_device', 'ifindex'])`: through pointers; NULL on the way gives 0. */
export const chain = (...steps: [struct: string, path: string][]): ContextConversion => ({
  steps: steps.map(([struct, path]) => ({ struct, path })),
  nullCheck: true,
})

type Rest = Partial<Omit<ContextField, 'name' | 'offset' | 'size'>>

/** A 32-bit number that may also be read in parts. */
export const word = (name: string, offset: number, rest: Rest = {}): ContextField => ({
  name,
  offset,
  size: 4,
  read: [4],
  narrow: true,
  value: 'scalar',
  ...rest,
})

/** A 32-bit number that is only read whole. */
export const wholeWord = (name: string, offset: number, rest: Rest = {}): ContextField => ({
  name,
  offset,
  size: 4,
  read: [4],
  value: 'scalar',
  ...rest,
})

/** A 64-bit number. */
export const long = (name: string, offset: number, rest: Rest = {}): ContextField => ({
  name,
  offset,
  size: 8,
  read: [8],
  narrow: true,
  value: 'scalar',
  ...rest,
})

/** 32 bits that hold a packet pointer. */
export const packetPtr = (
  name: string,
  offset: number,
  value: ContextValue,
  convert?: ContextConversion,
): ContextField => ({
  name,
  offset,
  size: 4,
  read: [4],
  value,
  ...(convert ? { convert } : {}),
})

/** A pointer of 64 bits in the user API struct. */
export const pointer = (name: string, offset: number, value: ContextValue, rest: Rest = {}): ContextField => ({
  name,
  offset,
  size: 8,
  read: [8],
  value,
  ...rest,
})

/** Consecutive words, such as an IPv6 address. */
export const words = (name: string, offset: number, count: number, rest: Rest = {}): ContextField[] =>
  Array.from({ length: count }, (_, i) => word(`${name}[${i}]`, offset + 4 * i, rest))

export const writable4 = { write: [4] } as const
