// Loads a spec into a kernel, as libbpf's bpf_object__load: BTF, maps, externs, then programs, each linked and handed to BPF_PROG_LOAD.
// The spec is not changed: it may be loaded again, here or into another kernel. Left out of what libbpf does: pinning, BTF of modules
// (this kernel has none), struct_ops.

import { ERRNO } from '../../base/errno.ts'
import { UserError } from '../../base/errors.ts'
import { encode } from '../../ebpf-vm/isa/insn.ts'
import { MAP_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { eventTypeOf } from '../events.ts'
import { attachTarget } from '../object/attach-target.ts'
import { CandidateFinder } from '../object/core/candidates.ts'
import { explainLog } from '../object/explain.ts'
import { type LinkTarget, LoadError, type ResolvedExtern, resolveExterns } from '../object/externs-resolve.ts'
import { type LinkContext, type LinkedProgram, linkProgram } from '../object/link.ts'
import { isMapOfMaps } from '../object/map-defs.ts'
import { SECTION_DEFINITIONS } from '../object/sections.ts'
import type { MapSpec, ObjectShape, ObjectSpec, ProgramSpec } from '../object/spec.ts'
import { suggest } from '../suggest.ts'
import { type Calls, errorText } from './calls.ts'
import { VerifierError } from './errors.ts'
import { LoadedMap } from './map.ts'
import { LoadedObject, LoadedProgram } from './object.ts'
import type { Scheduler } from './scheduler.ts'

export interface LoadOptions {
  /** What a refused program does: `throw` its VerifierError (default), or `skip` it and load the others (LoadedObject.refused). */
  readonly refused?: 'throw' | 'skip'
  /** The verifier's log level for programs that are accepted too: 1, 2, 4 and their sums. Default 0. */
  readonly logLevel?: number
}

const LOG_BYTES = 16 << 20
const NAME_CHARS = 15
const BPF_F_RDONLY = 1 << 3

/** Maps whose key and value types the kernel does not take. */
const WITHOUT_BTF: ReadonlySet<number> = new Set<number>([
  MAP_TYPE.perf_event_array,
  MAP_TYPE.cgroup_array,
  MAP_TYPE.stack_trace,
  MAP_TYPE.array_of_maps,
  MAP_TYPE.hash_of_maps,
  MAP_TYPE.devmap,
  MAP_TYPE.devmap_hash,
  MAP_TYPE.cpumap,
  MAP_TYPE.xskmap,
  MAP_TYPE.sockmap,
  MAP_TYPE.sockhash,
  MAP_TYPE.queue,
  MAP_TYPE.stack,
  MAP_TYPE.arena,
])

/** Throws VerifierError for a refused program, UserError for whatever else stands in the way. Nothing stays behind then. */
export function loadObject<T extends ObjectShape>(
  calls: Calls,
  scheduler: Scheduler,
  target: LinkTarget,
  spec: ObjectSpec<T>,
  options: LoadOptions,
): LoadedObject<T> {
  const loader = new ObjectLoader(calls, scheduler, target, spec as ObjectSpec<ObjectShape> as ObjectSpec, options)
  try {
    return loader.load() as LoadedObject<ObjectShape> as LoadedObject<T>
  } catch (error) {
    loader.undo()
    throw error instanceof LoadError ? new UserError(`${spec.name}: ${error.message}`) : error
  }
}

class ObjectLoader {
  readonly #calls: Calls
  readonly #scheduler: Scheduler
  readonly #target: LinkTarget
  readonly #spec: ObjectSpec
  readonly #options: LoadOptions
  readonly #fds: number[] = []
  readonly #maps = new Map<string, LoadedMap>()
  #btfFd = 0

  constructor(calls: Calls, scheduler: Scheduler, target: LinkTarget, spec: ObjectSpec, options: LoadOptions) {
    this.#calls = calls
    this.#scheduler = scheduler
    this.#target = target
    this.#spec = spec
    this.#options = options
  }

  load(): LoadedObject {
    const spec = this.#spec
    this.#loadBtf()
    const kconfig = spec.maps['.kconfig']?.data?.bytes.slice()
    const externs = resolveExterns(spec, this.#target, kconfig)
    for (const map of Object.values(spec.maps)) {
      if (map.autocreate) this.#createMap(map, map.name === '.kconfig' ? kconfig : map.data?.bytes)
    }
    for (const map of this.#maps.values()) this.#fillMapSlots(map)
    const programs = new Map<string, LoadedProgram>()
    const refused: VerifierError[] = []
    const context = this.#linkContext(externs)
    for (const program of Object.values(spec.programs)) {
      if (!program.autoload) continue
      try {
        programs.set(program.name, this.#loadProgram(program, context))
      } catch (error) {
        if (!(error instanceof VerifierError) || this.#options.refused !== 'skip') throw error
        refused.push(error)
      }
    }
    for (const map of this.#maps.values()) this.#fillProgramSlots(map, programs)
    return new LoadedObject(this.#calls, spec, programs, this.#maps, this.#fds, refused)
  }

  undo(): void {
    for (const fd of this.#fds.reverse()) this.#calls.close(fd)
  }

  #keep(fd: number): number {
    this.#fds.push(fd)
    return fd
  }

  #loadBtf(): void {
    const { btf } = this.#spec
    if (!btf) return
    const bytes = btf.encode()
    const fd = this.#calls.bpf('btf_load', { btf: bytes, btf_size: bytes.length })
    // As libbpf: without BTF in the kernel an object loads all the same, unless something needs it and is refused then.
    if (fd > 0) this.#btfFd = this.#keep(fd)
  }

  #createMap(map: MapSpec, initial: Uint8Array | undefined): void {
    const fd = this.#keep(this.#create(map))
    const types = {
      btf: this.#spec.btf,
      key: map.data ? 0 : map.keyType,
      value: map.valueType,
      event: eventTypeOf(this.#spec.btf, map.name),
    }
    const loaded = new LoadedMap(this.#calls, this.#scheduler, map, fd, types)
    this.#maps.set(map.name, loaded)
    if (!initial) return
    const error = this.#calls.bpf('map_update_elem', { map_fd: fd, key: new Uint8Array(4), value: initial, flags: 0n })
    if (error < 0)
      throw new UserError(`${this.#spec.name}: map '${map.name}': failed to set initial contents: ${errorText(error)}`)
    if (map.data?.kind !== 'rodata' && map.data?.kind !== 'kconfig') return
    const frozen = this.#calls.bpf('map_freeze', { map_fd: fd })
    if (frozen < 0)
      throw new UserError(`${this.#spec.name}: map '${map.name}': failed to freeze as read-only: ${errorText(frozen)}`)
  }

  #create(map: MapSpec): number {
    const innerFd = map.inner ? this.#keep(this.#create(map.inner)) : 0
    const attr = {
      map_type: map.type,
      map_name: map.kernelName.replace(/[^A-Za-z0-9_.]/g, '_').slice(0, NAME_CHARS),
      key_size: map.keySize,
      value_size: map.valueSize,
      max_entries: this.#maxEntries(map),
      map_flags: map.flags,
      numa_node: map.numaNode,
      map_extra: map.extra,
      inner_map_fd: isMapOfMaps(map.type) ? innerFd : 0,
    }
    const typed = this.#btfFd > 0 && !WITHOUT_BTF.has(map.type) && (map.keyType !== 0 || map.valueType !== 0)
    const types = { btf_fd: this.#btfFd, btf_key_type_id: map.keyType, btf_value_type_id: map.valueType }
    let fd = this.#calls.bpf('map_create', typed ? { ...attr, ...types } : attr)
    // libbpf retries without the types of key and value.
    if (fd < 0 && typed) fd = this.#calls.bpf('map_create', attr)
    if (fd < 0)
      throw new UserError(`${this.#spec.name}: map '${map.name}': failed to create: ${errorText(fd)}${explainMap(map)}`)
    return fd
  }

  #maxEntries(map: MapSpec): number {
    const perCpu = map.type === MAP_TYPE.perf_event_array && map.maxEntries === 0
    return perCpu ? this.#calls.host.kernel.cpus.length : map.maxEntries
  }

  #linkContext(externs: ReadonlyMap<string, ResolvedExtern>): LinkContext {
    const { btf } = this.#spec
    return {
      spec: this.#spec,
      finder: btf && new CandidateFinder(btf, this.#target),
      externs,
      mapFd: (name) => this.#maps.get(name)?.fd,
      moduleFd: (module) => {
        throw new LoadError(`module '${module}' has no BTF descriptor`)
      },
    }
  }

  #loadProgram(program: ProgramSpec, context: LinkContext): LoadedProgram {
    if (program.type === PROG_TYPE.unspec) {
      const known = SECTION_DEFINITIONS.map(({ pattern }) => pattern.replace('+', ''))
      const stem = program.section.split('/')[0]!
      throw this.#refused(
        program,
        ERRNO.EINVAL,
        `missing BPF prog type, check ELF section name '${program.section}'${suggest(stem, known)}`,
      )
    }
    let linked: LinkedProgram
    try {
      linked = linkProgram(program, context)
    } catch (error) {
      if (!(error instanceof LoadError)) throw error
      throw new VerifierError(program.name, ERRNO.EINVAL, '', `${this.#spec.name}: ${error.message}`)
    }
    const attachTo = this.#attachTarget(program)
    const load = (level: number, size: number) => this.#progLoad(program, linked, attachTo, level, size)
    const level = this.#options.logLevel ?? 0
    let { fd, log } = load(level, level === 0 ? 0 : LOG_BYTES)
    // The first try asks for no log; a refusal is asked again, for its words.
    if (fd < 0 && level === 0) ({ fd, log } = load(1, LOG_BYTES))
    const text = explainLog(log, linked, this.#spec.btf)
    if (fd < 0) {
      throw new VerifierError(
        program.name,
        -fd,
        text,
        `${this.#spec.name}: prog '${program.name}': BPF program load failed: ${errorText(fd)}`,
      )
    }
    return new LoadedProgram(this.#calls, program, this.#keep(fd), text)
  }

  #progLoad(program: ProgramSpec, linked: LinkedProgram, attachTo: number, level: number, size: number) {
    const { btf, license, kernelVersion } = this.#spec
    const insns = encode(linked.insns)
    const buffer = new Uint8Array(size)
    const info = btf && this.#btfFd > 0 ? debugInfo(linked, this.#btfFd) : {}
    const fd = this.#calls.bpf('prog_load', {
      prog_type: program.type,
      expected_attach_type: program.expectedAttachType,
      insn_cnt: linked.insns.length,
      insns,
      license: cstring(license),
      kern_version: kernelVersion,
      prog_flags: program.flags,
      prog_name: program.name.slice(0, NAME_CHARS),
      attach_btf_id: attachTo,
      log_level: level,
      log_size: size,
      ...(size > 0 && { log_buf: buffer }),
      ...info,
    })
    const end = buffer.indexOf(0)
    return { fd, log: new TextDecoder().decode(buffer.subarray(0, end < 0 ? buffer.length : end)) }
  }

  /** The BTF id of what a tracing or LSM program attaches to. */
  #attachTarget(program: ProgramSpec): number {
    try {
      return attachTarget(program, this.#target.btf)
    } catch (error) {
      if (!(error instanceof LoadError)) throw error
      const message = `${this.#spec.name}: ${error.message}`
      // A mistyped target is the person's mistake; where others can go on without it, it is a program that this kernel cannot have.
      if (this.#options.refused !== 'skip') throw new UserError(message)
      throw new VerifierError(program.name, ERRNO.ESRCH, '', message)
    }
  }

  #refused(program: ProgramSpec, errno: number, what: string): VerifierError {
    return new VerifierError(program.name, errno, '', `${this.#spec.name}: prog '${program.name}': ${what}`)
  }

  /** Elements of maps of maps that the object gives. */
  #fillMapSlots(map: LoadedMap): void {
    if (!isMapOfMaps(map.spec.type)) return
    for (const { index, name } of map.spec.slots) {
      const inner = this.#maps.get(name)
      if (inner) this.#putFd(map, index, inner.fd)
    }
  }

  #fillProgramSlots(map: LoadedMap, programs: ReadonlyMap<string, LoadedProgram>): void {
    if (map.spec.type !== MAP_TYPE.prog_array) return
    for (const { index, name } of map.spec.slots) {
      const program = programs.get(name)
      if (program) this.#putFd(map, index, program.fd)
    }
  }

  #putFd(map: LoadedMap, index: number, fd: number): void {
    const key = new Uint8Array(4)
    const value = new Uint8Array(4)
    new DataView(key.buffer).setUint32(0, index, true)
    new DataView(value.buffer).setUint32(0, fd, true)
    const error = this.#calls.bpf('map_update_elem', { map_fd: map.fd, key, value, flags: 0n })
    if (error < 0) throw new UserError(`map '${map.name}': failed to initialize slot [${index}]: ${errorText(error)}`)
  }
}

/** struct bpf_func_info and bpf_line_info records. */
function debugInfo({ funcInfo, lineInfo }: LinkedProgram, btfFd: number) {
  const funcs = new Uint8Array(funcInfo.length * 8)
  const funcView = new DataView(funcs.buffer)
  funcInfo.forEach(({ insn, type }, i) => {
    funcView.setUint32(i * 8, insn, true)
    funcView.setUint32(i * 8 + 4, type, true)
  })
  const lines = new Uint8Array(lineInfo.length * 16)
  const lineView = new DataView(lines.buffer)
  lineInfo.forEach((line, i) => {
    lineView.setUint32(i * 16, line.insn, true)
    lineView.setUint32(i * 16 + 4, line.fileOffset, true)
    lineView.setUint32(i * 16 + 8, line.textOffset, true)
    lineView.setUint32(i * 16 + 12, line.lineColumn, true)
  })
  return {
    prog_btf_fd: btfFd,
    func_info_rec_size: 8,
    func_info: funcs,
    func_info_cnt: funcInfo.length,
    line_info_rec_size: 16,
    line_info: lines,
    line_info_cnt: lineInfo.length,
  }
}

/** What a definition that Linux refuses most likely lacks. */
function explainMap({ type, maxEntries, keySize, valueSize, flags }: MapSpec): string {
  if (maxEntries === 0 && type !== MAP_TYPE.perf_event_array) return '; max_entries is 0'
  if (type === MAP_TYPE.array && keySize !== 4) return `; the key of an array has 4 bytes, not ${keySize}`
  if (valueSize === 0 && type !== MAP_TYPE.ringbuf) return '; value_size is 0'
  if (type === MAP_TYPE.ringbuf && (keySize !== 0 || valueSize !== 0))
    return '; a ring buffer has neither key nor value'
  return flags & BPF_F_RDONLY ? '; user space could not write it' : ''
}
