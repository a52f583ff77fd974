// setsockopt and getsockopt at the socket level, and options that are kept and given back but change nothing here.

import { ERRNO } from '../../base/errno.ts'
import type { Sock, Socket } from './sock.ts'
import { SO, SOL, STATE } from './uapi.ts'

const SK_MEM_MIN = 4608
const SYSCTL_MEM_MAX = 212992

const intOf = (value: Uint8Array): number | undefined =>
  value.length < 4 ? undefined : new DataView(value.buffer, value.byteOffset).getInt32(0, true)
export const intBytes = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)

/** Options of SOL_SOCKET with a value of their own length. */
const LONG: Readonly<Record<number, number>> = { [SO.linger]: 8, [SO.rcvtimeo]: 16, [SO.sndtimeo]: 16 }

const key = (level: number, name: number): string => `${level}:${name}`

/** sk_setsockopt() */
export function setSocketOption(sk: Sock, name: number, value: Uint8Array): number {
  const number = intOf(value)
  if (number === undefined) return -ERRNO.EINVAL
  const needed = LONG[name]
  if (needed !== undefined && value.length < needed) return -ERRNO.EINVAL
  switch (name) {
    case SO.reuseaddr:
      sk.reuse = number !== 0
      return 0
    case SO.reuseport:
      sk.reuseport = number !== 0
      return 0
    case SO.sndbuf:
    case SO.sndbufforce:
    case SO.rcvbuf:
    case SO.rcvbufforce: {
      const limit = name === SO.sndbuf || name === SO.rcvbuf ? Math.min(number, SYSCTL_MEM_MAX) : number
      sk.set(name === SO.sndbuf || name === SO.sndbufforce ? 'sndbuf' : 'rcvbuf', Math.max(limit * 2, SK_MEM_MIN))
      return 0
    }
    case SO.priority:
      sk.set('priority', number)
      return 0
    case SO.mark:
      sk.set('mark', number)
      return 0
    case SO.type:
    case SO.protocol:
    case SO.domain:
    case SO.error:
    case SO.acceptconn:
      return -ERRNO.ENOPROTOOPT
    default:
      if (name > SO.cookie + 30) return -ERRNO.ENOPROTOOPT
      sk.options.set(key(SOL.socket, name), value.slice(0, needed ?? 4))
      return 0
  }
}

/** sk_getsockopt() */
export function getSocketOption(sock: Socket, name: number): Uint8Array | number {
  const sk = sock.sk!
  switch (name) {
    case SO.type:
      return intBytes(sk.type)
    case SO.error:
      return intBytes(-sk.takeError())
    case SO.protocol:
      return intBytes(sk.protocol)
    case SO.domain:
      return intBytes(sk.family)
    case SO.acceptconn:
      return intBytes(sk.state === STATE.listen ? 1 : 0)
    case SO.reuseaddr:
      return intBytes(sk.reuse ? 1 : 0)
    case SO.reuseport:
      return intBytes(sk.reuseport ? 1 : 0)
    case SO.sndbuf:
      return intBytes(sk.get('sndbuf'))
    case SO.rcvbuf:
      return intBytes(sk.get('rcvbuf'))
    case SO.priority:
      return intBytes(sk.get('priority'))
    case SO.mark:
      return intBytes(sk.get('mark'))
    case SO.rcvlowat:
      return sk.options.get(key(SOL.socket, name)) ?? intBytes(1)
    default:
      return sk.options.get(key(SOL.socket, name)) ?? new Uint8Array(LONG[name] ?? 4)
  }
}

/** An option of a protocol's level that is kept as it is. */
export function keepOption(sk: Sock, level: number, name: number, value: Uint8Array): number {
  if (value.length < 4) return -ERRNO.EINVAL
  sk.options.set(key(level, name), value.slice())
  return 0
}
export function keptOption(sk: Sock, level: number, name: number): Uint8Array | undefined {
  return sk.options.get(key(level, name))
}
