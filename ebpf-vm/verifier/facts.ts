// The facts of a kernel of this generation: the tables that do not depend on its BTF, with what the caller knows of the rest.

import { type KernelFacts, ROOT } from '../../base/facts.ts'
import { KFUNCS } from '../helpers/kfuncs.ts'
import { PROGRAM_TYPES } from '../helpers/program-types.ts'
import { HELPERS } from '../helpers/protos.ts'

export type FactsInput = Pick<KernelFacts, 'release' | 'btf'> & Partial<KernelFacts>

/** `factsFor({ release, btf })`: a root loader on one CPU unless said otherwise. */
export function factsFor(input: FactsInput): KernelFacts {
  return {
    modules: [],
    capabilities: ROOT,
    programTypes: PROGRAM_TYPES,
    helpers: HELPERS,
    kfuncs: KFUNCS,
    cpus: 1,
    hz: 1000,
    ...input,
  }
}
