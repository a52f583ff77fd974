#define REPEAT 100
#include "bench.h"
/* small probe with one hash lookup (per-pid counter), one event per run */
HASH_MAP(st,u32,u64,1024);
PROGRAM(c){ PKT(c,64) u32 pid=*(u32*)(d+24); if (pid==0) return 0; 
 u64*p=bpf_map_lookup_elem(&st,&pid); if(p){ *p+=1; return 1;} u64 one=1; bpf_map_update_elem(&st,&pid,&one,0); return 1; }
