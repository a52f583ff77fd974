#define REPEAT 4
#include "bench.h"
/* hash-map counter: 32 keys, lookup hit then atomic add, update on miss */
HASH_MAP(cnt,u64,u64,4096);
PROGRAM(c){ PKT(c,320) 
 NOUNROLL for (u32 i=0;i<32;i++){ u64 k=*(u64*)(d+64+i*4)&0x3ffffff; u64*p=bpf_map_lookup_elem(&cnt,&k); if(p){__sync_fetch_and_add(p,1);} else {u64 one=1; bpf_map_update_elem(&cnt,&k,&one,0);} } return 1; }
