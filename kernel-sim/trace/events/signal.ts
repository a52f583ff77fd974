// The tracepoints of include/trace/events/signal.h.

import type { RecordFields, RecordWriter } from '../record.ts'
import { event } from '../tracepoint.ts'

/** Offsets below this are no siginfo but SEND_SIG_NOINFO (0) and SEND_SIG_PRIV (1). */
const SEND_SIG_PRIV = 1
const SI_USER = 0
const SI_KERNEL = 0x80

function info(w: RecordWriter, f: RecordFields<'errno' | 'code'>, siginfo: number): void {
  const { siginfo: at } = w.k.layout
  const none = siginfo === 0 || siginfo === SEND_SIG_PRIV
  w.s32(f.errno, none ? 0 : w.mem.i32[(siginfo + at.errno) >> 2]!)
  w.s32(f.code, siginfo === 0 ? SI_USER : siginfo === SEND_SIG_PRIV ? SI_KERNEL : w.mem.i32[(siginfo + at.code) >> 2]!)
}

export const signalEvents = {
  signalGenerate: event({
    system: 'signal',
    name: 'signal_generate',
    proto: 'int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result',
    fields: ['sig', 'errno', 'code', 'comm', 'pid', 'group', 'result'],
    fill(w, f, sig: number, siginfo: number, p: number, group: number, result: number) {
      const { task } = w.k.layout
      w.s32(f.sig, sig)
      info(w, f, siginfo)
      w.text(f.comm, p + task.comm, 16)
      w.s32(f.pid, w.mem.i32[(p + task.pid) >> 2]!)
      w.s32(f.group, group)
      w.s32(f.result, result)
    },
  }),
  signalDeliver: event({
    system: 'signal',
    name: 'signal_deliver',
    proto: 'int sig, struct kernel_siginfo *info, struct k_sigaction *ka',
    fields: ['sig', 'errno', 'code', 'sa_handler', 'sa_flags'],
    fill(w, f, sig: number, siginfo: number, ka: number) {
      w.s32(f.sig, sig)
      info(w, f, siginfo)
      // struct sigaction: handler, then flags.
      w.wordAt(f.sa_handler, 0, ka)
      w.wordAt(f.sa_flags, 0, ka + 8)
    },
  }),
} as const
