// Socket addresses: bytes of struct sockaddr_in, sockaddr_in6 and sockaddr_un to values and back.

import { ERRNO } from '../../base/errno.ts'
import { AF } from './uapi.ts'

/** An internet address: 4 or 16 bytes, and the port in host order. */
export interface InetAddress {
  readonly family: number
  readonly ip: Uint8Array
  readonly port: number
}

/** An AF_UNIX address: a path, an abstract name (its first byte NUL), or '' for an unnamed socket. */
export type UnixName = string

export const ANY4 = new Uint8Array(4)
export const LOOPBACK4 = Uint8Array.of(127, 0, 0, 1)
export const ANY6 = new Uint8Array(16)
export const LOOPBACK6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

export const isAny = (ip: Uint8Array): boolean => ip.every((byte) => byte === 0)
/** Whether a packet to it stays on this machine. Nothing else is reachable. */
export function isLocal(ip: Uint8Array): boolean {
  if (ip.length === 4) return ip[0] === 127 || isAny(ip)
  if (isMapped(ip)) return isLocal(ip.subarray(12))
  return isAny(ip.subarray(0, 15)) && ip[15]! <= 1
}
const isMapped = (ip: Uint8Array): boolean => isAny(ip.subarray(0, 10)) && ip[10] === 0xff && ip[11] === 0xff

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
export const familyOf = (bytes: Uint8Array): number => (bytes.length >= 2 ? view(bytes).getUint16(0, true) : AF.unspec)

/** The address of a socket of `family`; -EINVAL when too short, -EAFNOSUPPORT for another family. */
export function parseInet(bytes: Uint8Array, family: number): InetAddress | number {
  const needed = family === AF.inet ? 16 : 24
  if (bytes.length < needed) return -ERRNO.EINVAL
  if (familyOf(bytes) !== family) return -ERRNO.EAFNOSUPPORT
  const ip = family === AF.inet ? bytes.slice(4, 8) : bytes.slice(8, 24)
  return { family, ip, port: view(bytes).getUint16(2, false) }
}

export function formatInet(address: InetAddress): Uint8Array {
  const bytes = new Uint8Array(address.family === AF.inet ? 16 : 28)
  view(bytes).setUint16(0, address.family, true)
  view(bytes).setUint16(2, address.port, false)
  bytes.set(address.ip, address.family === AF.inet ? 4 : 8)
  return bytes
}

/** Name of a struct sockaddr_un of these bytes; negative errno. */
export function parseUnix(bytes: Uint8Array): UnixName | number {
  if (bytes.length < 2 || bytes.length > 110) return -ERRNO.EINVAL
  if (familyOf(bytes) !== AF.unix) return -ERRNO.EINVAL
  let name = ''
  for (const byte of bytes.subarray(2)) {
    if (byte === 0 && name !== '' && name.charCodeAt(0) !== 0) break
    name += String.fromCharCode(byte)
  }
  return name
}

export function formatUnix(name: UnixName): Uint8Array {
  if (name === '') return Uint8Array.of(AF.unix, 0)
  const isAbstract = name.charCodeAt(0) === 0
  const bytes = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1))
  bytes[0] = AF.unix
  for (let i = 0; i < name.length; i++) bytes[2 + i] = name.charCodeAt(i)
  return bytes
}
