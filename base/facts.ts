// What the verifier knows of a kernel, as one value: from a profile, or from files, so that verifying needs no booted kernel.

import type { Btf } from './btf/btf.ts'

export interface KernelFacts {
  /** utsname release, e.g. 6.12.0. */
  readonly release: string
  readonly btf: Btf | undefined
  readonly modules: readonly { readonly name: string; readonly btf: Btf }[]
}
