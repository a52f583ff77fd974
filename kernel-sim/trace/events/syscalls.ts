// syscalls:sys_enter_x and sys_exit_x, for every system call of the profile: the number, then the arguments as the registers hold
// them, or the result.

import type { SyscallRecord } from '../../profiles/syscalls.ts'
import { type AnyEvent, event } from '../tracepoint.ts'

export function syscallEnter({ name, args }: SyscallRecord): AnyEvent {
  const names = args.map((arg) => arg.name)
  return event({
    system: 'syscalls',
    name: `sys_enter_${name}`,
    proto: 'struct pt_regs *regs, long id',
    fields: ['__syscall_nr', ...names],
    fill(w, f, regs: number, id: number) {
      const { ptRegs } = w.k.layout
      const order = [ptRegs.di, ptRegs.si, ptRegs.dx, ptRegs.r10, ptRegs.r8, ptRegs.r9]
      w.s32(f['__syscall_nr']!, id)
      for (let i = 0; i < names.length; i++) w.wordAt(f[names[i]!]!, 0, regs + order[i]!)
    },
  })
}

export function syscallExit({ name }: SyscallRecord): AnyEvent {
  return event({
    system: 'syscalls',
    name: `sys_exit_${name}`,
    proto: 'struct pt_regs *regs, long ret',
    fields: ['__syscall_nr', 'ret'],
    fill(w, f, regs: number, ret: number) {
      w.s32(f.__syscall_nr, w.mem.i32[(regs + w.k.layout.ptRegs.origAx) >> 2]!)
      w.s64(f.ret, ret)
    },
  })
}
