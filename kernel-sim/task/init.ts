// Process 1: adopts orphans and has nothing else to do. It ignores SIGCHLD, so that nobody has to wait for them.

import type { Kernel } from '../kernel.ts'
import { SIG, SIG_IGN } from '../signal/numbers.ts'
import { SIGACTION } from '../signal/signals.ts'
import type { UserSide } from '../user/user-side.ts'
import type { Task } from './task.ts'

export function startInit(k: Kernel): Task {
  const task = k.spawn({ comm: 'init', user: IDLE, parent: k.cpu.idle, pid: 1 })
  k.mem.writeInt64(k.signals.action(task, SIG.CHLD) + SIGACTION.handler, SIG_IGN)
  return task
}

const IDLE: UserSide = {
  next: () => ({ kind: 'idle', untilNs: Number.POSITIVE_INFINITY }),
  returned: () => {},
  handleSignal: () => {},
  executed: () => {},
  forked: () => IDLE,
  stack: () => [],
}
