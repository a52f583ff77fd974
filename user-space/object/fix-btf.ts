// An object's BTF as a kernel accepts it. clang leaves out what only the loader knows - sizes of sections, places of variables in
// them, and that externs become allocated variables - and this fills it in, as libbpf does before BPF_BTF_LOAD. Type ids stay;
// strings move, so offsets into them have to pass through `string`.

import type { Btf } from '../../base/btf/btf.ts'
import { BtfBuilder } from '../../base/btf/encode.ts'
import type { BtfDraft, BtfOf, BtfType } from '../../base/btf/types.ts'
import type { ElfFile, ElfSymbol } from './elf.ts'
import { KCONFIG_SECTION, KSYMS_SECTION } from './externs.ts'
import type { ExternSpec } from './spec.ts'

const DUMMY = 'dummy_ksym'

export interface FixedBtf {
  readonly btf: Btf
  /** New offset of the string that was at this offset. */
  string(offset: number): number
}

/** `strings`: offsets in use outside of types (line information), which the new blob keeps. */
export function fixBtf(btf: Btf, elf: ElfFile, externs: readonly ExternSpec[], strings: Iterable<number>): FixedBtf {
  const builder = new BtfBuilder()
  const moved = new Map<number, number>()
  for (const offset of strings) {
    if (!moved.has(offset)) moved.set(offset, builder.string(offset < btf.stringBytes ? btf.string(offset) : ''))
  }
  const fix = fixer(btf, elf, externs)
  for (const type of btf.types()) builder.add(fix(type))
  const int32 = [...btf.types()].find((type) => type.kind === 'int' && type.bits === 32)?.id ?? 0
  if (externs.some((each) => each.kind === 'ksym' && each.function)) {
    builder.add({ kind: 'var', name: DUMMY, type: int32, linkage: 'global' })
  }
  return { btf: builder.build(), string: (offset) => moved.get(offset) ?? 0 }
}

function fixer(btf: Btf, elf: ElfFile, externs: readonly ExternSpec[]): (type: BtfType) => BtfDraft {
  const variables = variableSymbols(elf)
  const section = new Map(elf.sections.map((each) => [each.name, each]))
  const hidden = new Set(elf.symbols.filter((each) => each.hidden && each.binding !== 'local').map((each) => each.name))
  const externIds = new Map<number, ExternSpec>()
  const kfuncProtos = new Set<number>()
  const int32 = [...btf.types()].find((type) => type.kind === 'int' && type.bits === 32)?.id ?? 0
  const byName = new Map(externs.map((each) => [each.name, each]))
  for (const type of btf.types()) {
    if (type.kind !== 'datasec' || (type.name !== KSYMS_SECTION && type.name !== KCONFIG_SECTION)) continue
    for (const entry of type.vars) {
      const extern = byName.get(btf.type(entry.type).name)
      if (extern) externIds.set(entry.type, extern)
      const variable = btf.type(entry.type)
      if (variable.kind === 'func') kfuncProtos.add(variable.type)
    }
  }

  const fixSection = (type: BtfOf<'datasec'>): BtfDraft => {
    if (type.name === KSYMS_SECTION) {
      const vars = type.vars.map((entry, i) => {
        const isFunction = btf.kind(entry.type) === 'func'
        return { type: isFunction ? btf.count : entry.type, offset: i * 4, size: 4 }
      })
      return { ...type, size: type.vars.length * 4, vars }
    }
    if (type.name === KCONFIG_SECTION) {
      const vars = type.vars.map((entry) => {
        const extern = externIds.get(entry.type)
        return { ...entry, offset: extern?.kind === 'kconfig' ? extern.offset : entry.offset }
      })
      vars.sort((a, b) => a.offset - b.offset)
      const size = externs.reduce(
        (end, each) => (each.kind === 'kconfig' ? Math.max(end, each.offset + each.sizeBytes) : end),
        0,
      )
      return { ...type, size, vars }
    }
    // The static linker (bpftool gen object) has filled these in already.
    if (type.size !== 0) return type
    const found = section.get(type.name)
    const vars = type.vars.map((entry) => {
      const variable = btf.type(entry.type)
      const symbol = variables.get(`${found?.index} ${variable.name}`)
      return { ...entry, offset: symbol?.value ?? entry.offset }
    })
    vars.sort((a, b) => a.offset - b.offset)
    return { ...type, size: found?.sizeBytes ?? 0, vars }
  }

  return (type) => {
    switch (type.kind) {
      case 'datasec':
        return fixSection(type)
      case 'var': {
        const extern = externIds.get(type.id)
        if (extern) return { ...type, linkage: 'global', type: extern.kind === 'ksym' ? int32 : type.type }
        return hidden.has(type.name) && type.linkage === 'global' ? { ...type, linkage: 'static' } : type
      }
      case 'func':
        if (externIds.has(type.id)) return { ...type, linkage: 'global' }
        return hidden.has(type.name) && type.linkage === 'global' ? { ...type, linkage: 'static' } : type
      case 'func_proto':
        if (!kfuncProtos.has(type.id)) return type
        return {
          ...type,
          params: type.params.map((each) => (each.type !== 0 && each.name === '' ? { ...each, name: DUMMY } : each)),
        }
      default:
        return type
    }
  }
}

/** Symbols of variables by section index and name. */
function variableSymbols(elf: ElfFile): Map<string, ElfSymbol> {
  const found = new Map<string, ElfSymbol>()
  for (const symbol of elf.symbols) {
    if (symbol.type !== 'object') continue
    found.set(`${symbol.section} ${symbol.name}`, symbol)
  }
  return found
}
