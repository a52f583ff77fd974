#define REPEAT 100
#include "bench.h"
/* eth/vlan/ip/tcp parse and match: one packet per run */
PROGRAM(c){ u8 *d=(u8*)(long)c->data,*e=(u8*)(long)c->data_end; 
 if (d+14>e) return 1; u16 t=*(u16*)(d+12); u8*p=d+14;
 if (t==0x0081 || t==0xa888){ if (p+4>e) return 1; t=*(u16*)(p+2); p+=4; }
 if (t!=0x0008) return 2; if (p+20>e) return 1;
 u8 vihl=p[0]; if ((vihl>>4)!=4) return 1; u32 hl=(vihl&15)*4; if (hl<20) return 1;
 if (*(u16*)(p+6)&0xff1f) return 2; if (p[8]==0) return 1; u8 pr=p[9]; u32 sa=*(u32*)(p+12), da=*(u32*)(p+16);
 u8*l=p+hl; if (l+20>e) return 1; 
 if (pr==6){ u16 sp=__builtin_bswap16(*(u16*)l), dp=__builtin_bswap16(*(u16*)(l+2)); u8 fl=l[13];
   if (dp==22 && (fl&2)) return 3; if (dp==80||dp==443||dp==8080){ if ((__builtin_bswap32(sa)>>24)==10) return 100+(fl&0x3f); return 4; } return sp<1024?5:6; }
 if (pr==17){ u16 dp=__builtin_bswap16(*(u16*)(l+2)); if (dp==53) return 7; return 8; }
 return (da^sa)&1?9:10; }
