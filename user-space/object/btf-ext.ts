// .BTF.ext: function information, line information and CO-RE relocations, by section name (Documentation/bpf/btf.rst). Byte offsets
// of instructions become slots of the section; string offsets stay as they are.

import type { Btf } from '../../base/btf/btf.ts'
import { UserError } from '../../base/errors.ts'
import { type CoreKind, coreKindOf } from './core/kinds.ts'
import { viewOf } from './elf.ts'

export interface ExtFuncInfo {
  insn: number
  type: number
}
export interface ExtLineInfo {
  insn: number
  fileOffset: number
  textOffset: number
  lineColumn: number
}
export interface ExtCoreRelocation {
  insn: number
  type: number
  access: string
  kind: CoreKind
  index: number
}

export interface BtfExt {
  readonly funcInfo: ReadonlyMap<string, readonly ExtFuncInfo[]>
  readonly lineInfo: ReadonlyMap<string, readonly ExtLineInfo[]>
  readonly core: ReadonlyMap<string, readonly ExtCoreRelocation[]>
}

const MAGIC = 0xeb9f
const INSN_BYTES = 8
const CORE_HEADER_BYTES = 32

export const NO_BTF_EXT: BtfExt = { funcInfo: new Map(), lineInfo: new Map(), core: new Map() }

/** Throws UserError, naming `where` (the file), for a damaged section. */
export function parseBtfExt(bytes: Uint8Array, btf: Btf, where: string): BtfExt {
  const view = viewOf(bytes)
  const damaged = (what: string): UserError =>
    new UserError(`${where}: damaged .BTF.ext: ${what}; compile the object again`)
  if (bytes.length < 24 || view.getUint16(0, true) !== MAGIC) throw damaged('no header')
  const headerBytes = view.getUint32(4, true)
  const text = (offset: number): string => {
    if (offset >= btf.stringBytes) throw damaged(`string offset ${offset} of ${btf.stringBytes}`)
    return btf.string(offset)
  }

  /** The records of one subsection, by section name. `at` is where the header keeps its offset and length. */
  function records<T>(at: number, minBytes: number, read: (at: number, index: number) => T): Map<string, T[]> {
    const found = new Map<string, T[]>()
    let from = headerBytes + view.getUint32(at, true)
    const end = from + view.getUint32(at + 4, true)
    if (end > bytes.length) throw damaged(`a subsection ends at byte ${end} of ${bytes.length}`)
    if (from === end) return found
    const recordBytes = view.getUint32(from, true)
    if (recordBytes < minBytes || recordBytes % 4 !== 0)
      throw damaged(`records of ${recordBytes} bytes at byte ${from}`)
    from += 4
    while (from + 8 <= end) {
      const section = text(view.getUint32(from, true))
      const count = view.getUint32(from + 4, true)
      from += 8
      if (from + count * recordBytes > end) throw damaged(`${count} records of section '${section}' at byte ${from}`)
      const list = found.get(section) ?? []
      found.set(section, list)
      for (let i = 0; i < count; i++, from += recordBytes) list.push(read(from, i))
    }
    return found
  }

  const slot = (at: number): number => {
    const offset = view.getUint32(at, true)
    if (offset % INSN_BYTES !== 0) throw damaged(`instruction offset ${offset} at byte ${at}`)
    return offset / INSN_BYTES
  }
  const typeId = (at: number): number => {
    const id = view.getUint32(at, true)
    if (id >= btf.count) throw damaged(`type id ${id} of ${btf.count} at byte ${at}`)
    return id
  }

  return {
    funcInfo: records(8, 8, (at) => ({ insn: slot(at), type: typeId(at + 4) })),
    lineInfo: records(16, 16, (at) => ({
      insn: slot(at),
      fileOffset: view.getUint32(at + 4, true),
      textOffset: view.getUint32(at + 8, true),
      lineColumn: view.getUint32(at + 12, true),
    })),
    core:
      headerBytes < CORE_HEADER_BYTES
        ? new Map()
        : records(24, 16, (at, index) => {
            const code = view.getUint32(at + 12, true)
            const kind = coreKindOf(code)
            if (!kind) throw damaged(`CO-RE relocation of kind ${code} at byte ${at}`)
            return { insn: slot(at), type: typeId(at + 4), access: text(view.getUint32(at + 8, true)), kind, index }
          }),
  }
}
