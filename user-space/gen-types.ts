// `bpfsim gen types OBJ`: a TypeScript interface of an object's programs, maps and variables, for readObject<T>(). The C types behind
// them come out as BtfValues reads them: 64 bits and pointers bigint, smaller integers number, char arrays string.

import type { Btf } from '../base/btf/btf.ts'
import type { BtfMember, BtfOf } from '../base/btf/types.ts'
import { isChar } from '../base/btf/value.ts'
import { MAP_TYPE } from '../ebpf-vm/uapi.ts'
import { eventTypeOf } from './events.ts'
import { INDEXED } from './loader/map.ts'
import type { MapSpec, ObjectSpec } from './object/spec.ts'

const PER_CPU: readonly number[] = [MAP_TYPE.percpu_hash, MAP_TYPE.percpu_array, MAP_TYPE.lru_percpu_hash]
const BUFFERS: readonly number[] = [MAP_TYPE.ringbuf, MAP_TYPE.perf_event_array]

/** The text of a `.types.ts` file. `file` is the object's name, for the heading. */
export function generateTypes(spec: ObjectSpec, file: string): string {
  const types = new TypeWriter(spec.btf)
  const name = types.claim(pascalCase(spec.name))
  const programs = Object.keys(spec.programs).map(quote).join(' | ') || 'never'
  const maps = Object.values(spec.maps).map((map) => `    ${key(map.name)}: ${mapType(map, types)}\n`)
  const variables = uniqueNames(spec).map(([variable, type]) => `    ${key(variable)}: ${types.of(type)}\n`)
  const object =
    `export interface ${name} {\n  programs: ${programs}\n` +
    `  maps: {\n${maps.join('')}  }\n  variables: {\n${variables.join('')}  }\n}\n`
  return [`// Written by \`bpfsim gen types ${file}\`: do not edit.\n`, ...types.declarations(), object].join('\n')
}

function uniqueNames(spec: ObjectSpec): [string, number][] {
  const found = new Map<string, number>()
  for (const { name, type } of spec.variableSpecs) if (!found.has(name)) found.set(name, type)
  return [...found]
}

function mapType(map: MapSpec, types: TypeWriter): string {
  if (BUFFERS.includes(map.type)) {
    const event = types.event(map.name)
    return `{ key: number; value: number; event: ${event} }`
  }
  const index = map.keyType === 0 && INDEXED.has(map.type)
  const key = index ? 'number' : map.keyType === 0 ? 'Uint8Array' : types.of(map.keyType)
  const value = map.valueType === 0 ? 'Uint8Array' : types.of(map.valueType)
  return `{ key: ${key}; value: ${PER_CPU.includes(map.type) ? listOf(value) : value} }`
}

const listOf = (type: string): string => (/^[\w.]+$/.test(type) ? `${type}[]` : `(${type})[]`)

/** C types as TypeScript; structs with names become interfaces of their own. */
class TypeWriter {
  readonly #btf: Btf | undefined
  readonly #names = new Map<number, string>()
  readonly #taken = new Set<string>()
  readonly #declared: string[] = []

  constructor(btf: Btf | undefined) {
    this.#btf = btf
  }

  /** In the order in which they were met, those within others first. */
  declarations(): readonly string[] {
    return this.#declared
  }

  claim(name: string): string {
    let free = name
    for (let i = 2; this.#taken.has(free); i++) free = `${name}${i}`
    this.#taken.add(free)
    return free
  }

  event(map: string): string {
    const id = eventTypeOf(this.#btf, map)
    return id === 0 ? 'Uint8Array' : this.of(id)
  }

  of(id: number): string {
    const btf = this.#btf!
    const type = btf.resolve(id)
    switch (type.kind) {
      case 'int':
        if (type.bool) return 'boolean'
        return type.size > 4 ? 'bigint' : 'number'
      case 'enum':
        return 'number'
      case 'float':
        return 'number'
      case 'enum64':
      case 'ptr':
        return 'bigint'
      case 'array':
        return isChar(btf, type.type) ? 'string' : listOf(this.of(type.type))
      case 'struct':
      case 'union':
        return this.#aggregate(type)
      case 'datasec': {
        const members = type.vars.map((entry) => `${key(btf.name(entry.type))}: ${this.of(entry.type)}`)
        return `{ ${members.join('; ')} }`
      }
      case 'var':
        return this.of(type.type)
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'decl_tag':
        return 'unknown'
    }
  }

  #aggregate(type: BtfOf<'struct'>): string {
    const known = this.#names.get(type.id)
    if (known) return known
    const members = this.#members(type)
    if (type.name === '') return `{ ${members.join('; ')} }`
    const name = this.claim(pascalCase(type.name))
    this.#names.set(type.id, name)
    this.#declared.push(`export interface ${name} {\n${members.map((member) => `  ${member}\n`).join('')}}\n`)
    return name
  }

  /** Those of anonymous members in their place. */
  #members(type: BtfOf<'struct'>): string[] {
    return type.members.flatMap((member) => {
      const inner = this.#btf!.resolve(member.type)
      if (member.name === '' && (inner.kind === 'struct' || inner.kind === 'union')) return this.#members(inner)
      return member.name === '' ? [] : [`${key(member.name)}: ${this.#member(member)}`]
    })
  }

  #member(member: BtfMember): string {
    if (member.bits === 0) return this.of(member.type)
    return member.bits > 32 ? 'bigint' : 'number'
  }
}

const pascalCase = (name: string): string =>
  name
    .split(/[^A-Za-z0-9]+|_+/)
    .filter((part) => part !== '')
    .map((part) => part[0]!.toUpperCase() + part.slice(1))
    .join('')
    .replace(/^(?=\d)/, 'T')

const quote = (name: string): string => `'${name}'`
const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name))
