// `bpfsim/workload`: everything that a simulated program is written with.

export {
  Buffer,
  buffer,
  type CallArgument,
  type Program,
  type ReadResult,
  type Step,
  type Sys,
  type TaskApi,
  type WaitResult,
  type Workload,
  workload,
} from '../kernel-sim/user/api.ts'

// The constants that system calls take, under their C names (x86-64).
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NONBLOCK = 0o4000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_CLOEXEC = 0o2000000
export const AT_FDCWD = -100
export const F_OK = 0
export const X_OK = 1
export const W_OK = 2
export const R_OK = 4
export const SEEK_SET = 0
export const SEEK_CUR = 1
export const SEEK_END = 2
export const WNOHANG = 1
export const SIGHUP = 1
export const SIGINT = 2
export const SIGKILL = 9
export const SIGUSR1 = 10
export const SIGSEGV = 11
export const SIGUSR2 = 12
export const SIGPIPE = 13
export const SIGALRM = 14
export const SIGTERM = 15
export const SIGCHLD = 17
export const AF_UNIX = 1
export const AF_INET = 2
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
