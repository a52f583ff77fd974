// An object in a kernel: its programs, maps and variables by name, attached and detached together.

import { BtfValues } from '../../base/btf/value.ts'
import { UserError } from '../../base/errors.ts'
import type { EngineName } from '../../ebpf-vm/machine.ts'
import type { AttrIn } from '../../hooks/uapi/bpf-attr.ts'
import type { ObjectShape, ObjectSpec, ProgramSpec } from '../object/spec.ts'
import { suggest } from '../suggest.ts'
import { ATTACH, type Attached } from './attach.ts'
import { type Calls, errorText } from './calls.ts'
import { BpfError, type VerifierError } from './errors.ts'
import type { LoadedMap } from './map.ts'

/** What BPF_PROG_TEST_RUN takes; which of it a program may be given is a matter of its type. */
export interface TestRunOptions {
  /** The context, as the program type's own struct. */
  readonly context?: Uint8Array
  /** The packet, from its Ethernet header. */
  readonly data?: Uint8Array
  /** Runs; the result is that of the last. */
  readonly repeat?: number
}

export interface TestRunResult {
  /** u32 */
  readonly retval: number
  /** The packet as the program left it; undefined where none was given. */
  readonly data: Uint8Array | undefined
}

/** A packet grows by at most this much: pages are that large. */
const PACKET_ROOM = 4096

export class LoadedProgram {
  readonly name: string
  readonly spec: ProgramSpec
  readonly fd: number
  /** The verifier's log, where a log level was asked for. */
  readonly log: string
  readonly #calls: Calls
  readonly #attached: Attached[] = []

  constructor(calls: Calls, spec: ProgramSpec, fd: number, log: string) {
    this.name = spec.name
    this.spec = spec
    this.fd = fd
    this.log = log
    this.#calls = calls
  }

  /** What runs it: the interpreter also where the compiler could not. */
  get engine(): EngineName {
    return this.#object.loaded.engine
  }

  /** Times it ran. */
  get runs(): number {
    return this.#object.runs
  }

  /** Times a nesting rule kept it from running. */
  get missed(): number {
    return this.#object.missed
  }

  get attached(): boolean {
    return this.#attached.length > 0
  }

  /** By its section's name, to `target` or to what the spec says. Throws UserError with libbpf's words. */
  attach(target: string = this.spec.target): void {
    const method = this.spec.definition?.attach
    if (!method || target === '') {
      throw new UserError(
        `prog '${this.name}': SEC("${this.spec.section}") does not say what to attach to; ${method ? 'name a target' : 'programs of this type are not attached by name'}`,
      )
    }
    this.#attached.push(ATTACH[method](this.#calls, { spec: this.spec, fd: this.fd, target }))
  }

  detach(): void {
    for (const fds of this.#attached.splice(0)) {
      for (const fd of fds) this.#calls.close(fd)
    }
  }

  /** BPF_PROG_TEST_RUN. A program of type syscall writes into the `context`. Throws BpfError with what Linux says to it. */
  testRun({ context, data, repeat }: TestRunOptions = {}): TestRunResult {
    const out = data && new Uint8Array(PACKET_ROOM)
    const attr: AttrIn<'prog_test_run'> & { retval: number; data_size_out: number } = {
      prog_fd: this.fd,
      retval: 0,
      data_size_out: out?.length ?? 0,
      ...(context && { ctx_in: context, ctx_size_in: context.length }),
      ...(data && out && { data_in: data, data_size_in: data.length, data_out: out }),
      ...(repeat !== undefined && { repeat }),
    }
    const error = this.#calls.bpf('prog_test_run', attr)
    if (error < 0) throw new BpfError(-error, `prog '${this.name}': test run: ${errorText(error)}`)
    return { retval: attr.retval, data: out?.slice(0, attr.data_size_out) }
  }

  get #object() {
    const file = this.#calls.host.file(this.#calls.task, this.fd, 'prog')
    if (typeof file === 'number') throw new UserError(`prog '${this.name}': its descriptor is closed`)
    return file.object
  }
}

type Maps<T extends ObjectShape> = {
  readonly [K in keyof T['maps']]: LoadedMap<T['maps'][K]['key'], T['maps'][K]['value'], T['maps'][K]['event']>
}

export class LoadedObject<T extends ObjectShape = ObjectShape> {
  readonly name: string
  readonly spec: ObjectSpec<T>
  readonly programs: { readonly [K in T['programs']]: LoadedProgram }
  readonly maps: Maps<T>
  /** Global variables as they are in the kernel now; those of .rodata cannot be assigned. */
  readonly variables: T['variables']
  /** Programs that were refused, where load() was told to skip them. */
  readonly refused: readonly VerifierError[]
  readonly #calls: Calls
  readonly #fds: readonly number[]
  #open = true

  constructor(
    calls: Calls,
    spec: ObjectSpec,
    programs: ReadonlyMap<string, LoadedProgram>,
    maps: ReadonlyMap<string, LoadedMap>,
    fds: readonly number[],
    refused: readonly VerifierError[],
  ) {
    this.name = spec.name
    this.spec = spec as ObjectSpec<ObjectShape> as ObjectSpec<T>
    this.programs = named(programs, `${spec.name}: no program`) as never
    this.maps = named(maps, `${spec.name}: no map`) as never
    this.variables = liveVariables(spec, maps)
    this.refused = refused
    this.#calls = calls
    this.#fds = fds
  }

  /** Attach every program whose section says to what. Throws UserError, with nothing attached, where one cannot be. */
  attach(): void {
    try {
      for (const program of this.#all()) {
        const { definition, target, autoattach } = program.spec
        if (autoattach && definition?.attach && target !== '') program.attach()
      }
    } catch (error) {
      this.detach()
      throw error
    }
  }

  detach(): void {
    for (const program of this.#all()) program.detach()
  }

  /** Detach, and give up every descriptor. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.detach()
    for (const fd of this.#fds) this.#calls.close(fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #all(): LoadedProgram[] {
    return Object.values(this.programs)
  }
}

/** By name; asking for a name that is not there is a UserError instead of undefined. */
function named<V>(entries: ReadonlyMap<string, V>, what: string): Readonly<Record<string, V>> {
  return new Proxy(Object.fromEntries(entries) as Record<string, V>, {
    get(target, key, receiver) {
      if (typeof key === 'string' && !Object.hasOwn(target, key) && !(key in Object.prototype) && key !== 'then') {
        throw new UserError(`${what} '${key}'${suggest(key, Object.keys(target))}`)
      }
      return Reflect.get(target, key, receiver)
    },
  })
}

function liveVariables(spec: ObjectSpec, maps: ReadonlyMap<string, LoadedMap>): Record<string, unknown> {
  const variables: Record<string, unknown> = {}
  const values = spec.btf && new BtfValues(spec.btf)
  const element = new Uint8Array(4)
  for (const { name, map: mapName, offset, type } of spec.variableSpecs) {
    const map = maps.get(mapName)
    if (!map || !values || Object.hasOwn(variables, name)) continue
    const codec = values.codec(type)
    const bytes = (): DataView => new DataView(map.lookup(element)!.buffer)
    Object.defineProperty(variables, name, {
      enumerable: true,
      get: () => codec.read(bytes(), offset),
      set(value: unknown) {
        const view = bytes()
        codec.write(view, offset, value, `${spec.name}: variable '${name}'`)
        map.write(element, new Uint8Array(view.buffer))
      },
    })
  }
  return variables
}
