#define REPEAT 10
#include "bench.h"
/* log2 histogram into an array map, 32 samples */
ARRAY_MAP(hist,u32,u64,64);
INL u32 log2_(u32 v){ u32 r,s; r=(v>0xffff)<<4; v>>=r; s=(v>0xff)<<3; v>>=s; r|=s; s=(v>0xf)<<2; v>>=s; r|=s; s=(v>3)<<1; v>>=s; r|=s; r|=(v>>1); return r; }
PROGRAM(c){ PKT(c,320) u32 t=0;
 NOUNROLL for (u32 i=0;i<32;i++){ u32 v=*(u32*)(d+64+i*4); v>>=(i&31); u32 k=log2_(v)+1; if(k>63)k=63; u64*p=bpf_map_lookup_elem(&hist,&k); if(p)(*p)++; t+=k; } return t; }
