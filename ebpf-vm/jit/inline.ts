// Helpers that compiled code carries out itself.

import type { HelperImpl } from '../helper.ts'
import type { Emitter } from './emitter.ts'

/** Emits the helper's work and leaves r0 in its web; false where this call cannot be inlined. */
export type Inline = (e: Emitter, slot: number, impl: HelperImpl) => boolean

export const INLINE: ReadonlyMap<number, Inline> = new Map()
