// BTF as text, one type after the other with its id, as `bpftool btf dump FILE format raw` prints it.

import type { Btf } from './btf.ts'
import type { BtfKind, BtfOf } from './types.ts'

/** The types of `btf` itself; those of a base are not repeated. */
export function dumpRaw(btf: Btf): string {
  let text = ''
  for (const type of btf.types()) text += `[${type.id}] ${LABELS[type.kind]} ${describe(btf, type.id)}\n`
  return text
}

const LABELS: Readonly<Record<BtfKind, string>> = {
  void: 'VOID',
  int: 'INT',
  ptr: 'PTR',
  array: 'ARRAY',
  struct: 'STRUCT',
  union: 'UNION',
  enum: 'ENUM',
  enum64: 'ENUM64',
  fwd: 'FWD',
  typedef: 'TYPEDEF',
  volatile: 'VOLATILE',
  const: 'CONST',
  restrict: 'RESTRICT',
  func: 'FUNC',
  func_proto: 'FUNC_PROTO',
  var: 'VAR',
  datasec: 'DATASEC',
  float: 'FLOAT',
  decl_tag: 'DECL_TAG',
  type_tag: 'TYPE_TAG',
}

const quote = (name: string): string => `'${name || '(anon)'}'`

function describe(btf: Btf, id: number): string {
  const type = btf.type(id)
  const name = quote(type.name)
  switch (type.kind) {
    case 'int': {
      const { size, bitOffset, bits } = type
      return `${name} size=${size} bits_offset=${bitOffset} nr_bits=${bits} encoding=${encodingOf(type)}`
    }
    case 'ptr':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'typedef':
    case 'type_tag':
      return `${name} type_id=${type.type}`
    case 'array':
      return `${name} type_id=${type.type} index_type_id=${type.indexType} nr_elems=${type.length}`
    case 'struct':
    case 'union': {
      const lines = type.members.map(({ name: member, type: of, bitOffset, bits }) => {
        const size = bits > 0 ? ` bitfield_size=${bits}` : ''
        return `\n\t${quote(member)} type_id=${of} bits_offset=${bitOffset}${size}`
      })
      return `${name} size=${type.size} vlen=${lines.length}${lines.join('')}`
    }
    case 'enum':
    case 'enum64': {
      const lines = type.values.map(
        (entry) =>
          `\n\t${quote(entry.name)} val=${entry.value}${type.kind === 'enum64' ? (type.signed ? 'LL' : 'ULL') : ''}`,
      )
      const sign = type.signed ? 'SIGNED' : 'UNSIGNED'
      return `${name} encoding=${sign} size=${type.size} vlen=${lines.length}${lines.join('')}`
    }
    case 'fwd':
      return `${name} fwd_kind=${type.union ? 'union' : 'struct'}`
    case 'func':
      return `${name} type_id=${type.type} linkage=${type.linkage}`
    case 'func_proto': {
      const lines = type.params.map((param) => `\n\t${quote(param.name)} type_id=${param.type}`)
      return `${name} ret_type_id=${type.returnType} vlen=${lines.length}${lines.join('')}`
    }
    case 'var':
      return `${name} type_id=${type.type}, linkage=${type.linkage}`
    case 'datasec': {
      const lines = type.vars.map((entry) => {
        const { type: of, offset, size } = entry
        return `\n\ttype_id=${of} offset=${offset} size=${size} (VAR ${quote(btf.name(of))})`
      })
      return `${name} size=${type.size} vlen=${lines.length}${lines.join('')}`
    }
    case 'float':
      return `${name} size=${type.size}`
    case 'decl_tag':
      return `${name} type_id=${type.type} component_idx=${type.componentIndex}`
    case 'void':
      return name
  }
}

function encodingOf({ signed, char, bool }: BtfOf<'int'>): string {
  if (signed) return 'SIGNED'
  if (char) return 'CHAR'
  return bool ? 'BOOL' : '(none)'
}
