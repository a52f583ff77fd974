// `bpfsim run OBJECT`: load, attach every program by its section, run, and give out what there is to print, in order.

import { UserError } from '../base/errors.ts'
import { MAP_TYPE } from '../ebpf-vm/uapi.ts'
import { formatLine } from '../hooks/trace-pipe.ts'
import type { VerifierError } from './loader/errors.ts'
import type { LoadedMap } from './loader/map.ts'
import type { LoadedObject } from './loader/object.ts'
import type { Reader } from './loader/reader.ts'
import { setVariable } from './object/set-variable.ts'
import type { ObjectSpec } from './object/spec.ts'
import { hexOf, type OutputRecord, type Summary } from './output.ts'
import type { Session } from './session.ts'

export interface RunObjectOptions {
  /** `--set NAME=VALUE` */
  readonly set?: ReadonlyMap<string, string>
  /** `--event-type NAME`: the struct of the records of every buffer. */
  readonly eventType?: string
  /** Called for each program that was refused, where others go on; the last one is thrown when none is left. */
  readonly onRefused?: (error: VerifierError) => void
}

const BUFFERS: ReadonlySet<number> = new Set<number>([MAP_TYPE.ringbuf, MAP_TYPE.perf_event_array])
/** Maps whose contents are nobody's to read: descriptors, and what the object itself put in. */
const NOT_PRINTED: ReadonlySet<number> = new Set<number>([
  ...BUFFERS,
  MAP_TYPE.user_ringbuf,
  MAP_TYPE.prog_array,
  MAP_TYPE.cgroup_array,
  MAP_TYPE.array_of_maps,
  MAP_TYPE.hash_of_maps,
])

/** An object that runs: its maps (for the text form) and its records, which are over when the run is. */
export interface ObjectRun {
  readonly object: LoadedObject
  readonly records: AsyncIterable<OutputRecord>
}

/**
 * Loads and attaches; nothing has run when this returns. Throws a VerifierError when every program was refused, UserError for what cannot
 * be loaded or attached.
 */
export function runObject(session: Session, spec: ObjectSpec, options: RunObjectOptions = {}): ObjectRun {
  for (const [name, text] of options.set ?? []) setVariable(spec, name, text)
  const object = session.load(spec, { refused: 'skip' })
  const programs = Object.values(object.programs)
  // With no program left, the last refusal is how the whole fails.
  const failure = programs.length === 0 ? object.refused.at(-1) : undefined
  for (const error of object.refused) if (error !== failure) options.onRefused?.(error)
  if (failure) throw failure
  if (programs.length === 0)
    throw new UserError(`${spec.name}: no program is loaded by default; an attach script can choose`)
  const readers = Object.values(object.maps)
    .filter(({ spec: map }) => BUFFERS.has(map.type))
    .map((map) => map.reader(options.eventType === undefined ? {} : { type: options.eventType }))
  object.attach()
  if (!programs.some(({ attached }) => attached)) {
    throw new UserError(
      `${spec.name}: no section says what to attach to (${programs[0]!.spec.section}); an attach script can`,
    )
  }
  return { object, records: records(session, object, readers) }
}

async function* records(
  session: Session,
  object: LoadedObject,
  readers: readonly Reader[],
): AsyncGenerator<OutputRecord> {
  let ready: OutputRecord[] = []
  for (const reader of readers) {
    reader.onBatch = (batch) => {
      for (const { cpu, timeNs, data, bytes } of batch) {
        const event = { type: 'event', map: reader.map.name, cpu, time_ns: timeNs } as const
        ready.push(reader.type === 0 ? { ...event, hex: hexOf(bytes) } : { ...event, data })
      }
    }
  }
  session.on('printk', (line) => ready.push({ type: 'printk', data: formatLine(line).trimEnd() }))
  for (;;) {
    const more = await session.advance()
    const now = ready
    ready = []
    yield* now
    if (!more) break
  }
  object.detach()
  for (const map of Object.values(object.maps)) {
    if (printed(map)) yield { type: 'map', map: map.name, entries: entriesOf(map) }
  }
  yield summary(session, object, readers)
}

const printed = ({ spec }: LoadedMap): boolean =>
  !NOT_PRINTED.has(spec.type) && spec.data?.kind !== 'rodata' && spec.data?.kind !== 'kconfig'

const entriesOf = (map: LoadedMap) => [...map].map(([key, value]) => ({ key, value }))

function summary(session: Session, object: LoadedObject, readers: readonly Reader[]): Summary {
  const { report } = session.activity ?? {}
  return {
    type: 'summary',
    virtual_ns: session.nowNs,
    events: readers.reduce((sum, { count }) => sum + count, 0),
    programs: Object.values(object.programs).map(({ name, runs, missed }) => ({ name, runs, missed })),
    lost: Object.fromEntries(readers.map(({ map, lost }) => [map.name, lost])),
    seed: session.seed,
    cpus: session.kernel.cpus.length,
    kernel: session.kernel.release,
    ...(report && {
      replay: {
        syscalls: report.syscalls,
        diverged: report.diverged,
        by_syscall: Object.fromEntries(report.bySyscall),
      },
    }),
  }
}
