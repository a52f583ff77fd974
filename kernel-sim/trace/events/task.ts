// The tracepoints of include/trace/events/task.h.

import { event } from '../tracepoint.ts'

export const taskEvents = {
  taskNewtask: event({
    system: 'task',
    name: 'task_newtask',
    proto: 'struct task_struct *task, unsigned long clone_flags',
    fields: ['pid', 'comm', 'clone_flags', 'oom_score_adj'],
    fill(w, f, p: number, cloneFlags: number) {
      const { task, signal } = w.k.layout
      w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
      w.text(f.comm, p + task.comm, 16)
      w.s64(f.clone_flags, cloneFlags)
      w.s16(f.oom_score_adj, w.mem.dv.getInt16(w.mem.readPtr(p + task.signal) + signal.oomScoreAdj, true))
    },
  }),
  taskRename: event({
    system: 'task',
    name: 'task_rename',
    proto: 'struct task_struct *task, const char *comm',
    fields: ['pid', 'oldcomm', 'newcomm', 'oom_score_adj'],
    fill(w, f, p: number, comm: number) {
      const { task, signal } = w.k.layout
      w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
      w.text(f.oldcomm, p + task.comm, 16)
      w.text(f.newcomm, comm, 16)
      w.s16(f.oom_score_adj, w.mem.dv.getInt16(w.mem.readPtr(p + task.signal) + signal.oomScoreAdj, true))
    },
  }),
  taskPrctlUnknown: event({
    system: 'task',
    name: 'task_prctl_unknown',
    proto: 'int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5',
    fields: ['option', 'arg2', 'arg3', 'arg4', 'arg5'],
    fill(w, f, option: number, arg2: number, arg3: number, arg4: number, arg5: number) {
      w.s32(f.option, option)
      w.s64(f.arg2, arg2)
      w.s64(f.arg3, arg3)
      w.s64(f.arg4, arg4)
      w.s64(f.arg5, arg5)
    },
  }),
} as const
