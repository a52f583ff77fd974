// The C spelling of a type without a declarator: `struct task_struct *`, `const char *`, `unsigned int[4]`, `int (*)(void *)`.

import { unreachable } from '../errors.ts'
import type { Btf } from './btf.ts'

/** How C spells this type. Anonymous structs and enums are `struct {...}`: they have no other name. */
export function typeName(btf: Btf, id: number): string {
  return declare(btf, id, '')
}

/** A declaration of `name` as this type: `char comm[16]`, `int (*fn)(void *)`. */
export function declare(btf: Btf, id: number, name: string): string {
  const type = btf.type(id)
  const named = (text: string): string => (name === '' ? text : `${text} ${name}`)
  switch (type.kind) {
    case 'void':
      return named('void')
    case 'int':
    case 'float':
    case 'typedef':
      return named(type.name)
    case 'struct':
    case 'union':
      return named(`${type.kind} ${type.name || '{...}'}`)
    case 'fwd':
      return named(`${type.union ? 'union' : 'struct'} ${type.name}`)
    case 'enum':
    case 'enum64':
      return named(`enum ${type.name || '{...}'}`)
    case 'ptr': {
      const target = btf.kind(type.type)
      const wrap = target === 'array' || target === 'func_proto'
      return declare(btf, type.type, wrap ? `(*${name})` : `*${name}`)
    }
    case 'const':
    case 'volatile':
    case 'restrict':
      // A qualifier of a pointer stands behind the star, any other in front.
      return btf.kind(type.type) === 'ptr'
        ? declare(btf, type.type, name === '' ? type.kind : `${type.kind} ${name}`)
        : `${type.kind} ${declare(btf, type.type, name)}`
    case 'array':
      return declare(btf, type.type, `${name}[${type.length || ''}]`)
    case 'func_proto': {
      const params = type.params.map((param) => (param.type === 0 ? '...' : declare(btf, param.type, param.name)))
      return declare(btf, type.returnType, `${name}(${params.join(', ') || 'void'})`)
    }
    case 'type_tag':
      return declare(btf, type.type, name)
    case 'func':
    case 'var':
      return declare(btf, type.type, type.name)
    case 'datasec':
    case 'decl_tag':
      return named(type.name)
    default:
      return unreachable(type)
  }
}
