// poll(2) and select(2): ask every file once, entering its queues; sleep on all of them until one answers.

import { ERRNO } from '../../base/errno.ts'
import type { WaitQueue } from '../sched/wait-queue.ts'
import { after, isWait, type MaybeWait, type Wait } from '../wait.ts'
import type { File } from './file.ts'
import { POLL, type PollTable } from './file-ops.ts'
import type { Vfs } from './vfs.ts'

/** What a file without a poll operation answers: always ready. */
const DEFAULT_POLLMASK = POLL.in | POLL.out | POLL.rdnorm | POLL.wrnorm

const SELECT_IN = POLL.rdnorm | POLL.rdband | POLL.in | POLL.hup | POLL.err
const SELECT_OUT = POLL.wrband | POLL.wrnorm | POLL.out | POLL.err
const SELECT_EX = POLL.pri
const FD_SETSIZE_MAX = 1 << 16

/** vfs_poll(): what is ready on a file. */
export function pollFile(file: File, table: PollTable | undefined): number {
  return file.fop.poll ? file.fop.poll(file, table) : DEFAULT_POLLMASK
}

class Queues implements PollTable {
  readonly all: WaitQueue[] = []
  add(queue: WaitQueue): void {
    this.all.push(queue)
  }
}

/** Ask with `ask` until it counts something or the time is up. `timeoutNs` undefined: for ever. */
function pollUntil(
  vfs: Vfs,
  ask: (table: PollTable | undefined) => number,
  timeoutNs: number | undefined,
  interrupted: number,
): MaybeWait<number> {
  const queues = new Queues()
  const ready = ask(timeoutNs === 0 ? undefined : queues)
  if (ready !== 0 || timeoutNs === 0) return ready
  return sleepAndAsk(vfs, queues, ask, timeoutNs, interrupted)
}
function* sleepAndAsk(
  vfs: Vfs,
  queues: Queues,
  ask: (table: PollTable | undefined) => number,
  timeoutNs: number | undefined,
  interrupted: number,
): Wait<number> {
  let ready = 0
  const options = timeoutNs === undefined ? {} : { timeoutNs }
  const waited = vfs.host.wait(queues.all, () => (ready = ask(undefined)) !== 0, options)
  const result = isWait(waited) ? yield* waited : waited
  if (result === -ERRNO.ETIME) return 0
  return result < 0 ? interrupted : ready
}

interface PollFd {
  readonly fd: number
  readonly events: number
  revents: number
}

export function declarePoll(vfs: Vfs) {
  const askFd = (entry: PollFd, table: PollTable | undefined): number => {
    if (entry.fd < 0) return 0
    const file = vfs.usable(entry.fd)
    if (!file) return POLL.nval
    return pollFile(file, table) & (entry.events | POLL.err | POLL.hup)
  }

  const finish = (address: number, fds: readonly PollFd[], result: number): number => {
    if (result < 0) return result
    const revents = new Uint8Array(2)
    for (let i = 0; i < fds.length; i++) {
      revents[0] = fds[i]!.revents & 0xff
      revents[1] = fds[i]!.revents >> 8
      if (vfs.mm.write(address + i * 8 + 6, revents, 0, 2) > 0) return -ERRNO.EFAULT
    }
    return result
  }

  /** `timeoutNs` undefined: for ever. */
  const doSysPoll = vfs.leaf(
    'int do_sys_poll(struct pollfd __user *ufds, unsigned int nfds, struct timespec64 *end_time)',
    (address: number, count: number, _end: number, timeoutNs: number | undefined): MaybeWait<number> => {
      if (count > vfs.fdLimit()) return -ERRNO.EINVAL
      const bytes = new Uint8Array(count * 8)
      if (vfs.mm.read(address, bytes, 0, bytes.length) > 0) return -ERRNO.EFAULT
      const view = new DataView(bytes.buffer)
      const fds: PollFd[] = []
      for (let i = 0; i < count; i++)
        fds.push({ fd: view.getInt32(i * 8, true), events: view.getUint16(i * 8 + 4, true), revents: 0 })
      const ask = (table: PollTable | undefined): number => {
        let ready = 0
        for (const entry of fds) {
          entry.revents = askFd(entry, table)
          if (entry.revents !== 0) ready++
        }
        return ready
      }
      return after(pollUntil(vfs, ask, timeoutNs, -ERRNO.ERESTART_RESTARTBLOCK), (result) =>
        finish(address, fds, result),
      )
    },
  )

  const SETS = [
    [SELECT_IN, 'in'],
    [SELECT_OUT, 'out'],
    [SELECT_EX, 'ex'],
  ] as const

  const coreSysSelect = vfs.leaf(
    'int core_sys_select(int n, fd_set __user *inp, fd_set __user *outp, fd_set __user *exp, struct timespec64 *end_time)',
    (
      n: number,
      inAt: number,
      outAt: number,
      exAt: number,
      _end: number,
      timeoutNs: number | undefined,
    ): MaybeWait<number> => {
      if (n < 0) return -ERRNO.EINVAL
      const count = Math.min(n, Math.max(vfs.fds.maxFds, 64), FD_SETSIZE_MAX)
      const size = Math.ceil(count / 64) * 8
      const addresses = [inAt, outAt, exAt]
      const sets = addresses.map((at) => (at === 0 ? undefined : new Uint8Array(size)))
      for (let i = 0; i < 3; i++) if (sets[i] && vfs.mm.read(addresses[i]!, sets[i]!, 0, size) > 0) return -ERRNO.EFAULT
      const results = sets.map((set) => set && new Uint8Array(size))
      let bad = false
      const ask = (table: PollTable | undefined): number => {
        let ready = 0
        for (const result of results) result?.fill(0)
        for (let fd = 0; fd < count; fd++) {
          const bit = 1 << (fd & 7)
          if (!sets.some((set) => set && set[fd >> 3]! & bit)) continue
          const file = vfs.usable(fd)
          if (!file) {
            bad = true
            return -1
          }
          const mask = pollFile(file, table)
          for (let i = 0; i < 3; i++) {
            if (!sets[i] || !(sets[i]![fd >> 3]! & bit) || !(mask & SETS[i]![0])) continue
            results[i]![fd >> 3]! |= bit
            ready++
          }
        }
        return ready
      }
      const store = (ready: number): number => {
        if (bad) return -ERRNO.EBADF
        if (ready < 0) return ready
        for (let i = 0; i < 3; i++)
          if (results[i] && vfs.mm.write(addresses[i]!, results[i]!, 0, size) > 0) return -ERRNO.EFAULT
        return ready
      }
      return after(pollUntil(vfs, ask, timeoutNs, -ERRNO.ERESTARTNOHAND), store)
    },
  )

  return { doSysPoll, coreSysSelect }
}
