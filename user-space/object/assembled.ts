// Objects made of assembler text instead of clang's output: the same ObjectSpec, so that everything behind it is the same.
//
//   const spec = program({
//     section: 'tracepoint/syscalls/sys_enter_openat',
//     maps: { counts: { type: 'array', key: u32, value: u64, maxEntries: 1 } },
//     asm: `r1 = map[counts] …`,
//   })

import type { Btf } from '../../base/btf/btf.ts'
import { BtfBuilder } from '../../base/btf/encode.ts'
import { UserError } from '../../base/errors.ts'
import type { CType, ValueOf } from '../../base/struct.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { MAP_TYPE, type MapTypeName } from '../../ebpf-vm/uapi.ts'
import { suggest } from '../suggest.ts'
import { emptyMapSpec, ringBufferBytes } from './map-defs.ts'
import { attachTypeNumber, progTypeNumber, sectionDefinition, sectionTarget } from './sections.ts'
import type { FunctionSpec, MapSpec, ObjectShape, ObjectSpec, ProgramSpec } from './spec.ts'

const BPF_F_SLEEPABLE = 1 << 4
const NAME_CHARS = 15

/** A map: its type by name, key and value as C types. Ring buffers and perf event arrays name the type of their records in `event`. */
export interface MapSource {
  readonly type: MapTypeName
  readonly key?: CType
  readonly value?: CType
  readonly event?: CType
  /** Entries; bytes of a ring buffer. */
  readonly maxEntries?: number
  readonly flags?: number
}

export interface ProgramSource {
  /** As in SEC("..."). */
  readonly section: string
  /** See asm/assemble.ts: Linux's and LLVM's text, maps by name. */
  readonly asm: string
}

export interface ObjectSource {
  readonly name?: string
  readonly programs: Readonly<Record<string, ProgramSource>>
  readonly maps?: Readonly<Record<string, MapSource>>
  readonly license?: string
}

type Value<M extends MapSource, K extends 'key' | 'value' | 'event'> = M[K] extends CType ? ValueOf<M[K]> : Uint8Array

type ShapeOf<P extends string, M> = {
  programs: P
  maps: {
    [K in keyof M]: M[K] extends MapSource
      ? { key: Value<M[K], 'key'>; value: Value<M[K], 'value'>; event: Value<M[K], 'event'> }
      : never
  }
  variables: Record<string, never>
}

/** One program. Throws UserError, with the line, for text that is no program. */
export function program<const M extends Readonly<Record<string, MapSource>>>(
  source: ProgramSource & { readonly name?: string; readonly maps?: M; readonly license?: string },
): ObjectSpec<ShapeOf<string, M>> {
  const { section, asm, name = 'main', ...rest } = source
  return assembleObject({ ...rest, name, programs: { [name]: { section, asm } } }) as ObjectSpec<ShapeOf<string, M>>
}

/** Several programs that share maps. */
export function assembleObject<const S extends ObjectSource>(
  source: S,
): ObjectSpec<ShapeOf<keyof S['programs'] & string, S['maps']>> {
  const builder = new BtfBuilder()
  const maps = Object.entries(source.maps ?? {}).map(([name, map]) => mapSpec(name, map, builder))
  const events = Object.entries(source.maps ?? {}).filter(([, map]) => map.event)
  for (const [name, { event }] of events) addEventType(builder, name, event!)
  const btf: Btf | undefined = builder.nextId > 1 ? builder.build() : undefined
  const programs = Object.entries(source.programs).map(([name, each]) => programSpec(name, each, source.maps ?? {}))
  const spec: ObjectSpec = {
    name: (source.name ?? 'assembled').slice(0, NAME_CHARS),
    license: source.license ?? 'GPL',
    kernelVersion: 0,
    btf,
    programs: Object.fromEntries(programs.map((each) => [each.name, each])),
    functions: [],
    maps: Object.fromEntries(maps.map((each) => [each.name, each])),
    variables: {},
    variableSpecs: [],
    externs: [],
  }
  return spec as ObjectSpec<ObjectShape> as ObjectSpec<ShapeOf<keyof S['programs'] & string, S['maps']>>
}

/** Records of a buffer are found by the name of its map, as those of clang's objects are: see events.ts. */
function addEventType(builder: BtfBuilder, map: string, type: CType): void {
  builder.add({ kind: 'typedef', name: `${map}_event`, type: type.addTo(builder) })
}

function mapSpec(name: string, source: MapSource, builder: BtfBuilder): MapSpec {
  if (!(source.type in MAP_TYPE)) {
    throw new UserError(`map '${name}': no map type '${source.type}'${suggest(source.type, Object.keys(MAP_TYPE))}`)
  }
  const map = emptyMapSpec(name)
  const isRing = source.type === 'ringbuf' || source.type === 'user_ringbuf'
  map.type = MAP_TYPE[source.type]
  map.maxEntries = isRing ? ringBufferBytes(source.maxEntries ?? 0) : (source.maxEntries ?? 0)
  map.flags = source.flags ?? 0
  map.keySize = source.key?.sizeBytes ?? (source.type === 'perf_event_array' ? 4 : 0)
  map.valueSize = source.value?.sizeBytes ?? (source.type === 'perf_event_array' ? 4 : 0)
  map.keyType = source.key?.addTo(builder) ?? 0
  map.valueType = source.value?.addTo(builder) ?? 0
  return map
}

function programSpec(
  name: string,
  { section, asm }: ProgramSource,
  maps: Readonly<Record<string, MapSource>>,
): ProgramSpec {
  const definition = sectionDefinition(section)
  const { insns, relocations } = assemble(asm)
  const code: FunctionSpec = {
    name,
    section: 0,
    start: 0,
    insns,
    relocations: relocations.map(({ slot, kind, name: symbol }) => {
      if (kind === 'kfunc') return { kind: 'extern_call', insn: slot, extern: symbol }
      if (!(symbol in maps))
        throw new UserError(`program '${name}': no map '${symbol}'${suggest(symbol, Object.keys(maps))}`)
      return { kind: 'map', insn: slot, map: symbol }
    }),
    core: [],
    funcInfo: [],
    lineInfo: [],
  }
  return {
    name: name.slice(0, NAME_CHARS),
    section,
    definition,
    code,
    type: progTypeNumber(definition),
    expectedAttachType: attachTypeNumber(definition),
    flags: definition?.sleepable ? BPF_F_SLEEPABLE : 0,
    target: sectionTarget(section),
    autoload: true,
    autoattach: true,
  }
}
