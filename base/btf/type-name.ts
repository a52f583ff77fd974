// The C spelling of a type: `struct task_struct *`, `const char *`, `unsigned int [4]`, `int (*fn)(void *)`.

import { unreachable } from '../errors.ts'
import type { Btf } from './btf.ts'
import type { BtfOf } from './types.ts'

/** Kinds that a declaration names instead of spelling out. */
type Named = BtfOf<'int' | 'float' | 'typedef' | 'struct' | 'union' | 'fwd' | 'enum' | 'enum64'>

/** How C spells this type. Anonymous structs and enums are `struct {...}`: they have no other name. */
export function typeName(btf: Btf, id: number): string {
  return declare(btf, id, '')
}

/** A declaration of `name` as this type: `char comm[16]`, `int (*fn)(void *)`; `specifier` spells what a declaration begins with. */
export function declare(
  btf: Btf,
  id: number,
  name: string,
  specifier: (type: Named) => string = plainSpecifier,
): string {
  const named = (text: string): string => (name === '' ? text : `${text} ${name}`)
  const inner = (of: number, declarator: string): string => declare(btf, of, declarator, specifier)
  const type = btf.type(id)
  switch (type.kind) {
    case 'void':
      return named('void')
    case 'int':
    case 'float':
    case 'typedef':
    case 'struct':
    case 'union':
    case 'fwd':
    case 'enum':
    case 'enum64':
      return named(specifier(type))
    case 'ptr': {
      const target = btf.kind(type.type)
      const wrap = target === 'array' || target === 'func_proto'
      return inner(type.type, wrap ? `(*${name})` : `*${name}`)
    }
    case 'const':
    case 'volatile':
    case 'restrict':
      // A qualifier of a pointer stands behind the star, any other in front; one of an array may stand at its elements already.
      if (qualified(btf, type.type, type.kind)) return inner(type.type, name)
      return behindStar(btf, type.type)
        ? inner(type.type, name === '' ? type.kind : `${type.kind} ${name}`)
        : `${type.kind} ${inner(type.type, name)}`
    case 'type_tag': {
      const tag = type.attribute ? `__attribute__((${type.name}))` : `__attribute__((btf_type_tag("${type.name}")))`
      return inner(type.type, name === '' ? tag : `${tag} ${name}`)
    }
    case 'array':
      return inner(type.type, `${name}[${type.length}]`)
    case 'func_proto': {
      const params = type.params.map((param) => (param.type === 0 ? '...' : inner(param.type, param.name)))
      return inner(type.returnType, `${name}(${params.join(', ') || 'void'})`)
    }
    case 'func':
    case 'var':
      return inner(type.type, type.name)
    case 'datasec':
    case 'decl_tag':
      return named(type.name)
    default:
      return unreachable(type)
  }
}

/** True if an array's elements carry this qualifier. */
function qualified(btf: Btf, id: number, qualifier: 'const' | 'volatile' | 'restrict'): boolean {
  const type = btf.type(id)
  switch (type.kind) {
    case 'array':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
      return type.kind === qualifier || qualified(btf, type.type, qualifier)
    default:
      return false
  }
}

function behindStar(btf: Btf, id: number): boolean {
  const type = btf.type(id)
  switch (type.kind) {
    case 'ptr':
      return true
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
      return behindStar(btf, type.type)
    default:
      return false
  }
}

function plainSpecifier(type: Named): string {
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'typedef':
      return type.name
    case 'struct':
    case 'union':
      return `${type.kind} ${type.name || '{...}'}`
    case 'fwd':
      return `${type.union ? 'union' : 'struct'} ${type.name}`
    case 'enum':
    case 'enum64':
      return `enum ${type.name || '{...}'}`
  }
}
