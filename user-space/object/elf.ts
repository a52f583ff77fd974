// ELF images of BPF objects (ELF64, little endian, relocatable), read purely from bytes: sections, symbols, relocations.
// What is out of bounds is a UserError that names the file and the place; nothing beyond ELF is interpreted here (read.ts does that).

import { UserError } from '../../base/errors.ts'

export const SHT = { progbits: 1, symtab: 2, strtab: 3, nobits: 8, rel: 9, llvmAddrsig: 0x6fff4c03 } as const
export const SHF = { write: 1, alloc: 2, execinstr: 4 } as const

export type SymbolBinding = 'local' | 'global' | 'weak'
export type SymbolType = 'notype' | 'object' | 'func' | 'section' | 'file' | 'other'

export interface ElfSection {
  readonly index: number
  readonly name: string
  /** SHT_* */
  readonly type: number
  /** SHF_* */
  readonly flags: number
  readonly sizeBytes: number
  /** Contents; empty for SHT_NOBITS. A view of the image: copy before changing. */
  readonly data: Uint8Array
  readonly link: number
  readonly info: number
}

export interface ElfSymbol {
  readonly index: number
  readonly name: string
  readonly value: number
  readonly sizeBytes: number
  readonly binding: SymbolBinding
  readonly type: SymbolType
  /** STV_HIDDEN or STV_INTERNAL */
  readonly hidden: boolean
  /** Index of the section it is in: 0 undefined, from 0xff00 on special. */
  readonly section: number
}

export interface ElfRelocation {
  /** In bytes, within the section that is relocated. */
  readonly offset: number
  /** R_BPF_* */
  readonly type: number
  readonly symbol: ElfSymbol
}

const EM_BPF = 247
const ET_REL = 1
const EHDR_BYTES = 64
const SHDR_BYTES = 64
const SYM_BYTES = 24
const REL_BYTES = 16
const BINDINGS: readonly SymbolBinding[] = ['local', 'global', 'weak']
const TYPES: readonly SymbolType[] = ['notype', 'object', 'func', 'section', 'file']

export class ElfFile {
  /** As the user named it; for messages. */
  readonly name: string
  readonly sections: readonly ElfSection[]
  readonly symbols: readonly ElfSymbol[]

  private constructor(name: string, sections: readonly ElfSection[], symbols: readonly ElfSymbol[]) {
    this.name = name
    this.sections = sections
    this.symbols = symbols
  }

  /** Throws UserError for what is no whole ELF64 little-endian BPF object. */
  static parse(bytes: Uint8Array, name: string): ElfFile {
    const view = checkHeader(bytes, name)
    const sections = readSections(view, bytes, name)
    return new ElfFile(name, sections, readSymbols(sections, name))
  }

  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name)
  }

  /** The relocations of an SHT_REL section, in file order. */
  relocations(section: ElfSection): ElfRelocation[] {
    const view = viewOf(section.data)
    const found: ElfRelocation[] = []
    for (let at = 0; at + REL_BYTES <= section.sizeBytes; at += REL_BYTES) {
      const index = view.getUint32(at + 12, true)
      const symbol = this.symbols[index]
      if (!symbol) {
        throw new UserError(
          `${this.name}: section '${section.name}': symbol #${index} not found for relo #${found.length}; rebuild the object`,
        )
      }
      found.push({ offset: safeU64(view, at), type: view.getUint32(at + 8, true), symbol })
    }
    return found
  }
}

function checkHeader(bytes: Uint8Array, name: string): DataView {
  const isElf = bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  if (!isElf) throw new UserError(`${name}: not an ELF file; give a BPF object compiled with clang --target=bpf`)
  if (bytes.length < EHDR_BYTES)
    throw new UserError(`${name}: ELF header cut off at byte ${bytes.length}; copy the file again`)
  if (bytes[4] !== 2) throw new UserError(`${name}: 32-bit ELF; BPF objects are ELF64 (clang --target=bpf)`)
  if (bytes[5] !== 1) {
    throw new UserError(`${name}: big-endian ELF; rebuild it little-endian (clang --target=bpfel)`)
  }
  const view = viewOf(bytes)
  const machine = view.getUint16(18, true)
  if (machine !== EM_BPF && machine !== 0) {
    throw new UserError(`${name}: ELF machine is ${machine}, not BPF (${EM_BPF}); compile with clang --target=bpf`)
  }
  if (view.getUint16(16, true) !== ET_REL) {
    throw new UserError(`${name}: not a relocatable ELF object; compile with clang --target=bpf -c`)
  }
  return view
}

function readSections(view: DataView, bytes: Uint8Array, name: string): ElfSection[] {
  const table = safeU64(view, 40)
  const count = view.getUint16(60, true)
  if (view.getUint16(58, true) !== SHDR_BYTES && count > 0) {
    throw new UserError(`${name}: section headers of ${view.getUint16(58, true)} bytes; the ELF header is damaged`)
  }
  if (table + count * SHDR_BYTES > bytes.length) {
    throw new UserError(
      `${name}: truncated: its section headers end at byte ${table + count * SHDR_BYTES}, the file at ${bytes.length}; copy it again`,
    )
  }
  const raw = Array.from({ length: count }, (_, index) => {
    const at = table + index * SHDR_BYTES
    const type = view.getUint32(at + 4, true)
    const offset = safeU64(view, at + 24)
    const sizeBytes = safeU64(view, at + 32)
    const stored = type === SHT.nobits || type === 0 ? 0 : sizeBytes
    if (offset + stored > bytes.length) {
      throw new UserError(
        `${name}: truncated: section ${index} ends at byte ${offset + stored}, the file at ${bytes.length}; copy it again`,
      )
    }
    return {
      index,
      nameAt: view.getUint32(at, true),
      type,
      flags: safeU64(view, at + 8),
      sizeBytes,
      data: bytes.subarray(offset, offset + stored),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
    }
  })
  const names = raw[view.getUint16(62, true)]?.data ?? new Uint8Array()
  return raw.map(({ nameAt, ...section }) => ({ ...section, name: stringAt(names, nameAt) }))
}

function readSymbols(sections: readonly ElfSection[], name: string): ElfSymbol[] {
  const tables = sections.filter((section) => section.type === SHT.symtab)
  if (tables.length === 0)
    throw new UserError(`${name}: no symbol table; was it stripped? Use the object as clang wrote it`)
  if (tables.length > 1) throw new UserError(`${name}: multiple symbol tables; use the object as clang wrote it`)
  const table = tables[0]!
  const strings = sections[table.link]?.data ?? new Uint8Array()
  const view = viewOf(table.data)
  const symbols: ElfSymbol[] = []
  for (let at = 0; at + SYM_BYTES <= table.sizeBytes; at += SYM_BYTES) {
    const info = view.getUint8(at + 4)
    const visibility = view.getUint8(at + 5) & 3
    symbols.push({
      index: symbols.length,
      name: stringAt(strings, view.getUint32(at, true)),
      value: safeU64(view, at + 8),
      sizeBytes: safeU64(view, at + 16),
      binding: BINDINGS[info >> 4] ?? 'global',
      type: TYPES[info & 15] ?? 'other',
      hidden: visibility === 1 || visibility === 2,
      section: view.getUint16(at + 6, true),
    })
  }
  return symbols
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The zero-terminated Latin-1 string at `at`; '' beyond the end. */
export function stringAt(bytes: Uint8Array, at: number): string {
  let text = ''
  for (let i = at; i < bytes.length && bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

/** A u64 as a number: exact below 2^53; what is above lies beyond every file and fails the bounds checks. */
function safeU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}
