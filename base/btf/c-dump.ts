// All types of a BTF as one C header, as `bpftool btf dump FILE format c` writes vmlinux.h: it compiles, and sizes and offsets come out
// the same. Types stand in the order of their ids, what they hold by value before them, what they point to declared before them.
// Two types of one name are told apart by a suffix, `___2`, which CO-RE ignores.

import type { Btf } from './btf.ts'
import { CLayouts } from './c-layout.ts'
import { declare } from './type-name.ts'
import type { BtfOf, BtfType } from './types.ts'

const HEAD = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

`
const TAIL = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`

type Aggregate = BtfOf<'struct' | 'union'>
type Enum = BtfOf<'enum' | 'enum64'>

/** The C header of every type in `btf`, those of its base included. */
export function dumpC(btf: Btf): string {
  const dump = new CDump(btf)
  for (let id = 1; id < btf.count; id++) dump.top(id)
  return HEAD + dump.text() + TAIL
}

/** Integer types that C knows without a typedef. */
const C_INTEGER = /^(?:(?:signed|unsigned|char|short|int|long|_Bool|__int128) ?)+$/

class CDump {
  readonly #btf: Btf
  readonly #layouts: CLayouts
  readonly #out: string[] = []
  /** Struct and union tags are one name space, typedefs and enumerators another. */
  readonly #tags = new Names()
  readonly #identifiers = new Names()
  readonly #defined = new Set<number>()
  readonly #declared = new Set<string>()
  readonly #inlined: Set<number>

  constructor(btf: Btf) {
    this.#btf = btf
    this.#layouts = new CLayouts(btf)
    this.#inlined = anonymousEnumsInUse(btf)
  }

  text(): string {
    return this.#out.join('')
  }

  /** A type that stands on its own in the header; others are part of those. */
  top(id: number): void {
    const type = this.#btf.type(id)
    switch (type.kind) {
      case 'struct':
      case 'union':
        if (type.name !== '') this.#define(id)
        break
      case 'enum':
      case 'enum64':
        if (type.name !== '' || !this.#inlined.has(id)) this.#define(id)
        break
      case 'typedef':
        this.#define(id)
        break
      case 'fwd':
        this.#forward(type)
        break
    }
  }

  /** Writes the definition of a named type (or a free-standing anonymous enum) and, before it, what that needs. */
  #define(id: number): void {
    if (this.#defined.has(id)) return
    this.#defined.add(id)
    const type = this.#btf.type(id)
    switch (type.kind) {
      case 'struct':
      case 'union':
        for (const member of type.members) this.#need(member.type, true)
        this.#declared.add(this.#tag(type))
        this.#out.push(`${this.#aggregate(type, '')};\n\n`)
        break
      case 'enum':
      case 'enum64':
        this.#out.push(`${this.#enum(type, '')};\n\n`)
        break
      case 'typedef':
        if (type.name === '__builtin_va_list') break
        this.#need(type.type, false)
        this.#out.push(`typedef ${this.#declare(type.type, this.#identifiers.of(id, type.name))};\n\n`)
        break
    }
  }

  /** Sees to it that a type may be used: complete, or (`whole` is false) only pointed to or renamed. */
  #need(id: number, whole: boolean): void {
    const type = this.#btf.type(id)
    switch (type.kind) {
      case 'struct':
      case 'union':
        if (type.name === '') for (const member of type.members) this.#need(member.type, true)
        else if (whole) this.#define(id)
        else this.#forward(type)
        break
      case 'fwd':
        this.#forward(type)
        break
      case 'enum':
      case 'enum64':
        if (type.name !== '') this.#define(id)
        break
      case 'int':
        this.#integer(type)
        break
      case 'typedef':
        this.#define(id)
        if (whole) this.#need(type.type, true)
        break
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'type_tag':
        this.#need(type.type, whole)
        break
      case 'ptr':
        this.#need(type.type, false)
        break
      case 'array':
        this.#need(type.type, true)
        break
      case 'func_proto':
        this.#need(type.returnType, false)
        for (const param of type.params) this.#need(param.type, false)
        break
    }
  }

  /** `struct name;`, once, unless it is defined already. */
  #forward(type: Aggregate | BtfOf<'fwd'>): void {
    const tag = this.#tag(type)
    if (this.#declared.has(tag)) return
    this.#declared.add(tag)
    this.#out.push(`${tag};\n\n`)
  }

  /** An integer that is no C keyword (Rust's `u8`) becomes a typedef of the C type of its size. */
  #integer(type: BtfOf<'int'>): void {
    if (C_INTEGER.test(type.name) || this.#defined.has(type.id)) return
    this.#defined.add(type.id)
    const name = this.#identifiers.of(type.id, type.name)
    this.#out.push(`typedef ${type.signed ? 'signed' : 'unsigned'} ${C_BY_SIZE[type.size]} ${name};\n\n`)
  }

  #tag(type: Aggregate | BtfOf<'fwd'>): string {
    // A forward declaration stands for the first struct of its name.
    if (type.kind === 'fwd') return `${type.union ? 'union' : 'struct'} ${type.name}`
    return `${type.kind} ${this.#tags.of(type.id, type.name)}`
  }

  #declare(id: number, name: string, indent = ''): string {
    return declare(this.#btf, id, name, (type) => {
      switch (type.kind) {
        case 'struct':
        case 'union':
          return type.name === '' ? this.#aggregate(type, indent) : this.#tag(type)
        case 'fwd':
          return this.#tag(type)
        case 'enum':
        case 'enum64':
          return type.name === '' ? this.#enum(type, indent) : `enum ${this.#tags.of(type.id, type.name)}`
        case 'typedef':
          return type.name === '__builtin_va_list' ? type.name : this.#identifiers.of(type.id, type.name)
        case 'int':
          return C_INTEGER.test(type.name) ? type.name : this.#identifiers.of(type.id, type.name)
        case 'float':
          return type.name
      }
    })
  }

  #aggregate(type: Aggregate, indent: string): string {
    const layout = this.#layouts.of(type)
    const tag = type.name === '' ? type.kind : this.#tag(type)
    const lines: string[] = []
    for (const [i, member] of type.members.entries()) {
      lines.push(...padding(layout.starts[i]!, layout.pads[i]!))
      const bits = member.bits > 0 ? `: ${member.bits}` : ''
      lines.push(`${this.#declare(member.type, member.name, `${indent}\t`)}${bits};`)
    }
    lines.push(...padding(layout.endStart, layout.endPad))
    const packed = layout.packed ? ' __attribute__((packed))' : ''
    const aligned = layout.alignTo > 0 ? ` __attribute__((aligned(${layout.alignTo})))` : ''
    if (lines.length === 0) return `${tag} {}${packed}${aligned}`
    return `${tag} {\n${lines.map((line) => `${indent}\t${line}\n`).join('')}${indent}}${packed}${aligned}`
  }

  #enum(type: Enum, indent: string): string {
    const tag = type.name === '' ? 'enum' : `enum ${this.#tags.of(type.id, type.name)}`
    if (type.values.length === 0) return tag
    const lines = type.values.map((entry, i) => {
      const name = this.#identifiers.of(`${type.id}.${i}`, entry.name)
      return `${indent}\t${name} = ${constant(entry.value)},\n`
    })
    const fits = type.values.every((entry) => entry.value >= -(2 ** 31) && entry.value < 2 ** 32)
    const mode = type.size === 4 || (type.size === 8 && !fits) ? '' : ` __attribute__((mode(${MODES[type.size]})))`
    return `${tag} {\n${lines.join('')}${indent}}${mode}`
  }
}

const C_BY_SIZE: Readonly<Record<number, string>> = { 1: 'char', 2: 'short', 4: 'int', 8: 'long', 16: '__int128' }
const MODES: Readonly<Record<number, string>> = { 1: 'QI', 2: 'HI', 8: 'DI' }

/** C has no literal for the least 64-bit integer. */
function constant(value: number | bigint): string {
  if (typeof value === 'number') return String(value)
  if (value === -(2n ** 63n)) return '(-9223372036854775807LL - 1)'
  return `${value}${value < 0n ? 'LL' : 'ULL'}`
}

/**
 * Unnamed bitfields over `bits` bits from bit `start` on; none crosses a multiple of 64. They do not raise the alignment. A gap that
 * would take more than a page of them is an array instead.
 */
function padding(start: number, bits: number): string[] {
  const lines: string[] = []
  for (let at = start; at < start + bits; ) {
    const left = start + bits - at
    if (left > MAX_PADDING_BITS && at % 8 === 0) {
      lines.push(`char __pad_${at / 8}[${Math.floor(left / 8)}];`)
      at += Math.floor(left / 8) * 8
      continue
    }
    const width = Math.min(64 - (at % 64), left)
    lines.push(`long: ${width};`)
    at += width
  }
  return lines
}

const MAX_PADDING_BITS = 4096 * 8

/** Anonymous enums that are written where they are used: in a member, a typedef, a prototype. */
function anonymousEnumsInUse(btf: Btf): Set<number> {
  const used = new Set<number>()
  const note = (id: number): void => {
    const kind = btf.kind(id)
    if (kind === 'enum' || kind === 'enum64') used.add(id)
  }
  for (let id = 1; id < btf.count; id++) for (const target of references(btf.type(id))) note(target)
  return used
}

function references(type: BtfType): number[] {
  switch (type.kind) {
    case 'struct':
    case 'union':
      return type.members.map((member) => member.type)
    case 'func_proto':
      return [type.returnType, ...type.params.map((param) => param.type)]
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
    case 'ptr':
    case 'array':
      return [type.type]
    default:
      return []
  }
}

/** Gives each type a name of its own: the second `name` is `name___2`. */
class Names {
  readonly #given = new Map<number | string, string>()
  readonly #uses = new Map<string, number>()

  of(key: number | string, name: string): string {
    let given = this.#given.get(key)
    if (given === undefined) {
      const use = (this.#uses.get(name) ?? 0) + 1
      this.#uses.set(name, use)
      given = use === 1 ? name : `${name}___${use}`
      this.#given.set(key, given)
    }
    return given
  }
}
