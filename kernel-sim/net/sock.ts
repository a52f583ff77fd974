// Sockets: struct socket (what a descriptor has) and struct sock (what the protocol has), and the bytes that wait to be received.
// There are no packets on this machine's loopback yet: what one end sends is in the other end's queue at once.

import type { Allocator } from '../../base/allocator.ts'
import { ERRNO } from '../../base/errno.ts'
import type { KernelMemory } from '../../base/memory.ts'
import type { File } from '../fs/file.ts'
import type { PollTable } from '../fs/file-ops.ts'
import type { Inode } from '../fs/inode.ts'
import type { IovIter } from '../fs/io-call.ts'
import type { OpsTable } from '../fs/super-block.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import type { MaybeWait } from '../wait.ts'
import type { NetLayout } from './layout.ts'
import { SS, STATE } from './uapi.ts'

export const DEFAULT_SNDBUF = 212992
export const DEFAULT_RCVBUF = 212992

/** A message on its way: struct msghdr in the frame of whoever made it. */
export interface Message {
  readonly at: number
  readonly iter: IovIter
  /** MSG_* as the caller passed them, MSG_DONTWAIT added for a non-blocking file. */
  readonly flags: number
  /** Address to send to, or where recvmsg leaves the sender's. */
  name: Uint8Array | undefined
  /** Files that go along (SCM_RIGHTS). */
  files: File[]
  /** MSG_* that recvmsg gives back. */
  outFlags: number
}

/** proto_ops: what a family and type of sockets answers with. Results are 0, counts or negative errno. */
export interface ProtoOps extends OpsTable {
  readonly family: number
  bind(sock: Socket, address: Uint8Array): number
  connect(sock: Socket, address: Uint8Array, flags: number): MaybeWait<number>
  listen(sock: Socket, backlog: number): number
  /** The accepted struct sock, or negative errno; its object is `sock.sk!.accepted`. */
  accept(sock: Socket, fresh: Socket, flags: number): MaybeWait<number>
  sendmsg(sock: Socket, message: Message, size: number): MaybeWait<number>
  recvmsg(sock: Socket, message: Message, size: number, flags: number): MaybeWait<number>
  shutdown(sock: Socket, how: number): number
  getname(sock: Socket, peer: boolean): Uint8Array | number
  poll(file: File, sock: Socket, table: PollTable | undefined): number
  release(sock: Socket): void
  socketpair?(a: Socket, b: Socket): number
  setsockopt(sock: Socket, level: number, name: number, value: Uint8Array): number
  getsockopt(sock: Socket, level: number, name: number): Uint8Array | number
}

/** struct socket */
export class Socket {
  readonly at: number
  readonly ops: ProtoOps
  file: File | undefined
  inode: Inode | undefined
  sk: Sock | undefined
  readonly #mem: KernelMemory
  readonly #layout: NetLayout['sock']

  constructor(mem: KernelMemory, layout: NetLayout['sock'], at: number, type: number, ops: ProtoOps, opsAt: number) {
    this.#mem = mem
    this.#layout = layout
    this.at = at
    this.ops = ops
    mem.dv.setInt16(at + layout.type, type, true)
    mem.writePtr(at + layout.ops, opsAt)
    this.state = SS.unconnected
  }

  get type(): number {
    return this.#mem.dv.getInt16(this.at + this.#layout.type, true)
  }
  get state(): number {
    return this.#mem.dv.getInt32(this.at + this.#layout.state, true)
  }
  set state(state: number) {
    this.#mem.dv.setInt32(this.at + this.#layout.state, state, true)
  }
  setFile(file: File): void {
    this.file = file
    this.#mem.writePtr(this.at + this.#layout.file, file.at)
  }
  /** sock_graft(): the two belong together. */
  setSock(sk: Sock): void {
    this.sk = sk
    sk.socket = this
    this.#mem.writePtr(this.at + this.#layout.sk, sk.at)
    this.#mem.writePtr(sk.at + sk.layout.socket, this.at)
  }
}

/** Bytes or messages that wait to be received, in kernel memory. */
interface Chunk {
  readonly at: number
  from: number
  readonly length: number
  readonly files: File[]
  readonly sender: Uint8Array | undefined
}

type NumberField =
  | 'err'
  | 'ack_backlog'
  | 'max_ack_backlog'
  | 'rcvbuf'
  | 'sndbuf'
  | 'priority'
  | 'mark'
  | 'bound_dev_if'

/** struct sock */
export class Sock {
  readonly at: number
  readonly layout: NetLayout
  readonly wait = new WaitQueue()
  socket: Socket | undefined
  accepted: Sock | undefined
  readonly chunks: Chunk[] = []
  queuedBytes = 0
  /** Options that nothing else reads: level and name to value. */
  readonly options = new Map<string, Uint8Array>()
  readonly mem: KernelMemory
  readonly #alloc: Allocator

  constructor(
    mem: KernelMemory,
    alloc: Allocator,
    layout: NetLayout,
    bytes: number,
    what: { family: number; type: number; protocol: number; prot: number; net: number; uid: number; cookie: number },
  ) {
    this.mem = mem
    this.#alloc = alloc
    this.layout = layout
    this.at = alloc.alloc(bytes)
    mem.dv.setUint16(this.at + layout.family, what.family, true)
    mem.dv.setUint16(this.at + layout.type, what.type, true)
    mem.dv.setUint16(this.at + layout.protocol, what.protocol, true)
    mem.writePtr(this.at + layout.prot, what.prot)
    mem.writePtr(this.at + layout.net, what.net)
    mem.dv.setUint32(this.at + layout.uid, what.uid, true)
    mem.writeInt64(this.at + layout.cookie, what.cookie)
    mem.dv.setInt32(this.at + layout.refcnt, 1, true)
    this.set('rcvbuf', DEFAULT_RCVBUF)
    this.set('sndbuf', DEFAULT_SNDBUF)
    this.storeState(STATE.close)
  }

  get family(): number {
    return this.mem.dv.getUint16(this.at + this.layout.family, true)
  }
  get type(): number {
    return this.mem.dv.getUint16(this.at + this.layout.type, true)
  }
  get protocol(): number {
    return this.mem.dv.getUint16(this.at + this.layout.protocol, true)
  }
  get state(): number {
    return this.mem.u8[this.at + this.layout.state]!
  }
  storeState(state: number): void {
    this.mem.u8[this.at + this.layout.state] = state
  }
  get shutdown(): number {
    return this.mem.u8[this.at + this.layout.shutdown]!
  }
  set shutdown(mask: number) {
    this.mem.u8[this.at + this.layout.shutdown] = mask
  }
  get(field: NumberField): number {
    return this.mem.dv.getInt32(this.at + this.layout[field], true)
  }
  set(field: NumberField, value: number): void {
    this.mem.dv.setInt32(this.at + this.layout[field], value, true)
  }
  /** Pending error as a negative errno, cleared (sock_error()). */
  takeError(): number {
    const error = this.get('err')
    if (error === 0) return 0
    this.set('err', 0)
    return -error
  }
  get reuse(): boolean {
    return ((this.mem.u8[this.at + this.layout.reuse.at]! >> this.layout.reuse.bit) & 0xf) !== 0
  }
  set reuse(on: boolean) {
    const { at, bit } = this.layout.reuse
    const byte = this.mem.u8[this.at + at]! & ~(0xf << bit)
    this.mem.u8[this.at + at] = byte | (on ? 1 << bit : 0)
  }
  get reuseport(): boolean {
    return ((this.mem.u8[this.at + this.layout.reuse.at]! >> (this.layout.reuse.bit + 4)) & 1) === 1
  }
  set reuseport(on: boolean) {
    const bit = 1 << (this.layout.reuse.bit + 4)
    const byte = this.mem.u8[this.at + this.layout.reuse.at]!
    this.mem.u8[this.at + this.layout.reuse.at] = on ? byte | bit : byte & ~bit
  }

  /** Queue what `iter` holds, up to `length` bytes; bytes queued, or -EFAULT. */
  enqueue(iter: IovIter, length: number, files: File[], sender?: Uint8Array): number {
    const at = this.#alloc.alloc(Math.max(1, length))
    const copied = iter.copyFrom(this.mem.u8, at, length)
    if (copied < length) {
      this.#alloc.free(at)
      return -ERRNO.EFAULT
    }
    this.chunks.push({ at, from: 0, length, files, sender })
    this.#count(length)
    return length
  }

  /** Move bytes of a stream into `iter`; `peek` leaves them. Files of the first chunk go along. */
  dequeueStream(iter: IovIter, length: number, peek: boolean, files: File[]): number {
    let moved = 0
    for (let i = 0; i < this.chunks.length && moved < length; ) {
      const chunk = this.chunks[i]!
      // Files belong to the bytes that they came with: a read stops before the next ones.
      if (chunk.files.length > 0 && moved > 0) break
      const part = Math.min(length - moved, chunk.length - chunk.from)
      const copied = iter.copyTo(this.mem.u8, chunk.at + chunk.from, part)
      if (copied < part) return moved > 0 ? moved : -ERRNO.EFAULT
      moved += part
      const stops = chunk.files.length > 0
      if (!peek) files.push(...chunk.files.splice(0))
      if (peek) i++
      else {
        chunk.from += part
        this.#count(-part)
        if (chunk.from === chunk.length) this.#drop(i)
      }
      if (stops) break
    }
    return moved
  }

  /** The first message: bytes moved; what does not fit is lost (`length` tells the whole). */
  dequeueMessage(
    iter: IovIter,
    size: number,
    peek: boolean,
  ): { moved: number; length: number; chunk: Chunk } | undefined {
    const chunk = this.chunks[0]
    if (!chunk) return undefined
    const part = Math.min(size, chunk.length)
    const copied = iter.copyTo(this.mem.u8, chunk.at, part)
    const result = { moved: copied < part ? -ERRNO.EFAULT : part, length: chunk.length, chunk }
    if (!peek) {
      this.#count(-chunk.length)
      this.#drop(0)
    }
    return result
  }

  free(): void {
    for (const chunk of this.chunks) {
      for (const file of chunk.files) file.put()
      this.#alloc.free(chunk.at)
    }
    this.chunks.length = 0
    this.#alloc.free(this.at)
  }

  #drop(index: number): void {
    const [chunk] = this.chunks.splice(index, 1)
    this.#alloc.free(chunk!.at)
    this.mem.dv.setInt32(this.at + this.layout.qlen, this.chunks.length, true)
  }

  #count(bytes: number): void {
    this.queuedBytes += bytes
    this.mem.dv.setInt32(this.at + this.layout.qlen, this.chunks.length, true)
  }
}
