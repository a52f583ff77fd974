// file_operations: what an open file answers with, one record per kind of file. A record also names the kernel's struct and which
// functions its members point to, so that f_op in kernel memory is a struct that BPF programs can follow.

import type { Mappable, MappedFile } from '../mm/vma.ts'
import type { WaitQueue } from '../sched/wait-queue.ts'
import type { MaybeWait } from '../wait.ts'
import type { File } from './file.ts'
import type { Inode } from './inode.ts'
import type { IoCall } from './io-call.ts'

/** poll(2) and epoll(7) event bits. */
// biome-ignore format: a table reads better dense
export const POLL = {
  in: 0x1, pri: 0x2, out: 0x4, err: 0x8, hup: 0x10, nval: 0x20, rdnorm: 0x40, rdband: 0x80, wrnorm: 0x100, wrband: 0x200,
  msg: 0x400, rdhup: 0x2000, exclusive: 1 << 28, wakeup: 1 << 29, oneshot: 1 << 30, et: 1 << 31,
} as const

/** Where poll() enters the queues that a change of its answer wakes. */
export interface PollTable {
  add(queue: WaitQueue): void
}

/** Takes directory entries; false when it has no room for this one. */
export interface DirContext {
  /** Position in the directory; the entry that comes next. */
  pos: number
  emit(name: string, ino: number, type: number): boolean
}

export interface FileOps {
  readonly symbol: string
  readonly functions: Readonly<Record<string, string>>
  open?(inode: Inode, file: File): MaybeWait<number>
  release?(inode: Inode, file: File): void
  flush?(file: File): number
  /** Bytes moved or negative errno. `buf` is a user address. */
  read?(file: File, buf: number, count: number, io: IoCall): MaybeWait<number>
  write?(file: File, buf: number, count: number, io: IoCall): MaybeWait<number>
  readIter?(io: IoCall, iter: IoCall['iter']): MaybeWait<number>
  writeIter?(io: IoCall, iter: IoCall['iter']): MaybeWait<number>
  iterate?(file: File, context: DirContext): number
  poll?(file: File, table: PollTable | undefined): number
  ioctl?(file: File, command: number, argument: number): MaybeWait<number>
  /** The pages that an area maps, or negative errno. Absent: -ENODEV. `flags` are vm_flags. */
  mmap?(file: File, length: number, pgoff: number, flags: number): Mappable | number
  fsync?(file: File, start: number, end: number, datasync: number): MaybeWait<number>
  llseek?(file: File, offset: number, whence: number): number
  /** Lines of /proc/PID/fdinfo/N behind the common ones. */
  showFdinfo?(file: File): string
}

export type { Mappable, MappedFile }
