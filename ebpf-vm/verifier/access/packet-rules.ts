// Which program types read or write packet data directly, and whether a helper takes packet pointers as memory.

import type { HelperMeta } from '../calls/meta.ts'
import type { Env } from '../env.ts'
import type { AccessType } from './region.ts'

export function mayAccessPacket(env: Env, meta: HelperMeta | undefined, type: AccessType): boolean {
  const { packet, packetWriteAttachTypes } = env.type
  if (packet === undefined) return false
  if (packet === 'read') {
    if (type === 'write') return false
    return meta ? meta.proto?.packetAccess === true : true
  }
  if (packetWriteAttachTypes && !packetWriteAttachTypes.includes(env.input.expectedAttachType)) {
    if (type === 'write') env.seenDirectWrite = true
    return false
  }
  if (meta) return meta.proto?.packetAccess === true
  env.seenDirectWrite = true
  return true
}
