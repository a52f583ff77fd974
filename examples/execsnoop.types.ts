// Written by `bpfsim gen types execsnoop.bpf.o`: do not edit.

export interface Event {
  pid: number
  ppid: number
  uid: number
  ret: number
  argc: number
  comm: string
  args: string[]
}

export interface Execsnoop {
  programs: 'sys_enter_execve' | 'sys_exit_execve'
  maps: {
    execs: { key: number; value: Event }
    events: { key: number; value: number; event: Event }
    '.rodata': { key: number; value: { with_failed: boolean; empty: Event } }
  }
  variables: {
    with_failed: boolean
    empty: Event
  }
}
