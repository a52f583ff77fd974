// Values of BTF types as text, in the notation of C initializers, and text back to values (for `--set NAME=VALUE`).
//
//   { .pid = 1, .comm = "init", .state = TASK_RUNNING, .next = 0xffff888000001000 }

import { UserError } from '../errors.ts'
import type { Btf } from './btf.ts'
import { isChar, type ValueObject } from './value.ts'

/** A decoded value (BtfValues.decode) as text. */
export function formatValue(btf: Btf, id: number, value: unknown): string {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'enum':
    case 'enum64':
      return type.values.find((entry) => entry.value === value)?.name ?? String(value)
    case 'ptr':
      return `0x${(value as bigint).toString(16)}`
    case 'array':
      if (typeof value === 'string') return JSON.stringify(value)
      return `{ ${(value as unknown[]).map((each) => formatValue(btf, type.type, each)).join(', ')} }`
    case 'struct':
    case 'union':
      return braces(members(btf, id), value as ValueObject, btf)
    case 'datasec': {
      const parts = type.vars.map((entry) => ({ name: btf.name(entry.type), type: entry.type }))
      return braces(parts, value as ValueObject, btf)
    }
    case 'var':
      return formatValue(btf, type.type, value)
    default:
      return String(value)
  }
}

function braces(parts: { name: string; type: number }[], value: ValueObject, btf: Btf): string {
  const given = parts.filter((part) => part.name in value)
  const texts = given.map((part) => `.${part.name} = ${formatValue(btf, part.type, value[part.name])}`)
  return texts.length === 0 ? '{}' : `{ ${texts.join(', ')} }`
}

/** Named members, those of anonymous ones in their place. */
function members(btf: Btf, id: number): { name: string; type: number }[] {
  const type = btf.resolve(id)
  if (type.kind !== 'struct' && type.kind !== 'union') return []
  return type.members.flatMap((member) => (member.name === '' ? members(btf, member.type) : [member]))
}

/**
 * A value that a person wrote, as BtfValues.encode() takes it: an integer (decimal, 0x, 0b, 0o, 'c'), true or false, an enum's
 * name, text for arrays of char, JSON for lists and structs. Throws UserError; `path` names the value.
 */
export function parseValue(btf: Btf, id: number, text: string, path: string): unknown {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'var':
      return parseValue(btf, type.type, text, path)
    case 'int':
      if (type.bool && /^(true|false|y|n|yes|no)$/.test(text)) return text.startsWith('t') || text.startsWith('y')
      return parseInteger(text, path)
    case 'ptr':
      return parseInteger(text, path)
    case 'enum':
    case 'enum64':
      return type.values.some((entry) => entry.name === text) ? text : parseInteger(text, path)
    case 'float': {
      const value = Number(text)
      if (text.trim() === '' || Number.isNaN(value)) throw new UserError(`${path}: ${text} is no number`)
      return value
    }
    case 'array':
      return isChar(btf, type.type) ? text : parseJson(text, path)
    default:
      return parseJson(text, path)
  }
}

function parseInteger(text: string, path: string): bigint {
  const character = /^'(.)'$/.exec(text)
  if (character) return BigInt(character[1]!.charCodeAt(0))
  const match = /^(-?)(\d+|0x[0-9a-f]+|0b[01]+|0o[0-7]+)$/i.exec(text.trim())
  if (!match) throw new UserError(`${path}: ${text} is no integer`)
  const value = BigInt(match[2]!)
  return match[1] === '-' ? -value : value
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UserError(`${path}: ${text} is no JSON; lists and structs are written as [1,2] and {"member":1}`)
  }
}
