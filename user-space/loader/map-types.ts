// The C types of a map's elements and records, by id in its object's BTF.

import type { Btf } from '../../base/btf/btf.ts'

/** 0 where no type is known: bytes then. */
export interface MapTypes {
  readonly btf: Btf | undefined
  readonly key: number
  readonly value: number
  /** Type of the records of a ring buffer or perf event array. */
  readonly event: number
}
