// What the memory and file parts hold for a task, as fork, exec and exit handle it: shared by reference (hold, put) or copied.

import type { FilesStruct } from '../fs/fd-table.ts'
import type { FsStruct } from '../fs/fs-struct.ts'
import type { Mm } from '../mm/mm.ts'

export type Files = FilesStruct
export type FsState = FsStruct
export type AddressSpace = Mm
