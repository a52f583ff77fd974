// Written by `bpfsim gen types readlat.bpf.o`: do not edit.

export interface Key {
  comm: string
}

export interface Hist {
  slots: number[]
}

export interface Readlat {
  programs: 'read_entry' | 'read_return'
  maps: {
    start: { key: number; value: bigint }
    latency: { key: Key; value: Hist }
    '.rodata': { key: number; value: { zero: Hist } }
  }
  variables: {
    zero: Hist
  }
}
