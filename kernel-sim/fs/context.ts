// What the objects of the file system share within one kernel.

import type { Allocator } from '../../base/allocator.ts'
import type { KernelMemory } from '../../base/memory.ts'
import type { Frames } from '../mm/frames.ts'
import type { FilesStruct } from './fd-table.ts'
import type { FsLayout } from './layout.ts'

export interface FsContext {
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly frames: Frames
  readonly layout: FsLayout
  /** CLOCK_REALTIME in nanoseconds as seconds and the rest, for time stamps. */
  now(): { readonly sec: number; readonly nsec: number }
  /** The last user of a descriptor table is gone: close its files and free it. */
  closeFiles(files: FilesStruct): void
  /** Close what is marked close-on-exec. */
  closeOnExec(files: FilesStruct): void
}
