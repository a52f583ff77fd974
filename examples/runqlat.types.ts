// Written by `bpfsim gen types runqlat.bpf.o`: do not edit.

export interface Hist {
  slots: number[]
}

export interface Runqlat {
  programs: 'sched_wakeup' | 'sched_wakeup_new' | 'sched_switch'
  maps: {
    start: { key: number; value: bigint }
    '.rodata': { key: number; value: { targ_tgid: number } }
    '.bss': { key: number; value: { wait: Hist } }
  }
  variables: {
    targ_tgid: number
    wait: Hist
  }
}
