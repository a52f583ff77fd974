// What the library says of itself: pino on standard error, loaded with the first line that is to be written.

import type { Logger } from '../base/logger.ts'

export type LogLevel = 'debug' | 'info' | 'warn'
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn']

/** Lines below `level` cost nothing; the first one above it loads pino, and those until then wait for it. */
export function lazyLogger(level: LogLevel): Logger {
  let logger: Promise<Logger> | undefined
  const write = (at: LogLevel) => (fields: object, message: string) => {
    if (LOG_LEVELS.indexOf(at) < LOG_LEVELS.indexOf(level)) return
    logger ??= import('pino').then(({ pino }) => pino({ level }, pino.destination({ dest: 2, sync: true })))
    void logger.then((loaded) => loaded[at](fields, message))
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn') }
}
