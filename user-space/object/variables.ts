// Global variables of a spec as plain properties: reading one decodes the section's bytes by its BTF type, assigning encodes into
// them. Values as everywhere: 64 bits are bigint, smaller integers number, char arrays strings, structs objects.

import type { Btf } from '../../base/btf/btf.ts'
import { UserError } from '../../base/errors.ts'
import { suggest } from '../suggest.ts'
import { decodeValue, encodeValue } from '../values.ts'
import type { MapSpec, VariableSpec } from './spec.ts'

/** An object with one accessor per variable; assigning to an unknown name is a UserError. `where` names the object. */
export function variableAccessors(
  btf: Btf | undefined,
  maps: readonly MapSpec[],
  variables: readonly VariableSpec[],
  where: string,
): Record<string, unknown> {
  const accessors: Record<string, unknown> = {}
  for (const variable of variables) {
    const bytes = maps.find(({ name }) => name === variable.map)!.data!.bytes
    const { offset, sizeBytes, type, name } = variable
    const window = bytes.subarray(offset, offset + sizeBytes)
    Object.defineProperty(accessors, name, {
      enumerable: true,
      // Of two static variables of one name the first counts.
      configurable: false,
      get: () => decodeValue(btf!, type, window),
      set: (value: unknown) => encodeValue(btf!, type, window, value, `${where}: variable '${name}'`),
    })
  }
  return new Proxy(accessors, {
    set(target, key, value) {
      if (typeof key === 'string' && !(key in target)) {
        throw new UserError(`${where}: no global variable '${key}'${suggest(key, Object.keys(target))}`)
      }
      return Reflect.set(target, key, value)
    },
  })
}
