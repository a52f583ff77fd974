// The part of a kernel's BTF that a profile keeps: what is named, everything that it holds by value (whole structs or none), and
// forward declarations of what it only points to. Types keep the order they have in the kernel.

import type { Btf } from '../../base/btf/btf.ts'
import { BtfBuilder, mapTypeIds } from '../../base/btf/encode.ts'
import type { BtfType } from '../../base/btf/types.ts'
import { unreachable } from '../../base/errors.ts'

/** Bits of a type's need: reached through a pointer, or by value. */
const POINTED = 1
const HELD = 2

export function subset(btf: Btf, roots: Iterable<number>): Btf {
  const needs = new Uint8Array(btf.count)
  const queue: [id: number, need: number][] = []
  const want = (id: number, need: number): void => {
    if (id === 0 || (needs[id]! & need) !== 0) return
    needs[id]! |= need
    queue.push([id, need])
  }
  for (const id of roots) want(id, HELD)
  for (let next = queue.pop(); next; next = queue.pop()) follow(btf.type(next[0]), next[1], want)

  const ids = new Uint32Array(btf.count)
  const kept: BtfType[] = []
  for (let id = 1; id < btf.count; id++) {
    const type = btf.type(id)
    const tag = type.kind === 'decl_tag' && needs[type.type] !== 0 && (needs[type.type]! & HELD) !== 0
    if (needs[id] === 0 && !tag) continue
    kept.push(forward(type, needs[id]!))
    ids[id] = kept.length
  }
  const builder = new BtfBuilder()
  for (const type of kept) builder.add(mapTypeIds(type, (id) => ids[id]!))
  return builder.build()
}

function follow(type: BtfType, need: number, want: (id: number, need: number) => void): void {
  switch (type.kind) {
    case 'ptr':
      want(type.type, POINTED)
      break
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
      want(type.type, need)
      break
    case 'struct':
    case 'union':
      if (need === HELD || type.name === '') for (const member of type.members) want(member.type, HELD)
      break
    case 'array':
      want(type.indexType, HELD)
      want(type.type, HELD)
      break
    case 'func_proto':
      want(type.returnType, HELD)
      for (const param of type.params) want(param.type, HELD)
      break
    case 'func':
    case 'var':
    case 'decl_tag':
      want(type.type, HELD)
      break
    case 'datasec':
      for (const entry of type.vars) want(entry.type, HELD)
      break
    case 'void':
    case 'int':
    case 'enum':
    case 'enum64':
    case 'fwd':
    case 'float':
      break
    default:
      unreachable(type)
  }
}

/** A named struct that nothing holds becomes its forward declaration. */
function forward(type: BtfType, need: number): BtfType {
  if ((type.kind !== 'struct' && type.kind !== 'union') || type.name === '' || (need & HELD) !== 0) return type
  return { kind: 'fwd', id: type.id, name: type.name, union: type.kind === 'union' }
}
