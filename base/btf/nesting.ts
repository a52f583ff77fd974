// No type contains itself and none nests without end: readers that recurse through types come back, and not too late.

import { UserError } from '../errors.ts'
import { BTF_RECORD_BYTES, KIND_NAMES, KINDS, kindCodeOf, vlenOf } from './format.ts'
import type { BtfKind } from './types.ts'
import type { Records } from './validate.ts'

/** How deep types may nest, by value or in one declaration: readers recurse so far. Linux's own limit is 32. */
const MAX_DEPTH = 128

/**
 * No type contains itself by value, no declaration has to be spelled within itself, and no chain of pointers and modifiers comes back to
 * its start; nothing nests deeper than readers may recurse.
 */
export function checkNesting(records: Records): void {
  checkChains(records)
  checkPaths(records, heldTypes(records))
  checkPaths(records, spelledTypes(records))
}

function fail({ offsets, firstId, where }: Records, i: number, what: string): never {
  throw new UserError(`${where}: damaged BTF: type [${firstId + i}] at byte ${offsets[i]} ${what}`)
}

/** A set of kinds, by code. */
function kindSet(...kinds: readonly BtfKind[]): Uint8Array {
  const set = new Uint8Array(KIND_NAMES.length)
  for (const kind of kinds) set[KINDS[kind].code] = 1
  return set
}

/** A modifier or pointer has one successor: `seen[i]` is the walk (its start + 1) that came through first. */
function checkChains(records: Records): void {
  const { dv, offsets, firstId } = records
  const linking = kindSet('typedef', 'volatile', 'const', 'restrict', 'type_tag', 'ptr')
  const seen = new Uint32Array(offsets.length)
  for (let start = 0; start < offsets.length; start++) {
    for (let i = start; i >= 0 && i < offsets.length; ) {
      const at = offsets[i]!
      if (linking[kindCodeOf(dv.getUint32(at + 4, true))] === 0) break
      if (seen[i] === start + 1) fail(records, i, 'contains itself')
      if (seen[i] !== 0) break
      seen[i] = start + 1
      i = dv.getUint32(at + 8, true) - firstId
    }
  }
}

/** The edges of a graph over the records. */
interface Parts {
  /** Kinds that lead anywhere, by code. */
  readonly inner: Uint8Array
  /** Index of the part-th type that record i leads to; negative for one in the base (complete by then), NONE past the last. */
  readonly next: (i: number, part: number) => number
}
const NONE = 0x7fffffff

/** What a type holds by value. */
function heldTypes({ dv, offsets, firstId }: Records): Parts {
  const single = kindSet('typedef', 'volatile', 'const', 'restrict', 'type_tag')
  const aggregate = kindSet('struct', 'union')
  const inner = kindSet('typedef', 'volatile', 'const', 'restrict', 'type_tag', 'struct', 'union', 'array')
  const next: Parts['next'] = (i, part) => {
    const at = offsets[i]!
    const info = dv.getUint32(at + 4, true)
    const code = kindCodeOf(info)
    if (aggregate[code] === 1) return part < vlenOf(info) ? member(dv, at, part, KINDS.struct.each) - firstId : NONE
    if (part > 0) return NONE
    if (code === KINDS.array.code) return dv.getUint32(at + BTF_RECORD_BYTES, true) - firstId
    return single[code] === 1 ? dv.getUint32(at + 8, true) - firstId : NONE
  }
  return { inner, next }
}

/** What has to be spelled out in a declaration of a type: all that has no name of its own. */
function spelledTypes({ dv, offsets, firstId }: Records): Parts {
  const single = kindSet('ptr', 'volatile', 'const', 'restrict', 'type_tag')
  const aggregate = kindSet('struct', 'union')
  const inner = kindSet('ptr', 'volatile', 'const', 'restrict', 'type_tag', 'struct', 'union', 'array', 'func_proto')
  const next: Parts['next'] = (i, part) => {
    const at = offsets[i]!
    const info = dv.getUint32(at + 4, true)
    const code = kindCodeOf(info)
    if (aggregate[code] === 1) {
      const named = dv.getUint32(at, true) !== 0
      return named || part >= vlenOf(info) ? NONE : member(dv, at, part, KINDS.struct.each) - firstId
    }
    if (code === KINDS.func_proto.code && part > 0) {
      return part <= vlenOf(info) ? member(dv, at, part - 1, KINDS.func_proto.each) - firstId : NONE
    }
    if (part > 0) return NONE
    if (code === KINDS.array.code) return dv.getUint32(at + BTF_RECORD_BYTES, true) - firstId
    return single[code] === 1 || code === KINDS.func_proto.code ? dv.getUint32(at + 8, true) - firstId : NONE
  }
  return { inner, next }
}

/** The type id of the part-th member or parameter of the record at `at`. */
function member(dv: DataView, at: number, part: number, each: number): number {
  return dv.getUint32(at + BTF_RECORD_BYTES + part * each + 4, true)
}

/** Depth first along `parts`, the path being a stack. 1: on the path, 2: done; `depth` is the longest way down from a done one. */
function checkPaths(records: Records, { inner, next }: Parts): void {
  const { dv, offsets } = records
  const state = new Uint8Array(offsets.length)
  const depth = new Uint8Array(offsets.length)
  const path: number[] = []
  const part: number[] = []
  const enter = (i: number): void => {
    if (inner[kindCodeOf(dv.getUint32(offsets[i]! + 4, true))] === 0) {
      state[i] = 2
      return
    }
    state[i] = 1
    path.push(i)
    part.push(0)
  }
  for (let start = 0; start < offsets.length; start++) {
    if (state[start] === 0) enter(start)
    while (path.length > 0) {
      const top = path.length - 1
      const i = path[top]!
      const target = next(i, part[top]++)
      if (target === NONE) {
        state[i] = 2
        path.pop()
        part.pop()
        if (top > 0) deepen(path[top - 1]!, i)
      } else if (target >= 0) {
        if (state[target] === 1) fail(records, target, 'contains itself')
        else if (state[target] === 2) deepen(i, target)
        else enter(target)
      }
    }
  }
  function deepen(i: number, below: number): void {
    if (depth[below]! >= MAX_DEPTH) fail(records, i, `nests deeper than ${MAX_DEPTH} types`)
    if (depth[i]! <= depth[below]!) depth[i] = depth[below]! + 1
  }
}
