// The functions of an object: every function symbol of an executable section, with its instructions, what its relocations refer
// to, and its part of .BTF.ext.

import { UserError } from '../../base/errors.ts'
import { decode, type Insn, isCall, isLdImm64, isLocalCall } from '../../ebpf-vm/isa/insn.ts'
import type { BtfExt } from './btf-ext.ts'
import { type ElfFile, type ElfRelocation, type ElfSection, type ElfSymbol, SHF, SHT } from './elf.ts'
import { isExtern } from './externs.ts'
import type { PlacedMap } from './read.ts'
import type { FunctionSpec, Relocation } from './spec.ts'

export const INSN_BYTES = 8
const SHN_LORESERVE = 0xff00

export interface PlacedFunction {
  readonly code: FunctionSpec
  readonly section: ElfSection
}

/** Relocations of executable sections by section index, each with its slot in the section. */
export type SectionRelocations = ReadonlyMap<number, readonly SectionRelocation[]>
export interface SectionRelocation {
  readonly slot: number
  /** Interpreted for the function it stands in. */
  read(insn: Insn, slot: number, program: string): Relocation
}

/** In the order of sections and of their places in them. `string` gives a string's new offset in the object's final BTF. */
export function readFunctions(
  elf: ElfFile,
  ext: BtfExt,
  relocations: SectionRelocations,
  string: (offset: number) => number,
): PlacedFunction[] {
  const found: PlacedFunction[] = []
  for (const section of elf.sections) {
    if (section.type !== SHT.progbits || !(section.flags & SHF.execinstr) || section.sizeBytes === 0) continue
    const insns = decode(section.data)
    const symbols = elf.symbols.filter((each) => each.section === section.index && each.type === 'func')
    symbols.sort((a, b) => a.value - b.value)
    for (const symbol of symbols) {
      checkSymbol(symbol, section, elf.name)
      found.push({ section, code: readFunction(symbol, section, insns, ext, relocations, string) })
    }
  }
  return found
}

function checkSymbol(symbol: ElfSymbol, section: ElfSection, where: string): void {
  const { name, value, sizeBytes } = symbol
  if (value + sizeBytes > section.sizeBytes) {
    throw new UserError(`${where}: sec '${section.name}': program at offset ${value} crosses section boundary`)
  }
  if (value % INSN_BYTES !== 0 || sizeBytes % INSN_BYTES !== 0 || sizeBytes === 0) {
    throw new UserError(
      `${where}: sec '${section.name}': program '${name}' of ${sizeBytes} bytes at offset ${value} is no whole number of instructions`,
    )
  }
  if (section.name !== '.text' && symbol.binding === 'local') {
    throw new UserError(`${where}: sec '${section.name}': program '${name}' is static and not supported; drop 'static'`)
  }
}

function readFunction(
  symbol: ElfSymbol,
  section: ElfSection,
  all: readonly Insn[],
  ext: BtfExt,
  relocations: SectionRelocations,
  string: (offset: number) => number,
): FunctionSpec {
  const start = symbol.value / INSN_BYTES
  const end = start + symbol.sizeBytes / INSN_BYTES
  const within = (slot: number): boolean => slot >= start && slot < end
  const part = <R extends { insn: number }>(records: ReadonlyMap<string, readonly R[]>): R[] =>
    (records.get(section.name) ?? [])
      .filter(({ insn }) => within(insn))
      .map((record) => ({ ...record, insn: record.insn - start }))
  const insns = all.slice(start, end)
  return {
    name: symbol.name,
    section: section.index,
    start,
    insns,
    relocations: (relocations.get(section.index) ?? [])
      .filter(({ slot }) => within(slot))
      .map(({ slot, read }) => read(insns[slot - start]!, slot - start, symbol.name))
      .sort((a, b) => a.insn - b.insn),
    core: part(ext.core),
    funcInfo: part(ext.funcInfo),
    lineInfo: part(ext.lineInfo).map((line) => ({
      ...line,
      fileOffset: string(line.fileOffset),
      textOffset: string(line.textOffset),
    })),
  }
}

/** The relocations of all executable sections. */
export function readRelocations(elf: ElfFile, maps: readonly PlacedMap[]): SectionRelocations {
  const found = new Map<number, SectionRelocation[]>()
  for (const section of elf.sections) {
    const target = elf.sections[section.info]
    if (section.type !== SHT.rel || !target || !(target.flags & SHF.execinstr)) continue
    const list = found.get(target.index) ?? []
    found.set(target.index, list)
    for (const [i, relocation] of elf.relocations(section).entries()) {
      if (relocation.offset % INSN_BYTES !== 0 || relocation.offset >= target.sizeBytes) {
        throw new UserError(
          `${elf.name}: sec '${section.name}': invalid offset 0x${relocation.offset.toString(16)} for relo #${i}`,
        )
      }
      const read = (insn: Insn, slot: number, program: string): Relocation =>
        interpret(elf, relocation, insn, slot, program, maps)
      list.push({ slot: relocation.offset / INSN_BYTES, read })
    }
  }
  return found
}

function interpret(
  elf: ElfFile,
  { symbol }: ElfRelocation,
  insn: Insn,
  slot: number,
  program: string,
  maps: readonly PlacedMap[],
): Relocation {
  const section = elf.sections[symbol.section]
  const name = symbol.name || section?.name || '<?>'
  const fail = (what: string): never => {
    throw new UserError(`${elf.name}: prog '${program}': ${what}`)
  }
  if (!isCall(insn) && !isLdImm64(insn)) {
    fail(`invalid relo against '${name}' for insns[${slot}].code 0x${insn.code.toString(16)}`)
  }
  if (isExtern(symbol)) {
    return { kind: isCall(insn) ? 'extern_call' : 'extern', insn: slot, extern: symbol.name }
  }
  const inText = section?.name === '.text'
  if (isCall(insn)) {
    if (!isLocalCall(insn)) fail('incorrect bpf_call opcode')
    if (!inText) fail(`bad call relo against '${name}' in section '${section?.name ?? '<?>'}'`)
    if (symbol.value % INSN_BYTES !== 0) fail(`bad call relo against '${name}' at offset ${symbol.value}`)
    return { kind: 'call', insn: slot, offset: symbol.value }
  }
  if (symbol.section === 0 || symbol.section >= SHN_LORESERVE || !section) {
    return fail(
      `invalid relo against '${name}' in special section 0x${symbol.section.toString(16)}; forgot to initialize global var?..`,
    )
  }
  if (inText && (symbol.type === 'section' || symbol.type === 'func')) {
    if (symbol.value % INSN_BYTES !== 0 || insn.imm % INSN_BYTES !== 0) {
      fail(`bad subprog addr relo against '${name}' at offset ${symbol.value}+${insn.imm}`)
    }
    return { kind: 'function', insn: slot, offset: symbol.value }
  }
  const here = maps.filter((map) => map.section === section.index)
  const data = here.find(({ spec }) => spec.data)
  if (data) return { kind: 'data', insn: slot, map: data.spec.name, offset: symbol.value }
  const map = here.find(({ offset }) => offset === symbol.value)
  if (map) return { kind: 'map', insn: slot, map: map.spec.name }
  return fail(
    here.length > 0
      ? `map relo failed to find map for section '${section.name}', off ${symbol.value}`
      : `bad map relo against '${name}' in section '${section.name}'`,
  )
}
