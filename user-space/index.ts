/// <reference lib="esnext.disposable" preserve="true" />
// bpfsim: a simulated Linux event host with eBPF. Boot a kernel, load programs, attach them, read what they report.

export { UserError } from '../base/errors.ts'
export type { Logger } from '../base/logger.ts'
export {
  array,
  bool,
  type CType,
  char,
  pointer,
  type Struct,
  s8,
  s16,
  s32,
  s64,
  struct,
  u8,
  u16,
  u32,
  u64,
} from '../base/struct.ts'
export { type Activity, WORKLOADS } from './activity.ts'
export { linearHistogram, linearSlot, log2Histogram, toolsHistogram } from './histogram.ts'
export { BpfError, VerifierError } from './loader/errors.ts'
export type { LoadOptions } from './loader/load.ts'
export type { LoadedMap } from './loader/map.ts'
export type { LoadedObject, LoadedProgram, TestRunOptions, TestRunResult } from './loader/object.ts'
export type { BufferEvent, Reader, ReaderOptions } from './loader/reader.ts'
export { assembleObject, type MapSource, type ObjectSource, type ProgramSource, program } from './object/assembled.ts'
export type { MapSpec, ObjectShape, ObjectSpec, ProgramSpec } from './object/spec.ts'
export { type ReadObjectOptions, readObject } from './read-object.ts'
export { type BootOptions, boot, type RunOptions, type Session, type SessionEvents } from './session.ts'
