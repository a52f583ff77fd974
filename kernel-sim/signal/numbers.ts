// Signals of x86-64 Linux: numbers, and what happens when nobody handles them (signal(7)).

export const SIG = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const

export const NSIG = 64

type Action = 'terminate' | 'core' | 'ignore' | 'stop'

const CORE: readonly number[] = [
  SIG.QUIT,
  SIG.ILL,
  SIG.TRAP,
  SIG.ABRT,
  SIG.BUS,
  SIG.FPE,
  SIG.SEGV,
  SIG.XCPU,
  SIG.XFSZ,
  SIG.SYS,
]
const IGNORE: readonly number[] = [SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH]
const STOP: readonly number[] = [SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU]

export function defaultAction(signal: number): Action {
  if (CORE.includes(signal)) return 'core'
  if (IGNORE.includes(signal)) return 'ignore'
  return STOP.includes(signal) ? 'stop' : 'terminate'
}

export function isStop(signal: number): boolean {
  return STOP.includes(signal)
}

/** sigaction.sa_flags */
export const SA = {
  nocldstop: 1,
  nocldwait: 2,
  siginfo: 4,
  restorer: 0x04000000,
  onstack: 0x08000000,
  restart: 0x10000000,
  nodefer: 0x40000000,
  resethand: 0x80000000,
} as const

export const SIG_DFL = 0
export const SIG_IGN = 1

/** siginfo.si_code */
export const SI = { user: 0, kernel: 0x80, tkill: -6, timer: -2 } as const
export const CLD = { exited: 1, killed: 2, dumped: 3, trapped: 4, stopped: 5, continued: 6 } as const

/** `info` of sending functions where there is no siginfo: the kernel's own doing. (SEND_SIG_NOINFO, on a user's behalf, is 0.) */
export const SEND_SIG_PRIV = 1
