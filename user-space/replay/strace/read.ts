// A whole strace log as records in the order of their ends, with what could not be read.

import { UserError } from '../../../base/errors.ts'
import { lineBatches } from '../../io/lines.ts'
import { type RecordedEvent, type SkippedLine, StraceReader } from './record.ts'

export interface Recording {
  readonly file: string
  readonly events: readonly RecordedEvent[]
  /** CLOCK_REALTIME of the first line, nanoseconds since 1970. */
  readonly startRealtimeNs: bigint
  readonly lines: number
  readonly skipped: readonly SkippedLine[]
}

/** `file` names the recording in messages. Throws UserError for what is no strace log, or (strict) at the first bad line. */
export async function readStrace(
  source: AsyncIterable<Uint8Array>,
  file: string,
  { strict = false }: { strict?: boolean } = {},
): Promise<Recording> {
  const reader = new StraceReader(file, strict)
  const events: RecordedEvent[] = []
  try {
    for await (const lines of lineBatches(source)) {
      for (const line of lines) {
        const event = reader.push(line)
        if (event) events.push(event)
      }
    }
  } catch (error) {
    if (!(error instanceof TypeError) && (error as { code?: string }).code !== 'Z_BUF_ERROR') throw error
    const reason = `the gzip stream is damaged or cut off after line ${reader.lines}`
    if (strict || events.length === 0) throw new UserError(`${file}: ${reason}: copy the file again`)
    reader.skipped.push({ line: reader.lines + 1, reason })
  }
  events.push(...reader.end())
  if (events.length === 0) {
    const why = reader.skipped[0] ? ` (line ${reader.skipped[0].line}: ${reader.skipped[0].reason})` : ' (it is empty)'
    throw new UserError(
      `${file}: not an strace recording${why}: record with strace -f -ttt -T -y -yy -s 256 -o FILE COMMAND`,
    )
  }
  return { file, events, startRealtimeNs: reader.startRealtimeNs, lines: reader.lines, skipped: reader.skipped }
}
