// The tracepoints of include/trace/events/sched.h that the scheduler and the life of processes announce.
// Not announced, because nothing here does it: kthread_*, *_numa, pi_setprio, sched_process_hang.

import type { RecordFields, RecordWriter } from '../record.ts'
import { event } from '../tracepoint.ts'

const PROCESS = ['comm', 'pid', 'prio'] as const
const WAKEUP = ['comm', 'pid', 'prio', 'target_cpu'] as const
const STAT = ['comm', 'pid', 'delay'] as const

type Fields<F extends readonly string[]> = RecordFields<F[number]>

function process(w: RecordWriter, f: Fields<typeof PROCESS>, p: number): void {
  const { task } = w.k.layout
  w.text(f.comm, p + task.comm, 16)
  w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
  w.s32(f.prio, w.mem.i32[(p + task.prio) >> 2]!)
}

function wakeup(w: RecordWriter, f: Fields<typeof WAKEUP>, p: number): void {
  process(w, f, p)
  // task_cpu(): where it was put to run.
  w.s32(f.target_cpu, w.mem.i32[(p + w.k.layout.task.cpu) >> 2]!)
}

function stat(w: RecordWriter, f: Fields<typeof STAT>, p: number, delay: number): void {
  const { task } = w.k.layout
  w.text(f.comm, p + task.comm, 16)
  w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
  w.s64(f.delay, delay)
}

/** TASK_REPORT: the states that are shown. */
const TASK_REPORT = 0x7f
/** TASK_REPORT_MAX, set when the previous task was preempted and could have run on. */
const TASK_REPORT_MAX = 0x100
const TASK_NOLOAD = 0x400
const TASK_UNINTERRUPTIBLE = 0x2
/** TASK_REPORT_IDLE: a kernel thread that waits without counting as load. */
const TASK_REPORT_IDLE = 0x80
const TASK_RTLOCK_WAIT = 0x1000

/** __trace_sched_switch_state(): the state as reported, one bit or 0, or TASK_REPORT_MAX for a task that was preempted. */
export function reportedState(preempted: boolean, state: number, exitState: number): number {
  if (preempted) return TASK_REPORT_MAX
  let reported = (state | exitState) & TASK_REPORT
  if ((state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) === (TASK_UNINTERRUPTIBLE | TASK_NOLOAD))
    reported = TASK_REPORT_IDLE
  if (state & TASK_RTLOCK_WAIT) reported = TASK_UNINTERRUPTIBLE
  return reported === 0 ? 0 : 1 << (31 - Math.clz32(reported))
}

export const schedEvents = {
  schedWaking: event({
    system: 'sched',
    name: 'sched_waking',
    proto: 'struct task_struct *p',
    fields: WAKEUP,
    fill: (w, f, p: number) => wakeup(w, f, p),
  }),
  schedWakeup: event({
    system: 'sched',
    name: 'sched_wakeup',
    proto: 'struct task_struct *p',
    fields: WAKEUP,
    fill: (w, f, p: number) => wakeup(w, f, p),
  }),
  schedWakeupNew: event({
    system: 'sched',
    name: 'sched_wakeup_new',
    proto: 'struct task_struct *p',
    fields: WAKEUP,
    fill: (w, f, p: number) => wakeup(w, f, p),
  }),
  schedSwitch: event({
    system: 'sched',
    name: 'sched_switch',
    proto: 'bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state',
    fields: ['prev_comm', 'prev_pid', 'prev_prio', 'prev_state', 'next_comm', 'next_pid', 'next_prio'],
    fill(w, f, preempt: number, prev: number, next: number, prevState: number) {
      const { task } = w.k.layout
      w.text(f.prev_comm, prev + task.comm, 16)
      w.s32(f.prev_pid, w.mem.i32[(prev + task.pid) >> 2]!)
      w.s32(f.prev_prio, w.mem.i32[(prev + task.prio) >> 2]!)
      w.s64(f.prev_state, reportedState(preempt !== 0, prevState, w.mem.i32[(prev + task.exitState) >> 2]!))
      w.text(f.next_comm, next + task.comm, 16)
      w.s32(f.next_pid, w.mem.i32[(next + task.pid) >> 2]!)
      w.s32(f.next_prio, w.mem.i32[(next + task.prio) >> 2]!)
    },
  }),
  schedMigrateTask: event({
    system: 'sched',
    name: 'sched_migrate_task',
    proto: 'struct task_struct *p, int dest_cpu',
    fields: ['comm', 'pid', 'prio', 'orig_cpu', 'dest_cpu'],
    fill(w, f, p: number, destCpu: number) {
      process(w, f, p)
      w.s32(f.orig_cpu, w.mem.i32[(p + w.k.layout.task.cpu) >> 2]!)
      w.s32(f.dest_cpu, destCpu)
    },
  }),
  schedProcessFree: event({
    system: 'sched',
    name: 'sched_process_free',
    proto: 'struct task_struct *p',
    fields: PROCESS,
    fill: (w, f, p: number) => process(w, f, p),
  }),
  schedProcessExit: event({
    system: 'sched',
    name: 'sched_process_exit',
    // Since 6.15 with `group_dead`: the last thread of its process.
    proto: 'struct task_struct *p, bool group_dead',
    fields: [...PROCESS, 'group_dead'],
    fill(w, f, p: number, groupDead: number) {
      process(w, f, p)
      w.u8(f.group_dead, groupDead)
    },
  }),
  schedWaitTask: event({
    system: 'sched',
    name: 'sched_wait_task',
    proto: 'struct task_struct *p',
    fields: PROCESS,
    fill: (w, f, p: number) => process(w, f, p),
  }),
  schedProcessWait: event({
    system: 'sched',
    name: 'sched_process_wait',
    proto: 'struct pid *pid',
    fields: PROCESS,
    fill(w, f, pid: number) {
      const { k, mem } = w
      const current = k.current.at
      w.text(f.comm, current + k.layout.task.comm, 16)
      w.s32(f.pid, pid === 0 ? 0 : mem.i32[(pid + k.layout.pid.numbers + k.layout.upid.nr) >> 2]!)
      w.s32(f.prio, mem.i32[(current + k.layout.task.prio) >> 2]!)
    },
  }),
  schedProcessFork: event({
    system: 'sched',
    name: 'sched_process_fork',
    proto: 'struct task_struct *parent, struct task_struct *child',
    fields: ['parent_comm', 'parent_pid', 'child_comm', 'child_pid'],
    fill(w, f, parent: number, child: number) {
      const { task } = w.k.layout
      w.text(f.parent_comm, parent + task.comm, 16)
      w.s32(f.parent_pid, w.mem.i32[(parent + task.pid) >> 2]!)
      w.text(f.child_comm, child + task.comm, 16)
      w.s32(f.child_pid, w.mem.i32[(child + task.pid) >> 2]!)
    },
  }),
  schedProcessExec: event({
    system: 'sched',
    name: 'sched_process_exec',
    proto: 'struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm',
    fields: ['filename', 'pid', 'old_pid'],
    fill(w, f, p: number, oldPid: number, bprm: number) {
      w.text(f.filename, w.mem.readPtr(bprm + w.k.layout.binprm.filename), 4096)
      w.s32(f.pid, w.mem.i32[(p + w.k.layout.task.pid) >> 2]!)
      w.s32(f.old_pid, oldPid)
    },
  }),
  schedPrepareExec: event({
    system: 'sched',
    name: 'sched_prepare_exec',
    proto: 'struct task_struct *task, struct linux_binprm *bprm',
    fields: ['interp', 'filename', 'pid', 'comm'],
    fill(w, f, p: number, bprm: number) {
      const { task, binprm } = w.k.layout
      w.text(f.interp, w.mem.readPtr(bprm + binprm.interp), 4096)
      w.text(f.filename, w.mem.readPtr(bprm + binprm.filename), 4096)
      w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
      w.text(f.comm, p + task.comm, 16)
    },
  }),
  schedStatWait: event({
    system: 'sched',
    name: 'sched_stat_wait',
    proto: 'struct task_struct *tsk, u64 delay',
    fields: STAT,
    fill: (w, f, p: number, delay: number) => stat(w, f, p, delay),
  }),
  schedStatSleep: event({
    system: 'sched',
    name: 'sched_stat_sleep',
    proto: 'struct task_struct *tsk, u64 delay',
    fields: STAT,
    fill: (w, f, p: number, delay: number) => stat(w, f, p, delay),
  }),
  schedStatIowait: event({
    system: 'sched',
    name: 'sched_stat_iowait',
    proto: 'struct task_struct *tsk, u64 delay',
    fields: STAT,
    fill: (w, f, p: number, delay: number) => stat(w, f, p, delay),
  }),
  schedStatBlocked: event({
    system: 'sched',
    name: 'sched_stat_blocked',
    proto: 'struct task_struct *tsk, u64 delay',
    fields: STAT,
    fill: (w, f, p: number, delay: number) => stat(w, f, p, delay),
  }),
  schedStatRuntime: event({
    system: 'sched',
    name: 'sched_stat_runtime',
    // Before 6.9 with the virtual runtime; later versions know only the first two.
    proto: 'struct task_struct *tsk, u64 runtime, u64 vruntime',
    fields: ['comm', 'pid', 'runtime', 'vruntime'],
    fill(w, f, p: number, runtime: number, vruntime: number) {
      const { task } = w.k.layout
      w.text(f.comm, p + task.comm, 16)
      w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
      w.s64(f.runtime, runtime)
      w.s64(f.vruntime, vruntime)
    },
  }),
} as const
