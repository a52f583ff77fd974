// `--set NAME=VALUE`: a global variable from text.

import { parseValue } from '../../base/btf/format-value.ts'
import { UserError } from '../../base/errors.ts'
import { suggest } from '../suggest.ts'
import type { ObjectShape, ObjectSpec } from './spec.ts'

/** The text is a number, true or false, an enum's name, text for an array of char, JSON for structs and lists. Throws UserError. */
export function setVariable<T extends ObjectShape>(spec: ObjectSpec<T>, name: string, text: string): void {
  const variable = spec.variableSpecs.find((each) => each.name === name)
  if (!variable || !spec.btf) {
    const known = spec.variableSpecs.map((each) => each.name)
    throw new UserError(`${spec.name}: no global variable '${name}'${suggest(name, known)}`)
  }
  const values = spec.variables as Record<string, unknown>
  values[name] = parseValue(spec.btf, variable.type, text, `${spec.name}: variable '${name}'`)
}
