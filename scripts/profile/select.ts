// The types that a profile begins with, in a given kernel's BTF: names from roots.ts, and the tracepoints
// that this kernel has.

import type { Btf } from '../../base/btf/btf.ts'
import { indexTracepoints } from '../../kernel-sim/profiles/tracepoints.ts'
import {
  BPF_STRUCTS,
  CONSTANTS,
  ENUMS,
  FUNCTION_PATTERNS,
  FUNCTIONS,
  KFUNC_PATTERNS,
  STRUCTS,
  VARIABLES,
} from './roots.ts'

export function selectRoots(btf: Btf): Set<number> {
  const roots = new Set<number>()
  const add = (names: Iterable<string>, ...kinds: Parameters<Btf['find']>[1][]): void => {
    for (const name of names) {
      for (const id of btf.findAll(name)) if (kinds.includes(btf.kind(id))) roots.add(id)
    }
  }
  add([...STRUCTS, ...BPF_STRUCTS], 'struct', 'union', 'typedef')
  add(ENUMS, 'enum', 'enum64')

  const constants = new Set(CONSTANTS)
  const exact = new Set(FUNCTIONS)
  const patterns = [...FUNCTION_PATTERNS, ...KFUNC_PATTERNS].map((text) => text.replaceAll('*', '.*'))
  const pattern = new RegExp(`^(?:${patterns.join('|')})$`)
  const variables = new Set(VARIABLES)
  for (const type of btf.types()) {
    switch (type.kind) {
      case 'enum':
      case 'enum64':
        if (type.name === '' && type.values.some(({ name }) => constants.has(name))) roots.add(type.id)
        break
      case 'func':
        if (exact.has(type.name) || pattern.test(type.name)) roots.add(type.id)
        break
      case 'var':
        if (variables.has(type.name)) roots.add(type.id)
        break
    }
  }
  for (const { typedef, structType } of indexTracepoints(btf)) {
    roots.add(typedef)
    if (structType !== 0) roots.add(structType)
  }
  return roots
}
