// Written by `bpfsim gen types opensnoop.bpf.o`: do not edit.

export interface Open {
  fname: bigint
  flags: number
}

export interface Event {
  pid: number
  uid: number
  ret: number
  flags: number
  comm: string
  fname: string
}

export interface Opensnoop {
  programs: 'sys_enter_open' | 'sys_enter_openat' | 'sys_exit_open' | 'sys_exit_openat'
  maps: {
    start: { key: number; value: Open }
    events: { key: number; value: number; event: Event }
    '.rodata': { key: number; value: { targ_pid: number; targ_failed: boolean } }
  }
  variables: {
    targ_pid: number
    targ_failed: boolean
  }
}
