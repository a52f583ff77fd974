// Where the active kernel keeps the members of its structs. Kernel code binds what it uses once, at boot, and then reads plain
// numbers: no offset is a literal, and what a kernel version lacks is -1.

import type { Btf } from './btf/btf.ts'
import type { BtfOf, BtfType } from './btf/types.ts'

/** A member found by path: byte offset and size; for a bitfield also its first bit within the bytes at `offset` and its width. */
export interface Field {
  readonly offset: number
  readonly size: number
  readonly type: number
  readonly bitOffset: number
  readonly bits: number
}

interface Found {
  readonly type: number
  readonly bitOffset: number
  readonly bits: number
}

export class Layouts {
  readonly btf: Btf
  /** Members by name of the structs that were asked for, by type id. */
  readonly #members = new Map<number, Map<string, Found>>()

  constructor(btf: Btf) {
    this.btf = btf
  }

  /** Bytes of `struct name` (or union), -1 if that kernel has none. */
  sizeOf(name: string): number {
    const id = this.btf.find(name, 'struct', 'union')
    return id === 0 ? -1 : this.btf.sizeOf(id)
  }

  /** The member of `struct name` at a dotted path (`se.sum_exec_runtime`); anonymous members are looked through. */
  field(name: string, path: string): Field | undefined {
    const id = this.btf.find(name, 'struct', 'union')
    if (id === 0) return undefined
    let type: BtfType = this.btf.resolve(id)
    let bitOffset = 0
    let found: { type: number; bits: number } | undefined
    for (const part of path.split('.')) {
      if (type.kind !== 'struct' && type.kind !== 'union') return undefined
      const member = this.#member(type, part)
      if (!member) return undefined
      bitOffset += member.bitOffset
      found = member
      type = this.btf.resolve(member.type)
    }
    if (!found) return undefined
    const size = this.btf.sizeOf(found.type)
    if (found.bits === 0) return { offset: bitOffset / 8, size, type: found.type, bitOffset: 0, bits: 0 }
    const offset = Math.floor(bitOffset / (size * 8)) * size
    return { offset, size, type: found.type, bitOffset: bitOffset - offset * 8, bits: found.bits }
  }

  /**
   * Offsets of several members: `bind('task_struct', { pid: 'pid', runtime: 'se.sum_exec_runtime' })` gives numbers under the same
   * keys, -1 for what is absent. A path of alternatives is separated by `|`, the first that exists wins.
   */
  bind<K extends string>(name: string, paths: Record<K, string>): Readonly<Record<K, number>> {
    const bound = {} as Record<K, number>
    for (const key of Object.keys(paths) as K[]) {
      bound[key] = -1
      for (const path of paths[key].split('|')) {
        const field = this.field(name, path)
        if (!field) continue
        bound[key] = field.offset
        break
      }
    }
    return bound
  }

  #member(type: BtfOf<'struct' | 'union'>, name: string): Found | undefined {
    let members = this.#members.get(type.id)
    if (!members) {
      members = new Map()
      this.#collect(type, 0, members)
      this.#members.set(type.id, members)
    }
    return members.get(name)
  }

  /** Members by name, those of anonymous members among them; the first of a name counts. */
  #collect(type: BtfOf<'struct' | 'union'>, baseBits: number, into: Map<string, Found>): void {
    for (const member of type.members) {
      const bitOffset = baseBits + member.bitOffset
      if (member.name !== '') {
        if (!into.has(member.name)) into.set(member.name, { type: member.type, bitOffset, bits: member.bits })
        continue
      }
      const inner = this.btf.resolve(member.type)
      if (inner.kind === 'struct' || inner.kind === 'union') this.#collect(inner, bitOffset, into)
    }
  }
}
