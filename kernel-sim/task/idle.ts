// The idle tasks: swapper/N, pid 0, one for each CPU, there before any other task.

import type { Kernel } from '../kernel.ts'
import { PF, STACK_BYTES, STATE, Task } from './task.ts'

export function newIdleTask(k: Kernel, cpu: number): Task {
  const task = new Task(k, k.alloc.alloc(k.layout.size.task), k.alloc.allocPages(STACK_BYTES / 4096))
  task.comm = `swapper/${cpu}`
  task.cpu = cpu
  task.flags = PF.idle | PF.kthread | PF.noSetAffinity
  task.state = STATE.running
  k.tasks.add(task)
  return task
}
