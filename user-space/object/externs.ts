// Names that an object leaves to the kernel: `extern ... __kconfig` (configuration values, laid out in a map .kconfig) and
// `extern ... __ksym` (symbols and kfuncs). Found by the object's undefined symbols and typed by its BTF.

import type { Btf } from '../../base/btf/btf.ts'
import type { BtfOf } from '../../base/btf/types.ts'
import { UserError } from '../../base/errors.ts'
import type { ElfFile, ElfSymbol } from './elf.ts'
import type { ExternSpec, KconfigType } from './spec.ts'

export const KCONFIG_SECTION = '.kconfig'
export const KSYMS_SECTION = '.ksyms'

export const isExtern = (symbol: ElfSymbol): boolean =>
  symbol.section === 0 && symbol.binding !== 'local' && symbol.type === 'notype' && symbol.name !== ''

/** Ordered as libbpf orders them: kconfig values by falling alignment, rising size, name; then symbols by name. */
export function collectExterns(elf: ElfFile, btf: Btf | undefined): ExternSpec[] {
  const found = elf.symbols.filter(isExtern).map((symbol) => readExtern(symbol, btf, elf.name))
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  const kconfig = found.filter((each) => each.kind === 'kconfig')
  kconfig.sort((a, b) => b.align - a.align || a.sizeBytes - b.sizeBytes || byName(a, b))
  let end = 0
  const placed = kconfig.map(({ align, ...spec }) => {
    const offset = Math.ceil(end / align) * align
    end = offset + spec.sizeBytes
    return { ...spec, offset }
  })
  return [...placed, ...found.filter((each) => each.kind === 'ksym').sort(byName)]
}

type KconfigExtern = Extract<ExternSpec, { kind: 'kconfig' }>
type Found = (KconfigExtern & { align: number }) | Extract<ExternSpec, { kind: 'ksym' }>

function readExtern(symbol: ElfSymbol, btf: Btf | undefined, where: string): Found {
  const { name } = symbol
  const weak = symbol.binding === 'weak'
  const id = btf?.findAll(name).find((id) => ['var', 'func'].includes(btf.kind(id))) ?? 0
  if (!btf || id === 0) throw new UserError(`${where}: failed to find BTF for extern '${name}'; compile with -g`)
  const type = btf.type(id) as BtfOf<'var'> | BtfOf<'func'>
  if (type.linkage !== 'extern') {
    throw new UserError(`${where}: extern '${name}' is declared ${type.linkage} in BTF; compile the object again`)
  }
  const section = sectionOf(btf, id)
  switch (section) {
    case KCONFIG_SECTION: {
      if (type.kind === 'func') {
        throw new UserError(`${where}: extern function ${name} is unsupported under ${KCONFIG_SECTION} section`)
      }
      const kconfig = kconfigType(btf, type.type)
      if (!kconfig) throw new UserError(`${where}: extern (kcfg) '${name}': type is unsupported`)
      const sizeBytes = btf.sizeOf(type.type)
      return { kind: 'kconfig', name, weak, offset: 0, sizeBytes, align: alignOf(btf, type.type), ...kconfig }
    }
    case KSYMS_SECTION:
      return { kind: 'ksym', name, weak, type: btf.resolve(type.type).id, function: type.kind === 'func' }
    default:
      throw new UserError(`${where}: extern '${name}' in unrecognized section '${section}'; use __kconfig or __ksym`)
  }
}

function sectionOf(btf: Btf, id: number): string {
  for (const type of btf.types()) {
    if (type.kind === 'datasec' && type.vars.some((entry) => entry.type === id)) return type.name
  }
  return ''
}

function kconfigType(btf: Btf, id: number): { type: KconfigType; signed: boolean } | undefined {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'int':
      if (type.bool) return type.size === 1 ? { type: 'bool', signed: false } : undefined
      if (type.size === 1) return { type: 'char', signed: type.signed }
      return [2, 4, 8].includes(type.size) ? { type: 'int', signed: type.signed } : undefined
    case 'enum':
    case 'enum64':
      return type.name === 'libbpf_tristate' ? { type: 'tristate', signed: false } : undefined
    case 'array':
      return type.length > 0 && kconfigType(btf, type.type)?.type === 'char'
        ? { type: 'string', signed: false }
        : undefined
    default:
      return undefined
  }
}

/** Natural alignment in bytes, as C lays a value of the type out. */
export function alignOf(btf: Btf, id: number): number {
  const type = btf.resolve(id)
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'enum':
    case 'enum64':
      return Math.min(8, type.size)
    case 'ptr':
      return 8
    case 'array':
      return alignOf(btf, type.type)
    case 'struct':
    case 'union':
      return type.members.reduce((align, member) => Math.max(align, alignOf(btf, member.type)), 1)
    default:
      return 1
  }
}
