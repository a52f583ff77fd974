// Which types of the kernel may stand for a type of the object: those of its kind whose name is the same but for the flavour.
// The kernel's own BTF is asked first; modules only when it has none.

import type { Btf } from '../../../base/btf/btf.ts'
import { sameKind } from './compat.ts'
import { CoreError } from './kinds.ts'
import { essentialName } from './names.ts'

/** The BTF that relocations are resolved against. */
export interface CoreTarget {
  readonly btf: Btf
  readonly modules: readonly { readonly name: string; readonly btf: Btf }[]
}

export interface Candidate {
  readonly btf: Btf
  readonly id: number
}

/** Looks candidates up once per local type; one finder serves one object against one kernel. */
export class CandidateFinder {
  readonly #local: Btf
  readonly #target: CoreTarget
  readonly #found = new Map<number, readonly Candidate[]>()
  readonly #flavours = new Map<Btf, readonly string[]>()

  constructor(local: Btf, target: CoreTarget) {
    this.#local = local
    this.#target = target
  }

  /** In ascending order of ids. Throws CoreError for an anonymous type. */
  find(localType: number): readonly Candidate[] {
    const known = this.#found.get(localType)
    if (known) return known
    const type = this.#local.type(localType)
    if (type.name === '') throw new CoreError(`target candidate search failed for [${localType}] ${type.kind} : -22`)
    let found = this.#search(localType, this.#target.btf)
    if (found.length === 0) found = this.#target.modules.flatMap(({ btf }) => this.#search(localType, btf, btf.first))
    this.#found.set(localType, found)
    return found
  }

  /** Keeps only those candidates that a relocation matched: later relocations of the type look no further. */
  narrow(localType: number, candidates: readonly Candidate[]): void {
    this.#found.set(localType, candidates)
  }

  #search(localType: number, btf: Btf, first = 1): Candidate[] {
    const local = this.#local.type(localType)
    const name = essentialName(local.name)
    const names = [name, ...this.#flavoursOf(btf).filter((other) => other !== name && essentialName(other) === name)]
    return names
      .flatMap((each) => btf.findAll(each))
      .filter((id) => id >= first && sameKind(btf.type(id), local))
      .sort((a, b) => a - b)
      .map((id) => ({ btf, id }))
  }

  #flavoursOf(btf: Btf): readonly string[] {
    let names = this.#flavours.get(btf)
    if (!names) this.#flavours.set(btf, (names = btf.namesWith('___')))
    return names
  }
}
