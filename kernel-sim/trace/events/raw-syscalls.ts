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
      const order = [ptRegs.di, ptRegs.si, ptRegs.dx, ptRegs.r10, ptRegs.r8, ptRegs.r9]
      for (let i = 0; i < 6; i++) w.wordAt(f.args, i, regs + order[i]!)
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
