// How C on x86-64 (System V) would lay a struct out, so that a declaration can be made to give the offsets that BTF has: where padding
// must be written out, and whether the struct must be packed.

import type { Btf } from './btf.ts'
import type { BtfMember, BtfOf } from './types.ts'

/** What has to be written for one struct: bits of padding in front of each member and at its end. */
export interface CLayout {
  readonly packed: boolean
  /** `pads[i]` bits in front of member i, from bit `starts[i]` on. */
  readonly pads: readonly number[]
  readonly starts: readonly number[]
  readonly endPad: number
  readonly endStart: number
  /** Alignment of the struct as it will be declared, in bytes. */
  readonly alignBytes: number
  /** An `aligned` attribute that a union needs to reach its size; 0 for none. */
  readonly alignTo: number
}

export class CLayouts {
  readonly #btf: Btf
  readonly #known = new Map<number, CLayout>()

  constructor(btf: Btf) {
    this.#btf = btf
  }

  of(type: BtfOf<'struct' | 'union'>): CLayout {
    let layout = this.#known.get(type.id)
    if (!layout) {
      const make = type.kind === 'union' ? this.#union : this.#struct
      layout = make.call(this, type, false) ?? make.call(this, type, true)!
      this.#known.set(type.id, layout)
    }
    return layout
  }

  /** Alignment in bytes of a value of this type, as declared. */
  alignOf(id: number): number {
    const type = this.#btf.resolve(id)
    switch (type.kind) {
      case 'int':
      case 'float':
      case 'enum':
      case 'enum64':
        return type.size
      case 'ptr':
        return 8
      case 'array':
        return this.alignOf(type.type)
      case 'struct':
      case 'union':
        return this.of(type).alignBytes
      default:
        return 1
    }
  }

  /** Undefined when members lie closer together than C would put them: then the struct is packed. */
  #struct(type: BtfOf<'struct'>, packed: boolean): CLayout | undefined {
    const pads: number[] = []
    const starts: number[] = []
    let alignBytes = 1
    let end = 0
    for (const member of type.members) {
      const memberAlign = packed ? 1 : this.alignOf(member.type)
      const natural = naturalStart(member, end, memberAlign * 8, packed)
      if (natural > member.bitOffset) {
        if (packed) {
          // Overlapping members: no C declaration has them; keep the order and go on from here.
          pads.push(0)
          starts.push(end)
          end = Math.max(end, member.bitOffset + this.#bitsOf(member))
          continue
        }
        return undefined
      }
      starts.push(end)
      pads.push(natural === member.bitOffset ? 0 : member.bitOffset - end)
      alignBytes = Math.max(alignBytes, memberAlign)
      end = member.bitOffset + this.#bitsOf(member)
    }
    const naturalSize = roundUp(Math.ceil(end / 8), alignBytes)
    if (!packed && (naturalSize > type.size || type.size % alignBytes !== 0)) return undefined
    const endPad = naturalSize < type.size ? type.size * 8 - end : 0
    return { packed, pads, starts, endPad, endStart: end, alignBytes, alignTo: 0 }
  }

  #union(type: BtfOf<'union'>, packed: boolean): CLayout | undefined {
    let alignBytes = 1
    let largest = 0
    for (const member of type.members) {
      if (!packed) alignBytes = Math.max(alignBytes, this.alignOf(member.type))
      largest = Math.max(largest, Math.ceil((member.bitOffset + this.#bitsOf(member)) / 8))
    }
    if (!packed && (roundUp(largest, alignBytes) > type.size || type.size % alignBytes !== 0)) return undefined
    const pads = type.members.map(() => 0)
    let alignTo = 0
    if (roundUp(largest, alignBytes) < type.size) {
      alignTo = alignBytes
      while (alignTo < type.size && roundUp(largest, alignTo) < type.size) alignTo *= 2
      alignBytes = alignTo
    }
    return { packed, pads, starts: pads, endPad: 0, endStart: 0, alignBytes, alignTo }
  }

  #bitsOf(member: BtfMember): number {
    return member.bits > 0 ? member.bits : this.#btf.sizeOf(member.type) * 8
  }
}

/** Where C puts a member that follows bit `end`: a bitfield where it does not cross a unit of its type, others at their alignment. */
function naturalStart(member: BtfMember, end: number, alignBits: number, packed: boolean): number {
  if (member.bits === 0) return roundUp(end, packed ? 8 : alignBits)
  const crosses = !packed && (end % alignBits) + member.bits > alignBits
  return crosses ? roundUp(end, alignBits) : end
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
