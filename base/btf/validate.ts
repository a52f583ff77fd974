// What must hold of a BTF blob before anything in it is decoded: header, section bounds, whole records, names and type ids in
// range. Together with nesting.ts this lets everything else read without checks. A violation is a UserError that names the place.

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
