// Marking runs of stack slots as read.

import type { Env } from '../env.ts'
import type { Frame } from '../state.ts'

export function readAlive(env: Env, frame: Frame, spi: number, count: number): void {
  for (let i = 0; i < count; i++) if (spi - i >= 0) env.live.read(frame.frameno, env.insnIdx, spi - i)
}
