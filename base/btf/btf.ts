// One BTF blob: types decoded on demand, found by name, measured. A module's (split) BTF continues the ids and strings of its base.

import { InternalError } from '../errors.ts'
import type { BtfKind, BtfType } from './types.ts'

export class Btf {
  readonly base: Btf | undefined
  /** Type ids are below this, those of the base included. */
  readonly count: number = 1

  private constructor(base: Btf | undefined) {
    this.base = base
  }

  /** Throws UserError when the blob is damaged. */
  static parse(_bytes: Uint8Array, base?: Btf): Btf {
    return new Btf(base)
  }

  /** The type with this id; throws InternalError past the end (check ids from outside against `count`). */
  type(id: number): BtfType {
    throw new InternalError(`BTF type ${id}`)
  }

  /** Id of the first type of this name and kind (any kind if none is given), 0 if there is none. */
  find(_name: string, ..._kinds: BtfKind[]): number {
    return 0
  }

  /** Every id of this name, for flavours and duplicates. */
  findAll(_name: string): readonly number[] {
    return []
  }

  /** Through typedef, const, volatile, restrict and type_tag to the type itself. */
  resolve(id: number): BtfType {
    return this.type(id)
  }

  /** Bytes a value of this type takes; -1 for void, forward declarations and functions. */
  sizeOf(_id: number): number {
    return -1
  }

  /** The whole blob as Linux has it in /sys/kernel/btf (without the base's part). */
  encode(): Uint8Array {
    return new Uint8Array()
  }
}
