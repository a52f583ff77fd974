// epoll(7): struct eventpoll with one struct epitem for each descriptor watched. An item waits on the queues of its file; when one is
// woken with events that it wants, it goes to the ready list and the sleepers of the epoll file are woken. What is really ready is
// asked when events are taken, so level triggered items stay in the list while they are.

import { ERRNO } from '../../base/errno.ts'
import { type Waiter, WaitQueue } from '../sched/wait-queue.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { File } from './file.ts'
import { type FileOps, POLL, type PollTable } from './file-ops.ts'
import type { Inode } from './inode.ts'
import { pollFile } from './poll.ts'
import { O } from './uapi.ts'
import type { Vfs } from './vfs.ts'

const CTL = { add: 1, del: 2, mod: 3 } as const
const EVENT_BYTES = 12
const MAX_EVENTS = Math.floor(0x7fffffff / EVENT_BYTES)
const PRIVATE_BITS = POLL.wakeup | POLL.oneshot | POLL.et | POLL.exclusive
const EXCLUSIVE_OK = POLL.in | POLL.out | POLL.err | POLL.hup | POLL.wakeup | POLL.et | POLL.exclusive

class Item implements Waiter {
  readonly at: number
  readonly poll: EventPoll
  readonly fd: number
  readonly file: File
  events: number
  dataLo: number
  dataHi: number
  ready = false
  readonly queues: WaitQueue[] = []

  constructor(at: number, poll: EventPoll, fd: number, file: File, events: number, dataLo: number, dataHi: number) {
    this.at = at
    this.poll = poll
    this.fd = fd
    this.file = file
    this.events = events
    this.dataLo = dataLo
    this.dataHi = dataHi
  }

  get exclusive(): boolean {
    return (this.events & POLL.exclusive) !== 0
  }

  /** ep_poll_callback() */
  wake(events: number): boolean {
    if ((this.events & ~PRIVATE_BITS) === 0) return false
    if (events !== 0 && (events & this.events) === 0) return false
    this.poll.makeReady(this)
    return true
  }

  /** The file's queues, as its poll operation names them. */
  listen(): PollTable {
    return {
      add: (queue) => {
        queue.add(this)
        this.queues.push(queue)
      },
    }
  }

  unlisten(): void {
    for (const queue of this.queues) queue.remove(this)
    this.queues.length = 0
  }
}

export class EventPoll {
  readonly at: number
  readonly items = new Map<string, Item>()
  readonly waiters = new WaitQueue()
  /** Those who poll the epoll file itself. */
  readonly pollers = new WaitQueue()
  ready: Item[] = []

  constructor(at: number) {
    this.at = at
  }

  makeReady(item: Item): void {
    if (!item.ready) {
      item.ready = true
      this.ready.push(item)
    }
    this.waiters.wake(1, POLL.in)
    this.pollers.wake(1, POLL.in | POLL.rdnorm)
  }
}

export function declareEventPoll(vfs: Vfs) {
  const { mem, alloc } = vfs.context
  const { layouts } = vfs.k
  const epitem = layouts.bind('epitem', { file: 'ffd.file', fd: 'ffd.fd', ep: 'ep', event: 'event' })
  const epitemBytes = Math.max(64, layouts.sizeOf('epitem'))
  const epBytes = Math.max(64, layouts.sizeOf('eventpoll'))
  const epFile = layouts.bind('eventpoll', { file: 'file' }).file
  /** Items that watch a file, so that its end takes them away. */
  const watching = new Map<File, Set<Item>>()

  const key = (fd: number, file: File): string => `${fd}:${file.at}`
  const writeEvent = (item: Item): void => {
    if (epitem.event < 0) return
    mem.dv.setInt32(item.at + epitem.event, item.events, true)
    mem.dv.setInt32(item.at + epitem.event + 4, item.dataLo, true)
    mem.dv.setInt32(item.at + epitem.event + 8, item.dataHi, true)
  }

  const remove = (item: Item): void => {
    item.unlisten()
    item.poll.items.delete(key(item.fd, item.file))
    item.poll.ready = item.poll.ready.filter((one) => one !== item)
    const watchers = watching.get(item.file)
    watchers?.delete(item)
    if (watchers?.size === 0) watching.delete(item.file)
    alloc.free(item.at)
  }
  /** eventpoll_release(): a file is gone, and with it whoever watched it. */
  const releaseFile = vfs.declare('void eventpoll_release_file(struct file *file)', (file: File): void => {
    for (const item of [...(watching.get(file) ?? [])]) remove(item)
  })
  const fileClosed = (file: File): void => {
    if (watching.has(file)) releaseFile(file)
  }

  const ops: FileOps = {
    symbol: 'eventpoll_fops',
    functions: { release: 'ep_eventpoll_release', poll: 'ep_eventpoll_poll', llseek: 'noop_llseek' },
    llseek: (file) => file.pos,
    release: vfs.declare(
      'int ep_eventpoll_release(struct inode *inode, struct file *file)',
      (_inode: Inode, file: File): void => {
        const ep = file.priv as EventPoll
        for (const item of [...ep.items.values()]) remove(item)
        alloc.free(ep.at)
      },
    ),
    poll: vfs.declare(
      '__poll_t ep_eventpoll_poll(struct file *file, poll_table *wait)',
      (file: File, table: PollTable | undefined): number => {
        const ep = file.priv as EventPoll
        table?.add(ep.pollers)
        return ep.ready.some((item) => pollFile(item.file, undefined) & item.events) ? POLL.in | POLL.rdnorm : 0
      },
    ),
    showFdinfo: (file) => {
      let text = ''
      for (const item of (file.priv as EventPoll).items.values()) {
        const hex = (value: number): string => (value >>> 0).toString(16)
        const data = item.dataHi === 0 ? hex(item.dataLo) : hex(item.dataHi) + hex(item.dataLo).padStart(8, '0')
        text += `tfd: ${String(item.fd).padStart(8)} events: ${hex(item.events).padStart(8)} data: ${data.padStart(16)}  pos:${item.file.pos} ino:${item.file.inode.ino.toString(16)} sdev:${item.file.inode.sb.dev.toString(16)}\n`
      }
      return text
    },
  }

  const create = vfs.declare('int do_epoll_create(int flags)', (flags: number): number => {
    if (flags & ~O.cloexec) return -ERRNO.EINVAL
    const ep = new EventPoll(alloc.alloc(epBytes))
    const file = vfs.anonFile('[eventpoll]', ops, ep, ep.at, O.rdwr | (flags & O.cloexec))
    if (epFile >= 0) mem.writePtr(ep.at + epFile, file.at)
    return vfs.open.installNew(file, flags)
  })

  const add = (ep: EventPoll, fd: number, file: File, events: number, dataLo: number, dataHi: number): void => {
    const item = new Item(alloc.alloc(epitemBytes), ep, fd, file, events | POLL.err | POLL.hup, dataLo, dataHi)
    if (epitem.fd >= 0) {
      mem.writePtr(item.at + epitem.file, file.at)
      mem.dv.setInt32(item.at + epitem.fd, fd, true)
      mem.writePtr(item.at + epitem.ep, ep.at)
    }
    writeEvent(item)
    ep.items.set(key(fd, file), item)
    let watchers = watching.get(file)
    if (!watchers) watching.set(file, (watchers = new Set()))
    watchers.add(item)
    if (pollFile(file, item.listen()) & item.events) ep.makeReady(item)
  }

  const ctl = vfs.leaf(
    'int do_epoll_ctl(int epfd, int op, int fd, struct epoll_event *epds, bool nonblock)',
    (epfd: number, op: number, fd: number, _epds: number, _nonblock: number, event: EpollEvent): number => {
      const epollFile = vfs.usable(epfd)
      const file = vfs.usable(fd)
      if (!epollFile || !file) return -ERRNO.EBADF
      if (!file.fop.poll) return -ERRNO.EPERM
      if (epollFile === file || !(epollFile.priv instanceof EventPoll)) return -ERRNO.EINVAL
      const ep = epollFile.priv
      const item = ep.items.get(key(fd, file))
      const { events, dataLo, dataHi } = event
      if (op !== CTL.del && events & POLL.exclusive) {
        if (op === CTL.mod || file.priv instanceof EventPoll || events & ~EXCLUSIVE_OK) return -ERRNO.EINVAL
      }
      switch (op) {
        case CTL.add:
          if (item) return -ERRNO.EEXIST
          add(ep, fd, file, events, dataLo, dataHi)
          return 0
        case CTL.del:
          if (!item) return -ERRNO.ENOENT
          remove(item)
          return 0
        case CTL.mod:
          if (!item) return -ERRNO.ENOENT
          if (item.events & POLL.exclusive) return -ERRNO.EINVAL
          item.events = events | POLL.err | POLL.hup
          item.dataLo = dataLo
          item.dataHi = dataHi
          writeEvent(item)
          if (pollFile(file, undefined) & item.events) ep.makeReady(item)
          return 0
        default:
          return -ERRNO.EINVAL
      }
    },
  )
  /** epoll_ctl(2): the event is read for all but EPOLL_CTL_DEL. */
  const epollCtl = (epfd: number, op: number, fd: number, address: number): MaybeWait<number> => {
    const event = { events: 0, dataLo: 0, dataHi: 0 }
    if (op !== CTL.del) {
      const bytes = new Uint8Array(EVENT_BYTES)
      if (vfs.mm.read(address, bytes, 0, EVENT_BYTES) > 0) return -ERRNO.EFAULT
      const view = new DataView(bytes.buffer)
      event.events = view.getInt32(0, true)
      event.dataLo = view.getInt32(4, true)
      event.dataHi = view.getInt32(8, true)
    }
    return ctl(epfd, op, fd, 0, 0, event)
  }

  /** ep_send_events(): how many were stored at the user address. */
  const send = (ep: EventPoll, address: number, max: number): number => {
    const scan = ep.ready
    ep.ready = []
    const again: Item[] = []
    const bytes = new Uint8Array(EVENT_BYTES)
    const view = new DataView(bytes.buffer)
    let count = 0
    for (const item of scan) {
      if (count >= max) {
        again.push(item)
        continue
      }
      item.ready = false
      const events = pollFile(item.file, undefined) & item.events & ~PRIVATE_BITS
      if (events === 0) continue
      view.setInt32(0, events, true)
      view.setInt32(4, item.dataLo, true)
      view.setInt32(8, item.dataHi, true)
      if (vfs.mm.write(address + count * EVENT_BYTES, bytes, 0, EVENT_BYTES) > 0) {
        item.ready = true
        ep.ready = [item, ...scan.slice(scan.indexOf(item) + 1), ...ep.ready]
        return count > 0 ? count : -ERRNO.EFAULT
      }
      count++
      if (item.events & POLL.oneshot) item.events &= PRIVATE_BITS
      else if (!(item.events & POLL.et)) {
        item.ready = true
        again.push(item)
      }
    }
    ep.ready = [...ep.ready.filter((item) => !again.includes(item)), ...again]
    return count
  }

  function* waitFor(ep: EventPoll, address: number, max: number, timeoutNs: number | undefined): Wait<number> {
    const end = timeoutNs === undefined ? 0 : vfs.k.nowNs + timeoutNs
    for (;;) {
      const left = timeoutNs === undefined ? undefined : Math.max(0, end - vfs.k.nowNs)
      const options = left === undefined ? { exclusive: true } : { exclusive: true, timeoutNs: left }
      const waited = vfs.wait([ep.waiters], () => ep.ready.length > 0, options)
      const result = isWait(waited) ? yield* waited : waited
      if (result === -ERRNO.ETIME) return 0
      if (result < 0) return -ERRNO.EINTR
      const sent = send(ep, address, max)
      if (sent !== 0) return sent
    }
  }
  const epollWait = vfs.leaf(
    'int do_epoll_wait(int epfd, struct epoll_event __user *events, int maxevents, struct timespec64 *to)',
    (epfd: number, address: number, max: number, _to: number, timeoutNs: number | undefined): MaybeWait<number> => {
      if (max <= 0 || max > MAX_EVENTS) return -ERRNO.EINVAL
      const file = vfs.usable(epfd)
      if (!file) return -ERRNO.EBADF
      if (!(file.priv instanceof EventPoll)) return -ERRNO.EINVAL
      const ep = file.priv
      const sent = ep.ready.length > 0 ? send(ep, address, max) : 0
      return sent !== 0 || timeoutNs === 0 ? sent : waitFor(ep, address, max, timeoutNs)
    },
  )

  return { create, ctl: epollCtl, wait: epollWait, fileClosed }
}

interface EpollEvent {
  readonly events: number
  readonly dataLo: number
  readonly dataHi: number
}
