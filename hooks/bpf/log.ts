// The verifier's log in the caller's buffer (kernel/bpf/log.c since 6.4): when it does not fit, the buffer keeps its end (its
// beginning with BPF_LOG_FIXED) and the command fails with -ENOSPC, whatever the verdict was. log_true_size is what it would take.

import { ERRNO } from '../../base/errno.ts'
import { copyToUser, type UserBytes } from '../uapi/codec.ts'

/** Bits of log_level. */
export const LOG = { level1: 1, level2: 2, stats: 4, fixed: 8 } as const
const KNOWN = LOG.level1 | LOG.level2 | LOG.stats | LOG.fixed

export interface LogBuffer {
  readonly level: number
  readonly buffer: UserBytes | undefined
  readonly size: number
}

/** bpf_verifier_log_attr_valid() */
export function logValid({ level, buffer, size }: LogBuffer): boolean {
  if (!buffer !== !size) return false
  if (buffer && level === 0) return false
  return !(level & ~KNOWN) && size <= 0x3fffffff
}

/** Write the log; returns 0 or a negative errno, and the size it takes with its NUL. */
export function writeLog(log: LogBuffer, text: string): { error: number; trueSize: number } {
  if (log.level === 0) return { error: 0, trueSize: 0 }
  const trueSize = text.length + 1
  if (!log.buffer) return { error: 0, trueSize }
  const room = log.size - 1
  const fits = text.length <= room
  const part = fits ? text : log.level & LOG.fixed ? text.slice(0, room) : text.slice(text.length - room)
  const bytes = Uint8Array.from(part + '\0', (char) => char.charCodeAt(0))
  if (!copyToUser(log.buffer, 0, bytes)) return { error: -ERRNO.EFAULT, trueSize }
  return { error: fits ? 0 : -ERRNO.ENOSPC, trueSize }
}
