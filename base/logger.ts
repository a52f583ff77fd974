// What the library says to its developer. Silent unless one is handed in; the command line hands in pino, which fits as it is.

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

const ignore = (): void => {}
export const silent: Logger = { debug: ignore, info: ignore, warn: ignore }
