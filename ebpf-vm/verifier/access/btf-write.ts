// The few members of kernel structs that some program types may write (TCP congestion control, sk_buff's mark).

import type { Env } from '../env.ts'

export function canWriteField(_env: Env, _struct: string, _offset: number, _size: number): boolean {
  return false
}
