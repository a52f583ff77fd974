// The idle tasks: swapper/N, pid 0, one for each CPU, there before any other task. CPU 0's is init_task, of which all others are copies.

import type { Kernel } from '../kernel.ts'
import { listInit } from '../list.ts'
import type { Wait } from '../wait.ts'
import { PF, STACK_BYTES, STATE, Task } from './task.ts'

export function newIdleTask(k: Kernel, cpu: number): Task {
  const { mem, layout } = k
  const task = new Task(k, k.alloc.alloc(layout.size.task), k.alloc.allocPages(STACK_BYTES / 4096))
  const o = layout.task
  task.comm = `swapper/${cpu}`
  task.cpu = cpu
  task.flags = PF.idle | PF.kthread | PF.noSetAffinity
  task.state = STATE.running
  task.nice = 0
  mem.i32[(task.at + o.nrCpusAllowed) >> 2] = k.cpuCount
  for (let id = 0; id < k.cpuCount; id++) mem.u8[task.at + o.cpusMask + (id >> 3)]! |= 1 << (id & 7)
  mem.writePtr(task.at + o.cpusPtr, task.at + o.cpusMask)
  mem.writeInt64(task.at + o.timerSlackNs, 50_000)
  mem.writeInt64(task.at + o.defaultTimerSlackNs, 50_000)
  for (const list of [o.tasks, o.children, o.sibling, o.threadNode, o.cgList]) listInit(mem, task.at + list)
  for (const self of [o.realParent, o.parent, o.groupLeader]) mem.writePtr(task.at + self, task.at)
  k.tasks.add(task)
  return task
}

/** What init_task points to, once those parts are there. */
export function finishIdleTask(k: Kernel, task: Task): void {
  const { mem, layout } = k
  mem.writePtr(task.at + layout.task.nsproxy, k.namespaces.nsproxy)
  mem.writePtr(task.at + layout.task.cgroups, k.cgroups.root.cssSet)
  for (const member of [layout.task.cred, layout.task.realCred]) {
    mem.writePtr(task.at + member, k.credentials.root)
    k.credentials.hold(k.credentials.root)
  }
}

/** What the idle tasks run: sleep until something is to run, then let it. */
export function declareIdle(k: Kernel): (task: Task) => Wait<undefined> {
  const doIdle = k.functions.declare('void do_idle(void)', function* (): Wait<undefined> {
    yield
    yield* k.sched.scheduleIdle()
  })
  const loop = k.functions.declare(
    'void cpu_startup_entry(enum cpuhp_state state)',
    function* (_state: number): Wait<undefined> {
      for (;;) yield* doIdle()
    },
  )
  k.functions.symbol('void secondary_startup_64_no_verify(void)')
  return function* (task: Task): Wait<undefined> {
    task.ip = k.functions.addressOf('secondary_startup_64_no_verify')
    yield* loop(0)
  }
}
