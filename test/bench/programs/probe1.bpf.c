#define REPEAT 1
#include "bench.h"
/* small "tracepoint probe": filter + latency bucket + array-map counters, ~30 insns, one event per run */
ARRAY_MAP(st,u32,u64,64);
PROGRAM(c){ PKT(c,64) u32 pid=*(u32*)(d+24); if (pid==0) return 0; u64 ts=*(u64*)(d+32), t0=*(u64*)(d+40); u64 lat=(ts-t0)>>10; 
 u32 k=(pid^(u32)lat)&31; if (lat&1) k+=32; u64*p=bpf_map_lookup_elem(&st,&k); if(!p) return 0; *p+=1; if (lat>1000000) return 2; return 1; }
