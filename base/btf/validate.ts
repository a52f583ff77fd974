// What must hold of a BTF blob before anything in it is decoded: header, section bounds, whole records, names and type ids in
// range, and no type that contains itself. Everything else may then read without checks. A violation is a UserError that names
// the place.

import { UserError } from '../errors.ts'
import {
  BTF_HEADER_BYTES,
  BTF_MAGIC,
  BTF_RECORD_BYTES,
  BTF_VERSION,
  FUNC_LINKAGE,
  KIND_NAMES,
  KINDS,
  kindCodeOf,
  vlenOf,
} from './format.ts'
import type { BtfKind } from './types.ts'

/** Byte ranges of the two sections within the blob. */
export interface Sections {
  typesAt: number
  typesEnd: number
  stringsAt: number
  stringsEnd: number
}

export function readHeader(dv: DataView, where: string): Sections {
  const fail = (what: string): never => {
    throw new UserError(`${where}: ${what}`)
  }
  if (dv.byteLength < BTF_HEADER_BYTES) fail(`damaged BTF: ${dv.byteLength} bytes are less than its 24-byte header`)
  const magic = dv.getUint16(0, true)
  if (magic === 0x9feb) fail('big-endian BTF is not supported; use the BTF of a little-endian machine (x86-64)')
  if (magic === 0x8b1f) fail('this is gzip data, not BTF; unpack it first (gunzip)')
  if (magic === 0x457f) fail('this is an ELF file, not raw BTF; extract it first (bpftool btf dump or objcopy -j .BTF)')
  if (magic !== BTF_MAGIC) fail(`not BTF: magic 0x${magic.toString(16)} at byte 0, expected 0xeb9f`)
  const version = dv.getUint8(2)
  if (version !== BTF_VERSION) fail(`BTF version ${version} at byte 2 is not supported, only version 1 is`)
  const headerBytes = dv.getUint32(4, true)
  if (headerBytes < BTF_HEADER_BYTES || headerBytes > dv.byteLength) {
    fail(`damaged BTF: hdr_len ${headerBytes} at byte 4 does not fit a file of ${dv.byteLength} bytes`)
  }
  const section = (name: string, at: number): [number, number] => {
    const offset = dv.getUint32(at, true)
    const length = dv.getUint32(at + 4, true)
    const end = headerBytes + offset + length
    if (end > dv.byteLength) {
      fail(`truncated BTF: the ${name} section ends at byte ${end}, the file at ${dv.byteLength}; copy it again`)
    }
    return [headerBytes + offset, end]
  }
  const [typesAt, typesEnd] = section('type', 8)
  const [stringsAt, stringsEnd] = section('string', 16)
  if ((typesAt - headerBytes) % 4 !== 0) fail(`damaged BTF: type_off at byte 8 is not a multiple of 4`)
  if (typesAt < stringsEnd && stringsAt < typesEnd) fail('damaged BTF: type and string section overlap')
  return { typesAt, typesEnd, stringsAt, stringsEnd }
}

/** Byte offset of every record, in order. */
export function indexRecords(
  dv: DataView,
  { typesAt, typesEnd }: Sections,
  firstId: number,
  where: string,
): Uint32Array {
  const offsets = new Uint32Array(Math.floor((typesEnd - typesAt) / BTF_RECORD_BYTES))
  const tails = KIND_NAMES.map((kind) => KINDS[kind].tail)
  const eachs = KIND_NAMES.map((kind) => KINDS[kind].each)
  let count = 0
  let at = typesAt
  while (at < typesEnd) {
    const place = (): string => `${where}: damaged BTF: type [${firstId + count}] at byte ${at}`
    if (at + BTF_RECORD_BYTES > typesEnd) throw new UserError(`${place()} is cut off by the end of the type section`)
    const info = dv.getUint32(at + 4, true)
    const code = kindCodeOf(info)
    if (code === 0 || code >= KIND_NAMES.length) throw new UserError(`${place()} has unknown kind ${code}`)
    const end = at + BTF_RECORD_BYTES + tails[code]! + eachs[code]! * vlenOf(info)
    if (end > typesEnd) throw new UserError(`${place()} is cut off by the end of the type section`)
    offsets[count++] = at
    at = end
  }
  return offsets.slice(0, count)
}

/** What checkRecords() looks at: `firstId` is the id of `offsets[0]`; `kindOf` answers for ids of the base too. */
export interface Records {
  dv: DataView
  offsets: Uint32Array
  firstId: number
  stringBytes: number
  kindOf(id: number): number
  where: string
}

/** Name offsets and type ids in range; a func refers to its prototype, a datasec to variables. */
export function checkRecords({ dv, offsets, firstId, stringBytes, kindOf, where }: Records): void {
  const count = firstId + offsets.length
  const refers = KIND_NAMES.map((kind) => KINDS[kind].refers)
  let id = 0
  let at = 0
  const fail = (what: string): never => {
    throw new UserError(`${where}: damaged BTF: type [${id}] (${KIND_NAMES[kindOf(id)]}) at byte ${at}: ${what}`)
  }
  const checkName = (offset: number): void => {
    if (offset >= stringBytes) fail(`name offset ${offset} lies outside the ${stringBytes} bytes of strings`)
  }
  const checkType = (type: number): void => {
    if (type >= count) fail(`refers to type [${type}], the last is [${count - 1}]`)
  }
  for (let i = 0; i < offsets.length; i++) {
    id = firstId + i
    at = offsets[i]!
    const info = dv.getUint32(at + 4, true)
    const word = dv.getUint32(at + 8, true)
    const code = kindCodeOf(info)
    checkName(dv.getUint32(at, true))
    if (refers[code]) checkType(word)
    const tail = at + BTF_RECORD_BYTES
    const end = tail + KINDS[KIND_NAMES[code]!].each * vlenOf(info)
    switch (code) {
      case KINDS.int.code: {
        const bits = dv.getUint32(tail, true) & 0xff
        if (word === 0 || word > 16 || bits > word * 8) fail(`an integer of ${bits} bits in ${word} bytes`)
        break
      }
      case KINDS.array.code:
        checkType(dv.getUint32(tail, true))
        checkType(dv.getUint32(tail + 4, true))
        break
      case KINDS.struct.code:
      case KINDS.union.code:
      case KINDS.func_proto.code: {
        const step = KINDS[KIND_NAMES[code]!].each
        for (let part = tail; part < end; part += step) {
          checkName(dv.getUint32(part, true))
          checkType(dv.getUint32(part + 4, true))
        }
        break
      }
      case KINDS.enum.code:
        for (let part = tail; part < end; part += KINDS.enum.each) checkName(dv.getUint32(part, true))
        break
      case KINDS.enum64.code:
        for (let part = tail; part < end; part += KINDS.enum64.each) checkName(dv.getUint32(part, true))
        break
      case KINDS.func.code:
        if (kindOf(word) !== KINDS.func_proto.code) fail(`refers to [${word}], which is no function prototype`)
        if (vlenOf(info) >= FUNC_LINKAGE.length) fail(`unknown linkage ${vlenOf(info)}`)
        break
      case KINDS.var.code:
        if (dv.getUint32(tail, true) >= FUNC_LINKAGE.length) fail(`unknown linkage ${dv.getUint32(tail, true)}`)
        break
      case KINDS.datasec.code:
        for (let part = tail; part < end; part += KINDS.datasec.each) {
          const variable = dv.getUint32(part, true)
          checkType(variable)
          const kind = kindOf(variable)
          if (kind !== KINDS.var.code && kind !== KINDS.func.code) {
            fail(`refers to [${variable}], which is neither variable nor function`)
          }
        }
        break
    }
  }
}

/** How deep types may nest, by value or in one declaration: readers recurse so far. Linux's own limit is 32. */
const MAX_DEPTH = 128

/**
 * No type contains itself by value, no declaration has to be spelled within itself, and no chain of pointers and modifiers comes back to
 * its start; nothing nests deeper than readers may recurse.
 */
export function checkLoops(records: Records): void {
  checkChains(records)
  checkNesting(records, heldTypes(records))
  checkNesting(records, spelledTypes(records))
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
function checkNesting(records: Records, { inner, next }: Parts): void {
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
