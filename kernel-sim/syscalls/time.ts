// System calls that wait for time to pass, and timers of processes. (The clocks are read in info.ts.)

import { ERRNO } from '../../base/errno.ts'
import { partial } from '../../base/support.ts'
import type { Kernel } from '../kernel.ts'
import type { Task } from '../task/task.ts'
import { int64, readPair, readUser, setInt64, writePair, writeUser } from '../user-memory.ts'
import { after, type MaybeWait } from '../wait.ts'
import type { SyscallFamily } from './family.ts'

const { EFAULT, EINVAL } = ERRNO
const CLOCK = { realtime: 0, monotonic: 1, boottime: 7, tai: 11 } as const
const TIMER_ABSTIME = 1
const ITIMER_REAL = 0
const TAI_OFFSET_NS = 37e9

/** A timespec in nanoseconds; undefined where it is none. */
function timespec(task: Task, address: number): number | undefined {
  const pair = readPair(task, address)
  if (!pair) return undefined
  const [sec, nsec] = pair
  return sec < 0 || nsec < 0 || nsec > 999_999_999 ? Number.NaN : sec * 1e9 + nsec
}

function nanosleep(k: Kernel, task: Task, rqtp: number, rmtp: number): MaybeWait<number> {
  const ns = timespec(task, rqtp)
  if (ns === undefined) return -EFAULT
  return Number.isNaN(ns) ? -EINVAL : sleepUntil(k, task, k.nowNs + ns, CLOCK.monotonic, rmtp)
}

function clockNanosleep(
  k: Kernel,
  task: Task,
  clock: number,
  flags: number,
  rqtp: number,
  rmtp: number,
): MaybeWait<number> {
  if (!(Object.values(CLOCK) as number[]).includes(clock)) return -EINVAL
  const ns = timespec(task, rqtp)
  if (ns === undefined) return -EFAULT
  if (Number.isNaN(ns)) return -EINVAL
  if ((flags & TIMER_ABSTIME) === 0) return sleepUntil(k, task, k.nowNs + ns, clock, rmtp)
  const epoch = clock === CLOCK.realtime ? k.bootTimeNs : clock === CLOCK.tai ? k.bootTimeNs + TAI_OFFSET_NS : 0
  return after(k.sleeps.nanosleep(ns - epoch, clock), (error) => (error === 0 ? 0 : -ERRNO.ERESTARTNOHAND))
}

/** Interrupted, the rest of the time is told, and slept again where no handler ran. Timers run out up to the timer slack late. */
function sleepUntil(k: Kernel, task: Task, endNs: number, clock: number, rmtp: number): MaybeWait<number> {
  const slack = k.mem.readInt64(task.at + k.layout.task.timerSlackNs)
  return after(k.sleeps.nanosleep(endNs + slack, clock), (error) => {
    if (error === 0) return 0
    const left = Math.max(0, endNs - k.nowNs)
    if (rmtp !== 0 && !writePair(task, rmtp, Math.floor(left / 1e9), left % 1e9)) return -EFAULT
    task.restartBlock = () => sleepUntil(k, task, endNs, clock, rmtp)
    return -ERRNO.ERESTART_RESTARTBLOCK
  })
}

function setitimer(k: Kernel, task: Task, which: number, value: number, ovalue: number): number {
  if (which < 0 || which > 2) return -EINVAL
  const wanted = value === 0 ? new DataView(new ArrayBuffer(32)) : readUser(task, value, 32)
  if (!wanted) return -EFAULT
  const old = k.timers.get(task.group)
  const ns = (at: number): number => int64(wanted, at) * 1e9 + int64(wanted, at + 8) * 1e3
  if (which === ITIMER_REAL) k.timers.set(task.group, ns(16), ns(0))
  return ovalue === 0 ? 0 : giveTimer(task, ovalue, which === ITIMER_REAL ? old : { valueNs: 0, intervalNs: 0 })
}

function giveTimer(
  task: Task,
  address: number,
  { valueNs, intervalNs }: { valueNs: number; intervalNs: number },
): number {
  const view = new DataView(new ArrayBuffer(32))
  for (const [at, ns] of [
    [0, intervalNs],
    [16, valueNs],
  ] as const) {
    setInt64(view, at, Math.floor(ns / 1e9))
    setInt64(view, at + 8, Math.floor((ns % 1e9) / 1e3))
  }
  return writeUser(task, address, view) ? 0 : -EFAULT
}

/** Seconds that were left, rounded up. */
function alarm(k: Kernel, task: Task, seconds: number): number {
  const { valueNs } = k.timers.get(task.group)
  k.timers.set(task.group, (seconds >>> 0) * 1e9, 0)
  return Math.ceil(valueNs / 1e9)
}

export const timeSyscalls: SyscallFamily = {
  nanosleep,
  clock_nanosleep: clockNanosleep,
  setitimer: partial(setitimer, 'only ITIMER_REAL runs out'),
  getitimer: (k, task, which, value) => {
    if (which < 0 || which > 2) return -EINVAL
    return giveTimer(task, value, which === ITIMER_REAL ? k.timers.get(task.group) : { valueNs: 0, intervalNs: 0 })
  },
  alarm,
  restart_syscall: (_k, task) => {
    const rest = task.restartBlock
    task.restartBlock = undefined
    return rest ? rest() : -ERRNO.EINTR
  },
  futex: partial((k, task, uaddr, op, val, utime, uaddr2, val3) => {
    const command = op & 0x7f
    const timed = utime !== 0 && (command === 0 || command === 9)
    const timeout = timed ? timespec(task, utime) : 0
    if (timeout === undefined) return -EFAULT
    if (Number.isNaN(timeout)) return -EINVAL
    return k.futexes.doFutex(uaddr, op, val, timeout, uaddr2, timed ? 0 : utime, val3)
  }, 'no FUTEX_WAKE_OP and no priority inheritance: ENOSYS'),
}
