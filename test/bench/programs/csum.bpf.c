#define REPEAT 4
#include "bench.h"
/* internet checksum over 1500-byte packet */
PROGRAM(c){ PKT(c,1500) u64 s=0;
 NOUNROLL for (u32 i=0;i<750;i++) s+=*(u16*)(d+2*i); s=(s&0xffff)+(s>>16); s=(s&0xffff)+(s>>16); return (u32)(~s&0xffff); }
