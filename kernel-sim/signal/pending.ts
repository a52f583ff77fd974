// Whether a sleeping task has to wake for a signal.

import { STATE, type Task, TIF } from '../task/task.ts'

/** signal_pending(): a signal waits, or a recorded call has come to its end without what it waits for. */
export function signalPending(task: Task): boolean {
  return task.hasThreadFlag(TIF.sigpending | TIF.notifySignal) || task.recorded?.expired === true
}

/** fatal_signal_pending(): it is to die. */
export function fatalSignalPending(task: Task): boolean {
  return task.hasThreadFlag(TIF.sigpending) && task.killed
}

/** signal_pending_state(): whether the sleep that `state` asks for is over before it begins. */
export function signalPendingState(task: Task, state: number): boolean {
  if ((state & (STATE.interruptible | STATE.wakeKill)) === 0) return false
  return (
    signalPending(task) &&
    ((state & STATE.interruptible) !== 0 || fatalSignalPending(task) || task.recorded?.expired === true)
  )
}
