// The tracepoints of include/trace/events/syscalls.h: every system call, by number.

import { event } from '../tracepoint.ts'

export const rawSyscallEvents = {
  sysEnter: event({
    system: 'raw_syscalls',
    name: 'sys_enter',
    proto: 'struct pt_regs *regs, long id',
    fields: ['id', 'args'],
    fill(w, f, regs: number, id: number) {
      const { ptRegs } = w.k.layout
      w.s64(f.id, id)
      w.wordAt(f.args, 0, regs + ptRegs.di)
      w.wordAt(f.args, 1, regs + ptRegs.si)
      w.wordAt(f.args, 2, regs + ptRegs.dx)
      w.wordAt(f.args, 3, regs + ptRegs.r10)
      w.wordAt(f.args, 4, regs + ptRegs.r8)
      w.wordAt(f.args, 5, regs + ptRegs.r9)
    },
  }),
  sysExit: event({
    system: 'raw_syscalls',
    name: 'sys_exit',
    proto: 'struct pt_regs *regs, long ret',
    fields: ['id', 'ret'],
    fill(w, f, regs: number, ret: number) {
      const { ptRegs } = w.k.layout
      w.wordAt(f.id, 0, regs + ptRegs.origAx)
      w.s64(f.ret, ret)
    },
  }),
} as const
