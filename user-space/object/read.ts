// A BPF object's bytes as an ObjectSpec, by libbpf's rules (libbpf 1.5): which sections are programs, data, maps; what each
// relocation refers to; what a variable is. Pure: no kernel, no files. Whatever does not fit is a UserError with file and place.
// Not read yet: maps of struct_ops (.struct_ops, .struct_ops.link) and variables in an arena (.addr_space.1).

import { Btf } from '../../base/btf/btf.ts'
import type { BtfOf } from '../../base/btf/types.ts'
import { UserError } from '../../base/errors.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
import { type BtfExt, NO_BTF_EXT, parseBtfExt } from './btf-ext.ts'
import { ElfFile, type ElfSection, SHF, SHT, stringAt, viewOf } from './elf.ts'
import { collectExterns } from './externs.ts'
import { fixBtf } from './fix-btf.ts'
import { INSN_BYTES, readFunctions, readRelocations } from './functions.ts'
import { emptyMapSpec, internalMapName, mapFromBtf, mapFromLegacy } from './map-defs.ts'
import { attachTypeNumber, progTypeNumber, sectionDefinition, sectionTarget } from './sections.ts'
import type { FunctionSpec, MapData, MapSpec, ObjectShape, ObjectSpec, ProgramSpec, VariableSpec } from './spec.ts'
import { variableAccessors } from './variables.ts'

const BPF_F_RDONLY_PROG = 1 << 7
const BPF_F_MMAPABLE = 1 << 10
const BPF_F_SLEEPABLE = 1 << 4
const BPF_F_XDP_HAS_FRAGS = 1 << 5
const OBJECT_NAME_CHARS = 15
/** Global data beyond this is damage: it would not fit into a map. */
const MAX_DATA_BYTES = 64 << 20

/** A map and where its definition stands in the object, for relocations to find it. */
export interface PlacedMap {
  readonly spec: MapSpec
  readonly section: number
  readonly offset: number
  readonly sizeBytes: number
}

/** `file` is the name used in messages; the object's own name is its part before the first dot. */
export function readObjectBytes<T extends ObjectShape = ObjectShape>(bytes: Uint8Array, file: string): ObjectSpec<T> {
  const elf = ElfFile.parse(bytes, file)
  const name = file
    .slice(file.lastIndexOf('/') + 1)
    .split('.', 1)[0]!
    .slice(0, OBJECT_NAME_CHARS)
  const raw = readBtf(elf)
  const ext = readBtfExt(elf, raw)
  const externs = collectExterns(elf, raw)
  const fixed = raw && fixBtf(raw, elf, externs, lineStrings(ext))
  const btf = fixed?.btf

  const placed = [...readMaps(elf, btf), ...readGlobalData(elf, btf, name)]
  const kconfigBytes = externs.reduce((end, each) => (each.kind === 'kconfig' ? each.offset + each.sizeBytes : end), 0)
  if (kconfigBytes > 0) {
    placed.push({
      spec: dataMap(name, '.kconfig', 'kconfig', dataBytes(kconfigBytes, `${file}: .kconfig`), btf),
      section: -1,
      offset: 0,
      sizeBytes: 0,
    })
  }
  const all = readFunctions(elf, ext, readRelocations(elf, placed), (offset) => fixed?.string(offset) ?? 0)
  const programs = all.filter(({ section }) => section.name !== '.text')
  readSlots(elf, placed, btf)

  const maps = placed.map(({ spec }) => spec)
  const variableSpecs = btf ? readVariables(btf, maps) : []
  const license = elf.section('license')
  const version = elf.section('version')
  return {
    name,
    license: license ? stringAt(license.data, 0) : '',
    kernelVersion: version && version.sizeBytes === 4 ? viewOf(version.data).getUint32(0, true) : 0,
    btf,
    programs: Object.fromEntries(programs.map(({ code, section }) => [code.name, programSpec(code, section)])),
    functions: all.filter(({ section }) => section.name === '.text').map(({ code }) => code),
    maps: Object.fromEntries(maps.map((spec) => [spec.name, spec])),
    variables: variableAccessors(btf, maps, variableSpecs, file),
    variableSpecs,
    externs,
  } as ObjectSpec<ObjectShape> as ObjectSpec<T>
}

function readBtf(elf: ElfFile): Btf | undefined {
  const section = elf.section('.BTF')
  if (section) return Btf.parse(section.data, undefined, `${elf.name}: .BTF`)
  if (elf.section('.maps')) throw new UserError(`${elf.name}: BTF is required, but is missing; compile with -g`)
  return undefined
}

function readBtfExt(elf: ElfFile, btf: Btf | undefined): BtfExt {
  const section = elf.section('.BTF.ext')
  return section && btf ? parseBtfExt(section.data, btf, elf.name) : NO_BTF_EXT
}

function* lineStrings(ext: BtfExt): Generator<number> {
  for (const lines of ext.lineInfo.values()) {
    for (const line of lines) yield* [line.fileOffset, line.textOffset]
  }
}

function programSpec(code: FunctionSpec, section: ElfSection): ProgramSpec {
  const optional = section.name.startsWith('?')
  const name = optional ? section.name.slice(1) : section.name
  const definition = sectionDefinition(name)
  return {
    name: code.name,
    section: name,
    definition,
    code,
    type: progTypeNumber(definition),
    expectedAttachType: attachTypeNumber(definition),
    flags: (definition?.sleepable ? BPF_F_SLEEPABLE : 0) | (definition?.xdpFrags ? BPF_F_XDP_HAS_FRAGS : 0),
    target: sectionTarget(name),
    autoload: !optional,
    autoattach: !optional,
  }
}

function readMaps(elf: ElfFile, btf: Btf | undefined): PlacedMap[] {
  const found: PlacedMap[] = []
  const legacy = elf.section('maps')
  if (legacy) {
    const symbols = elf.symbols.filter((each) => each.section === legacy.index && each.type === 'object')
    symbols.sort((a, b) => a.value - b.value)
    symbols.forEach(({ name, value }, i) => {
      const end = symbols[i + 1]?.value ?? legacy.sizeBytes
      const spec = mapFromLegacy(name, legacy.data.subarray(value, end), elf.name)
      found.push({ spec, section: legacy.index, offset: value, sizeBytes: end - value })
    })
  }
  const section = elf.section('.maps')
  if (!section || !btf) return found
  const datasec = btf.type(btf.find('.maps', 'datasec'))
  if (datasec.kind !== 'datasec') throw new UserError(`${elf.name}: DATASEC '.maps' not found; compile with -g`)
  for (const { type, offset, size } of datasec.vars) {
    const variable = btf.type(type)
    if (variable.kind !== 'var')
      throw new UserError(`${elf.name}: map at offset ${offset}: unexpected kind ${variable.kind}`)
    if (variable.linkage !== 'global') {
      throw new UserError(`${elf.name}: map '${variable.name}': unsupported map linkage ${variable.linkage}.`)
    }
    const definition = btf.resolve(variable.type)
    if (definition.kind !== 'struct') {
      throw new UserError(`${elf.name}: map '${variable.name}': unexpected def kind ${definition.kind}.`)
    }
    if (offset + size > section.sizeBytes || definition.size > size) {
      throw new UserError(`${elf.name}: map '${variable.name}' BTF data is corrupted.`)
    }
    const spec = mapFromBtf(variable.name, definition as BtfOf<'struct'>, btf, elf.name)
    found.push({ spec, section: section.index, offset, sizeBytes: size })
  }
  return found
}

function readGlobalData(elf: ElfFile, btf: Btf | undefined, object: string): PlacedMap[] {
  const found: PlacedMap[] = []
  for (const section of elf.sections) {
    const kind = dataKind(section)
    if (!kind || section.sizeBytes === 0) continue
    const bytes = dataBytes(section.sizeBytes, `${elf.name}: section '${section.name}'`)
    bytes.set(section.data)
    const spec = dataMap(object, section.name, kind, bytes, btf)
    found.push({ spec, section: section.index, offset: 0, sizeBytes: section.sizeBytes })
  }
  return found
}

function dataBytes(size: number, what: string): Uint8Array {
  if (size > MAX_DATA_BYTES) throw new UserError(`${what} of ${size} bytes: at most ${MAX_DATA_BYTES} fit into a map`)
  return new Uint8Array(size)
}

function dataKind({ name, type, flags }: ElfSection): MapData | undefined {
  const is = (stem: string): boolean => name === stem || name.startsWith(`${stem}.`)
  if (type === SHT.nobits) return is('.bss') ? 'bss' : undefined
  if (type !== SHT.progbits || flags & SHF.execinstr) return undefined
  return is('.data') ? 'data' : is('.rodata') ? 'rodata' : undefined
}

/** A one-element array; mapped into the loader where the section holds a global variable. */
function dataMap(object: string, section: string, kind: MapData, bytes: Uint8Array, btf: Btf | undefined): MapSpec {
  const map = emptyMapSpec(section, internalMapName(object, section))
  const datasec = btf?.find(section, 'datasec') ?? 0
  const type = btf && datasec !== 0 ? btf.type(datasec) : undefined
  const mapped =
    type?.kind === 'datasec' &&
    type.vars.some((entry) => {
      const variable = btf!.type(entry.type)
      return variable.kind === 'var' && variable.linkage !== 'static'
    })
  map.type = MAP_TYPE.array
  map.keySize = 4
  map.valueSize = bytes.length
  map.maxEntries = 1
  map.flags = (kind === 'rodata' || kind === 'kconfig' ? BPF_F_RDONLY_PROG : 0) | (mapped ? BPF_F_MMAPABLE : 0)
  map.valueType = datasec
  map.data = { kind, bytes }
  return map
}

function readVariables(btf: Btf, maps: readonly MapSpec[]): VariableSpec[] {
  const found: VariableSpec[] = []
  for (const map of maps) {
    const datasec = map.data && map.data.kind !== 'kconfig' ? btf.type(btf.find(map.name, 'datasec')) : undefined
    if (datasec?.kind !== 'datasec') continue
    for (const { type, offset, size } of datasec.vars) {
      const variable = btf.type(type)
      if (variable.kind !== 'var' || offset + size > map.valueSize) continue
      const isStatic = variable.linkage === 'static'
      found.push({ name: variable.name, map: map.name, offset, sizeBytes: size, type: variable.type, static: isStatic })
    }
  }
  return found
}

/** Elements that the object gives to maps of maps and program arrays: relocations of the section .maps. */
function readSlots(elf: ElfFile, maps: readonly PlacedMap[], btf: Btf | undefined): void {
  const section = elf.section('.maps')
  if (!section || !btf) return
  for (const relocations of elf.sections) {
    if (relocations.type !== SHT.rel || relocations.info !== section.index) continue
    for (const { offset, symbol } of elf.relocations(relocations)) {
      const map = maps.find(
        (each) => each.section === section.index && offset >= each.offset && offset < each.offset + each.sizeBytes,
      )
      if (!map)
        throw new UserError(`${elf.name}: .maps relo at offset ${offset}: no map is there; compile the object again`)
      const variable = btf.type(btf.find(map.spec.name, 'var'))
      const definition = variable.kind === 'var' ? btf.resolve(variable.type) : undefined
      const last = definition?.kind === 'struct' ? definition.members.at(-1) : undefined
      if (last?.name !== 'values') {
        throw new UserError(
          `${elf.name}: map '${map.spec.name}': unexpected relo against '${symbol.name}'; only __array(values) takes elements`,
        )
      }
      map.spec.slots.push({ index: (offset - map.offset - last.bitOffset / 8) / INSN_BYTES, name: symbol.name })
    }
  }
}
