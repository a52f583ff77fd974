// Character devices that every machine has: null, zero, full, random, urandom (major 1), and terminals. What is written to a terminal
// goes to whoever listens (`Vfs.console`); what is read from it comes from there too.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import type { Rng } from '../../base/rng.ts'
import { WaitQueue } from '../sched/wait-queue.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { File } from './file.ts'
import { type FileOps, POLL, type PollTable } from './file-ops.ts'
import type { Inode } from './inode.ts'
import type { IoCall, IovIter } from './io-call.ts'
import { FMODE, makeDev } from './uapi.ts'
import type { Vfs } from './vfs.ts'

export const DEV = {
  null: makeDev(1, 3),
  zero: makeDev(1, 5),
  full: makeDev(1, 7),
  random: makeDev(1, 8),
  urandom: makeDev(1, 9),
  tty: makeDev(5, 0),
  console: makeDev(5, 1),
} as const

const TCGETS = 0x5401
const TCSETS = 0x5402
const TCSETSF = 0x5404
const TIOCGPGRP = 0x540f
const TIOCSPGRP = 0x5410
const TIOCGWINSZ = 0x5413
const FIONREAD = 0x541b

/** struct termios of a terminal as the console has it: ICRNL|IXON, OPOST|ONLCR, B38400|CS8|CREAD, the usual local flags. */
const TERMIOS = (() => {
  const bytes = new Uint8Array(36)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x500, true)
  view.setUint32(4, 0x5, true)
  view.setUint32(8, 0xbf, true)
  view.setUint32(12, 0x8a3b, true)
  bytes.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22], 17)
  return bytes
})()
/** 24 rows, 80 columns. */
const WINSIZE = Uint8Array.of(24, 0, 80, 0, 0, 0, 0, 0)

/** A terminal: lines typed wait here until they are read. */
export class Terminal {
  /** Offset of its struct tty_struct, which nothing is kept in. */
  readonly at: number
  readonly readers = new WaitQueue()
  readonly #input: number[] = []
  #ended = false

  constructor(at: number) {
    this.at = at
  }

  /** Latin-1 text as if typed. */
  type(text: string): void {
    for (let i = 0; i < text.length; i++) this.#input.push(text.charCodeAt(i))
    this.readers.wake()
  }
  /** End of input (^D): reads give 0 from here on. */
  end(): void {
    this.#ended = true
    this.readers.wakeAll()
  }
  get available(): number {
    return this.#input.length
  }
  get readable(): boolean {
    return this.#input.length > 0 || this.#ended
  }
  /** Up to a line of what was typed. */
  take(count: number): Uint8Array {
    const newline = this.#input.indexOf(10)
    const length = Math.min(count, newline < 0 ? this.#input.length : newline + 1)
    return Uint8Array.from(this.#input.splice(0, length))
  }
}

export function declareDevices(vfs: Vfs, rng: Rng) {
  const { context } = vfs
  const buffer = new Uint8Array(PAGE_SIZE)

  const advance = (count: number, io: IoCall): number => {
    io.pos += count
    return count
  }
  const nullSeek = vfs.declare(
    'loff_t null_lseek(struct file *file, loff_t offset, int orig)',
    (file: File, _offset: number, _whence: number): number => {
      file.pos = 0
      return 0
    },
  )
  const nullOps: FileOps = {
    symbol: 'null_fops',
    functions: {
      llseek: 'null_lseek',
      read: 'read_null',
      write: 'write_null',
      read_iter: 'read_iter_null',
      write_iter: 'write_iter_null',
    },
    llseek: nullSeek,
    read: vfs.leaf(
      'ssize_t read_null(struct file *file, char __user *buf, size_t count, loff_t *ppos)',
      (_file: File, _buf: number, _count: number, _io: IoCall): number => 0,
    ),
    write: vfs.leaf(
      'ssize_t write_null(struct file *file, const char __user *buf, size_t count, loff_t *ppos)',
      (_file: File, _buf: number, count: number, _io: IoCall): number => count,
    ),
    readIter: vfs.declare(
      'ssize_t read_iter_null(struct kiocb *iocb, struct iov_iter *to)',
      (_io: IoCall, _iter: IovIter): number => 0,
    ),
    writeIter: vfs.leaf(
      'ssize_t write_iter_null(struct kiocb *iocb, struct iov_iter *from)',
      (_io: IoCall, iter: IovIter): number => iter.count,
    ),
  }

  const readZero = vfs.leaf(
    'ssize_t read_iter_zero(struct kiocb *iocb, struct iov_iter *iter)',
    (io: IoCall, iter: IovIter): number => {
      const wanted = iter.count
      const done = iter.zero(wanted)
      return done === 0 && wanted > 0 ? -ERRNO.EFAULT : advance(done, io)
    },
  )
  const zeroOps: FileOps = {
    symbol: 'zero_fops',
    functions: { llseek: 'null_lseek', write: 'write_null', read_iter: 'read_iter_zero', mmap: 'mmap_zero' },
    llseek: nullSeek,
    readIter: readZero,
    write: nullOps.write!,
    writeIter: nullOps.writeIter!,
    mmap: () => ({ frame: () => context.frames.zero, anonymous: true }),
  }
  const fullOps: FileOps = {
    symbol: 'full_fops',
    functions: { llseek: 'null_lseek', read_iter: 'read_iter_zero', write: 'write_full' },
    llseek: nullSeek,
    readIter: readZero,
    write: vfs.leaf(
      'ssize_t write_full(struct file *file, const char __user *buf, size_t count, loff_t *ppos)',
      (_file: File, _buf: number, _count: number, _io: IoCall): number => -ERRNO.ENOSPC,
    ),
  }

  const randomBytes = vfs.declare('ssize_t get_random_bytes_user(struct iov_iter *iter)', (iter: IovIter): number => {
    let done = 0
    while (iter.count > 0) {
      const length = Math.min(buffer.length, iter.count)
      for (let i = 0; i < length; i++) buffer[i] = rng.u32() & 0xff
      const copied = iter.copyTo(buffer, 0, length)
      done += copied
      if (copied < length) break
    }
    return done === 0 && iter.count > 0 ? -ERRNO.EFAULT : done
  })
  const urandomOps: FileOps = {
    symbol: 'urandom_fops',
    functions: { read_iter: 'urandom_read_iter', write_iter: 'random_write_iter', llseek: 'noop_llseek' },
    readIter: vfs.leaf(
      'ssize_t urandom_read_iter(struct kiocb *kiocb, struct iov_iter *iter)',
      (_io: IoCall, iter: IovIter): number => randomBytes(iter),
    ),
    writeIter: vfs.declare(
      'ssize_t random_write_iter(struct kiocb *kiocb, struct iov_iter *iter)',
      (_io: IoCall, iter: IovIter): number => iter.count,
    ),
    llseek: (file) => file.pos,
  }
  const randomOps: FileOps = {
    ...urandomOps,
    symbol: 'random_fops',
    functions: { ...urandomOps.functions, read_iter: 'random_read_iter' },
    readIter: vfs.leaf(
      'ssize_t random_read_iter(struct kiocb *kiocb, struct iov_iter *iter)',
      (_io: IoCall, iter: IovIter): number => randomBytes(iter),
    ),
  }

  const hasTerminal = (): boolean => {
    const { signal } = vfs.k.current
    return signal !== 0 && context.mem.readPtr(signal + vfs.k.layout.signal.tty) !== 0
  }
  const terminal = (file: File): Terminal => file.priv as Terminal
  const give = (file: File, iter: IovIter): number => {
    const bytes = terminal(file).take(iter.count)
    return iter.copyTo(bytes, 0, bytes.length) < bytes.length ? -ERRNO.EFAULT : bytes.length
  }
  function* typedLater(file: File, iter: IovIter): Wait<number> {
    const waited = vfs.wait([terminal(file).readers], () => terminal(file).readable, {})
    const result = isWait(waited) ? yield* waited : waited
    return result < 0 ? result : give(file, iter)
  }
  const ttyOps: FileOps = {
    symbol: 'tty_fops',
    functions: {
      read_iter: 'tty_read',
      write_iter: 'tty_write',
      poll: 'tty_poll',
      unlocked_ioctl: 'tty_ioctl',
      open: 'tty_open',
    },
    open: vfs.declare('int tty_open(struct inode *inode, struct file *filp)', (inode: Inode, file: File): number => {
      // /dev/tty is the controlling terminal, if there is one.
      if (inode.rdev === DEV.tty && !hasTerminal()) return -ERRNO.ENXIO
      file.setPrivate(vfs.terminal, 0)
      file.mode = (file.mode | FMODE.stream) & ~(FMODE.lseek | FMODE.pread | FMODE.pwrite)
      return 0
    }),
    readIter: vfs.leaf(
      'ssize_t tty_read(struct kiocb *iocb, struct iov_iter *to)',
      (io: IoCall, iter: IovIter): MaybeWait<number> => {
        if (terminal(io.file).readable) return give(io.file, iter)
        return io.nonblock ? -ERRNO.EAGAIN : typedLater(io.file, iter)
      },
    ),
    writeIter: vfs.leaf(
      'ssize_t tty_write(struct kiocb *iocb, struct iov_iter *from)',
      (_io: IoCall, iter: IovIter): number => {
        const bytes = new Uint8Array(iter.count)
        const copied = iter.copyFrom(bytes, 0, bytes.length)
        if (copied > 0) vfs.console?.(bytes.subarray(0, copied))
        return copied === 0 && bytes.length > 0 ? -ERRNO.EFAULT : copied
      },
    ),
    poll: vfs.declare(
      '__poll_t tty_poll(struct file *filp, poll_table *wait)',
      (file: File, table: PollTable | undefined): number => {
        table?.add(terminal(file).readers)
        return POLL.out | POLL.wrnorm | (terminal(file).readable ? POLL.in | POLL.rdnorm : 0)
      },
    ),
    ioctl: vfs.declare(
      'long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)',
      (file: File, command: number, argument: number): number => {
        const out = (bytes: Uint8Array): number =>
          vfs.mm.write(argument, bytes, 0, bytes.length) > 0 ? -ERRNO.EFAULT : 0
        if (command === TCGETS) return out(TERMIOS)
        if (command >= TCSETS && command <= TCSETSF) return 0
        if (command === TIOCGWINSZ) return out(WINSIZE)
        if (command === FIONREAD) return vfs.writeUserInt32(argument, terminal(file).available) ? 0 : -ERRNO.EFAULT
        if (command === TIOCGPGRP) return vfs.writeUserInt32(argument, vfs.k.current.tgid) ? 0 : -ERRNO.EFAULT
        return command === TIOCSPGRP ? 0 : -ERRNO.ENOTTY
      },
    ),
  }

  const byDev = new Map<number, FileOps>([
    [DEV.null, nullOps],
    [DEV.zero, zeroOps],
    [DEV.full, fullOps],
    [DEV.random, randomOps],
    [DEV.urandom, urandomOps],
    [DEV.tty, ttyOps],
    [DEV.console, ttyOps],
  ])

  /** chrdev_open(): the driver of the device number takes the file over. */
  const open = vfs.declare(
    'int chrdev_open(struct inode *inode, struct file *filp)',
    (inode: Inode, file: File): MaybeWait<number> => {
      const ops = byDev.get(inode.rdev)
      if (!ops) return -ERRNO.ENXIO
      vfs.setOps(file, ops)
      return ops.open?.(inode, file) ?? 0
    },
  )
  const chrdevOps: FileOps = { symbol: 'def_chr_fops', functions: { open: 'chrdev_open', llseek: 'noop_llseek' }, open }
  const blockOps: FileOps = {
    symbol: 'def_blk_fops',
    functions: {},
    // There are no block devices behind block nodes.
    open: () => -ERRNO.ENXIO,
  }

  return { chrdevOps, blockOps, register: (dev: number, ops: FileOps) => byDev.set(dev, ops), randomBytes }
}
