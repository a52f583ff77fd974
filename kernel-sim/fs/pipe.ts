// Pipes and FIFOs: struct pipe_inode_info with its ring of buffers, one page each. Readers and writers sleep on rd_wait and wr_wait;
// the queues themselves are not in the struct's bytes.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import { isWait, type Wait } from '../wait.ts'
import { F, FIONREAD } from './close.ts'
import type { FsContext } from './context.ts'
import type { File } from './file.ts'
import { type FileOps, POLL, type PollTable } from './file-ops.ts'
import type { Inode, InodeOps } from './inode.ts'
import type { IoCall, IovIter } from './io-call.ts'
import { FMODE, O, S } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const DEFAULT_BUFFERS = 16
const MAX_BUFFERS = 256
const SIGPIPE = 13

type Field = 'head' | 'tail' | 'ring_size' | 'readers' | 'writers' | 'files' | 'r_counter' | 'w_counter' | 'max_usage'

/** The pipe itself. Buffers between tail and head are full; each has a frame of its own. */
export class Pipe {
  readonly at: number
  readonly rdWait = new WaitQueue()
  readonly wrWait = new WaitQueue()
  readonly #context: FsContext
  #frames: (number | undefined)[] = []
  #bufs = 0

  constructor(context: FsContext) {
    this.#context = context
    this.at = context.alloc.alloc(context.layout.pipe_inode_info.size)
    this.set('max_usage', DEFAULT_BUFFERS)
    this.resize(DEFAULT_BUFFERS)
  }

  get(field: Field): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.pipe_inode_info[field], true)
  }
  set(field: Field, value: number): void {
    this.#context.mem.dv.setUint32(this.at + this.#context.layout.pipe_inode_info[field], value, true)
  }

  /** Buffers in use. */
  get used(): number {
    return (this.get('head') - this.get('tail')) >>> 0
  }
  get empty(): boolean {
    return this.used === 0
  }
  get full(): boolean {
    return this.used >= this.get('max_usage')
  }
  /** Bytes that could be read. */
  get bytes(): number {
    let sum = 0
    for (let i = 0; i < this.used; i++) sum += this.length(this.get('tail') + i)
    return sum
  }

  #buf(index: number): number {
    return this.#bufs + (index & (this.get('ring_size') - 1)) * this.#context.layout.pipe_buffer.size
  }
  length(index: number): number {
    return this.#context.mem.dv.getUint32(this.#buf(index) + this.#context.layout.pipe_buffer.len, true)
  }
  offset(index: number): number {
    return this.#context.mem.dv.getUint32(this.#buf(index) + this.#context.layout.pipe_buffer.offset, true)
  }
  setBuffer(index: number, offset: number, length: number): void {
    this.#context.mem.dv.setUint32(this.#buf(index) + this.#context.layout.pipe_buffer.offset, offset, true)
    this.#context.mem.dv.setUint32(this.#buf(index) + this.#context.layout.pipe_buffer.len, length, true)
  }
  frame(index: number): number {
    return (this.#frames[index & (this.get('ring_size') - 1)] ??= this.#context.frames.take())
  }

  /** Change the number of buffers (a power of two that holds what is in them). */
  resize(buffers: number): void {
    const { mem, alloc, layout } = this.#context
    const used = this.#bufs === 0 ? 0 : this.used
    const bytes = alloc.alloc(buffers * layout.pipe_buffer.size)
    const frames: (number | undefined)[] = []
    const tail = this.get('tail')
    const ring = this.get('ring_size')
    for (let i = 0; i < used; i++) {
      const from = this.#buf(tail + i)
      mem.u8.copyWithin(bytes + i * layout.pipe_buffer.size, from, from + layout.pipe_buffer.size)
      frames[i] = this.#frames[(tail + i) & (ring - 1)]
      this.#frames[(tail + i) & (ring - 1)] = undefined
    }
    this.#freeFrames()
    if (this.#bufs !== 0) alloc.free(this.#bufs)
    this.#frames = frames
    this.#bufs = bytes
    this.set('tail', 0)
    this.set('head', used)
    this.set('ring_size', buffers)
    this.set('max_usage', buffers)
    mem.writePtr(this.at + layout.pipe_inode_info.bufs, bytes)
  }

  free(): void {
    this.#freeFrames()
    this.#context.alloc.free(this.#bufs)
    this.#context.alloc.free(this.at)
  }

  #freeFrames(): void {
    for (const frame of this.#frames) if (frame !== undefined) this.#context.frames.put(frame)
    this.#frames = []
  }
}

const PIPE_INODE_OPS: InodeOps = { symbol: 'empty_iops', functions: {} }

export function declarePipe(vfs: Vfs) {
  const { context } = vfs
  const { mem } = context

  const take = (pipe: Pipe, iter: IovIter): number => {
    let moved = 0
    while (!pipe.empty && iter.count > 0) {
      const tail = pipe.get('tail')
      const length = Math.min(pipe.length(tail), iter.count)
      const copied = iter.copyTo(mem.u8, pipe.frame(tail) + pipe.offset(tail), length)
      if (copied < length) return moved > 0 ? moved : -ERRNO.EFAULT
      pipe.setBuffer(tail, pipe.offset(tail) + copied, pipe.length(tail) - copied)
      if (pipe.length(tail) === 0) pipe.set('tail', (tail + 1) >>> 0)
      moved += copied
    }
    return moved
  }
  function* readSlowly(io: IoCall, iter: IovIter, pipe: Pipe): Wait<number> {
    for (;;) {
      const waited = vfs.wait([pipe.rdWait], () => !pipe.empty || pipe.get('writers') === 0, { exclusive: true })
      const result = isWait(waited) ? yield* waited : waited
      if (result < 0) return result
      const wasFull = pipe.full
      const moved = take(pipe, iter)
      if (moved === 0 && pipe.get('writers') > 0) continue
      return finishRead(io, pipe, moved, wasFull)
    }
  }
  const finishRead = (io: IoCall, pipe: Pipe, moved: number, wasFull: boolean): number => {
    if (!pipe.empty) pipe.rdWait.wake(1, POLL.in | POLL.rdnorm)
    if (wasFull && !pipe.full) pipe.wrWait.wake(1, POLL.out | POLL.wrnorm)
    if (moved > 0) vfs.page.accessed(io.file)
    return moved
  }
  const read = vfs.leaf('ssize_t pipe_read(struct kiocb *iocb, struct iov_iter *to)', (io: IoCall, iter: IovIter) => {
    if (iter.count === 0) return 0
    const pipe = io.file.inode.priv as Pipe
    const wasFull = pipe.full
    const moved = take(pipe, iter)
    if (moved !== 0 || pipe.get('writers') === 0) return finishRead(io, pipe, moved, wasFull)
    return io.nonblock ? -ERRNO.EAGAIN : readSlowly(io, iter, pipe)
  })

  /** Fill buffers as far as they go; into the last one first, if the end of the data fits there. */
  const put = (pipe: Pipe, iter: IovIter, merge: boolean): number => {
    let moved = 0
    const tailBytes = iter.count % PAGE_SIZE
    if (merge && tailBytes > 0 && !pipe.empty) {
      const last = (pipe.get('head') - 1) >>> 0
      const at = pipe.offset(last) + pipe.length(last)
      if (at + tailBytes <= PAGE_SIZE) {
        const copied = iter.copyFrom(mem.u8, pipe.frame(last) + at, tailBytes)
        if (copied < tailBytes) return -ERRNO.EFAULT
        pipe.setBuffer(last, pipe.offset(last), pipe.length(last) + copied)
        moved = copied
      }
    }
    while (iter.count > 0 && !pipe.full) {
      const head = pipe.get('head')
      const length = Math.min(PAGE_SIZE, iter.count)
      const copied = iter.copyFrom(mem.u8, pipe.frame(head), length)
      if (copied < length) return moved > 0 ? moved : -ERRNO.EFAULT
      pipe.setBuffer(head, 0, copied)
      pipe.set('head', (head + 1) >>> 0)
      moved += copied
    }
    return moved
  }
  const broken = (): number => {
    vfs.host.signal(SIGPIPE)
    return -ERRNO.EPIPE
  }
  function* writeSlowly(io: IoCall, iter: IovIter, pipe: Pipe, moved: number): Wait<number> {
    for (;;) {
      const waited = vfs.wait([pipe.wrWait], () => !pipe.full || pipe.get('readers') === 0, { exclusive: true })
      const result = isWait(waited) ? yield* waited : waited
      if (result < 0) return moved > 0 ? moved : result
      if (pipe.get('readers') === 0) {
        const error = broken()
        return moved > 0 ? moved : error
      }
      const wasEmpty = pipe.empty
      const step = put(pipe, iter, false)
      if (step < 0) return moved > 0 ? moved : step
      moved += step
      if (wasEmpty) pipe.rdWait.wake(1, POLL.in | POLL.rdnorm)
      if (iter.count === 0) {
        if (!pipe.full) pipe.wrWait.wake(1, POLL.out | POLL.wrnorm)
        io.file.inode.touch('mtime', 'ctime')
        return moved
      }
    }
  }
  const write = vfs.leaf(
    'ssize_t pipe_write(struct kiocb *iocb, struct iov_iter *from)',
    (io: IoCall, iter: IovIter) => {
      if (iter.count === 0) return 0
      const pipe = io.file.inode.priv as Pipe
      if (pipe.get('readers') === 0) return broken()
      const wasEmpty = pipe.empty
      const moved = put(pipe, iter, true)
      if (moved < 0) return moved
      if (wasEmpty) pipe.rdWait.wake(1, POLL.in | POLL.rdnorm)
      if (iter.count > 0) {
        if (!io.nonblock) return writeSlowly(io, iter, pipe, moved)
        return moved > 0 ? moved : -ERRNO.EAGAIN
      }
      io.file.inode.touch('mtime', 'ctime')
      return moved
    },
  )

  const poll = vfs.declare(
    '__poll_t pipe_poll(struct file *filp, poll_table *wait)',
    (file: File, table: PollTable | undefined): number => {
      const pipe = file.inode.priv as Pipe
      let mask = 0
      if (file.mode & FMODE.read) {
        table?.add(pipe.rdWait)
        if (!pipe.empty) mask |= POLL.in | POLL.rdnorm
        // Hung up only for a reader that had a writer once.
        if (pipe.get('writers') === 0 && pipe.get('w_counter') > 0) mask |= POLL.hup
      }
      if (file.mode & FMODE.write) {
        table?.add(pipe.wrWait)
        if (!pipe.full) mask |= POLL.out | POLL.wrnorm
        if (pipe.get('readers') === 0) mask |= POLL.err
      }
      return mask
    },
  )

  const release = vfs.declare(
    'int pipe_release(struct inode *inode, struct file *file)',
    (inode: Inode, file: File): void => {
      const pipe = inode.priv as Pipe
      if (file.mode & FMODE.read) pipe.set('readers', pipe.get('readers') - 1)
      if (file.mode & FMODE.write) pipe.set('writers', pipe.get('writers') - 1)
      if ((pipe.get('readers') === 0) !== (pipe.get('writers') === 0)) {
        pipe.rdWait.wakeAll()
        pipe.wrWait.wakeAll()
      }
      const files = pipe.get('files') - 1
      pipe.set('files', files)
      if (files > 0) return
      inode.priv = undefined
      mem.writePtr(inode.at + context.layout.inode.i_pipe, 0)
      pipe.free()
    },
  )

  const ioctl = vfs.declare(
    'long pipe_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)',
    (file: File, command: number, argument: number): number => {
      if (command !== FIONREAD) return -ERRNO.ENOTTY
      return vfs.writeUserInt32(argument, (file.inode.priv as Pipe).bytes) ? 0 : -ERRNO.EFAULT
    },
  )

  const setPipe = (inode: Inode, pipe: Pipe): void => {
    inode.priv = pipe
    mem.writePtr(inode.at + context.layout.inode.i_pipe, pipe.at)
  }
  const enter = (file: File, pipe: Pipe): void => {
    file.setPrivate(pipe, pipe.at)
    file.mode = (file.mode | FMODE.stream) & ~(FMODE.lseek | FMODE.pread | FMODE.pwrite | FMODE.atomicPos)
    for (const [mode, users, counter] of ENDS) {
      if (!(file.mode & mode)) continue
      pipe.set(users, pipe.get(users) + 1)
      pipe.set(counter, pipe.get(counter) + 1)
    }
  }
  function* waitForPartner(pipe: Pipe, counter: 'r_counter' | 'w_counter'): Wait<number> {
    const before = pipe.get(counter)
    const queue = counter === 'w_counter' ? pipe.rdWait : pipe.wrWait
    const waited = vfs.wait([queue], () => pipe.get(counter) !== before, {})
    return isWait(waited) ? yield* waited : waited
  }
  const open = vfs.declare('int fifo_open(struct inode *inode, struct file *filp)', (inode: Inode, file: File) => {
    if (!inode.priv) setPipe(inode, new Pipe(context))
    const pipe = inode.priv as Pipe
    const access = file.flags & O.accmode
    const isReader = access === O.rdonly
    if (!isReader && access === O.wronly && file.flags & O.nonblock && pipe.get('readers') === 0) {
      if (pipe.get('files') === 0) {
        setPipe(inode, pipe)
        inode.priv = undefined
        pipe.free()
      }
      return -ERRNO.ENXIO
    }
    pipe.set('files', pipe.get('files') + 1)
    enter(file, pipe)
    if (isReader || access === O.rdwr) pipe.wrWait.wakeAll()
    if (!isReader) pipe.rdWait.wakeAll()
    if (access === O.rdwr || file.flags & O.nonblock) return 0
    if (isReader) return pipe.get('writers') > 0 ? 0 : waitForPartner(pipe, 'w_counter')
    return pipe.get('readers') > 0 ? 0 : waitForPartner(pipe, 'r_counter')
  })

  const ops: FileOps = {
    symbol: 'pipefifo_fops',
    functions: {
      open: 'fifo_open',
      read_iter: 'pipe_read',
      write_iter: 'pipe_write',
      poll: 'pipe_poll',
      unlocked_ioctl: 'pipe_ioctl',
      release: 'pipe_release',
    },
    open,
    readIter: read,
    writeIter: write,
    poll,
    ioctl,
    release,
  }

  let made: { reader: File; writer: File } | undefined
  const createFiles = vfs.declare(
    'int create_pipe_files(struct file **res, int flags)',
    (_res: number, flags: number) => {
      const pipe = new Pipe(context)
      const inode = vfs.pipeMount.sb.newInode(S.ififo | 0o600, PIPE_INODE_OPS, ops)
      setPipe(inode, pipe)
      pipe.set('files', 2)
      const common = flags & (O.nonblock | O.direct)
      const writer = vfs.open.pseudoFile(vfs.pipeMount, inode, '', O.wronly | common)
      inode.hold()
      const reader = vfs.open.pseudoFile(vfs.pipeMount, inode, '', O.rdonly | common)
      enter(writer, pipe)
      enter(reader, pipe)
      made = { reader, writer }
      return 0
    },
  )
  const doPipe2 = vfs.declare('int do_pipe2(int __user *fildes, int flags)', (fds: number, flags: number): number => {
    if (flags & ~(O.cloexec | O.nonblock | O.direct)) return -ERRNO.EINVAL
    createFiles(0, flags)
    const { reader, writer } = made!
    const first = vfs.open.getUnusedFd(flags)
    const second = first < 0 ? first : vfs.open.getUnusedFd(flags)
    const error = first < 0 ? first : second
    const pair = new Uint8Array(Int32Array.of(first, second).buffer)
    const failed = error < 0 ? error : vfs.mm.write(fds, pair, 0, 8) > 0 ? -ERRNO.EFAULT : 0
    if (failed) {
      if (first >= 0) vfs.fds.release(first)
      if (second >= 0) vfs.fds.release(second)
      reader.put()
      writer.put()
      return failed
    }
    vfs.open.fdInstall(first, reader)
    vfs.open.fdInstall(second, writer)
    return 0
  })

  /** F_GETPIPE_SZ and F_SETPIPE_SZ: bytes, or negative errno. */
  const fcntl = (file: File, command: number, argument: number): number => {
    const pipe = file.inode.priv
    if (!(pipe instanceof Pipe)) return -ERRNO.EBADF
    if (command === F.getpipeSz) return pipe.get('max_usage') * PAGE_SIZE
    let buffers = 1
    while (buffers * PAGE_SIZE < argument) buffers *= 2
    if (argument <= 0 || argument > 2 ** 31) return -ERRNO.EINVAL
    if (buffers > MAX_BUFFERS && !vfs.mayUseResources()) return -ERRNO.EPERM
    if (buffers < pipe.used) return -ERRNO.EBUSY
    pipe.resize(buffers)
    pipe.wrWait.wake(1, POLL.out | POLL.wrnorm)
    return buffers * PAGE_SIZE
  }

  return { ops, doPipe2, fcntl }
}

const ENDS = [
  [FMODE.read, 'readers', 'r_counter'],
  [FMODE.write, 'writers', 'w_counter'],
] as const
