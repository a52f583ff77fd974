typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define INL static inline __attribute__((always_inline))
#define NOUNROLL _Pragma("clang loop unroll(disable) vectorize(disable)")
struct ctx { u32 data, data_end, data_meta, ifx, rxq, efx; };      /* struct xdp_md */
/* A program that takes less than a microsecond runs REPEAT times within one run: TEST_RUN counts whole nanoseconds. */
#ifndef REPEAT
#define REPEAT 1
#endif
#define PROGRAM(c) INL int body(struct ctx *c); \
 SEC("xdp") int prog(struct ctx *c){ int r=0; NOUNROLL for (u32 n=0;n<REPEAT;n++){ r+=body(c); __asm__ volatile("":::"memory"); } return r; } \
 INL int body(struct ctx *c)
#define PKT(c,need) u8 *d = (u8*)(long)(c)->data; { u8 *e_ = (u8*)(long)(c)->data_end; if (d + (need) > e_) return 0; }
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
#define ARRAY_MAP(nm,K,V,N) struct { __uint(type,2); __uint(max_entries,N); __type(key,K); __type(value,V);} nm SEC(".maps")
#define HASH_MAP(nm,K,V,N)  struct { __uint(type,1); __uint(max_entries,N); __type(key,K); __type(value,V);} nm SEC(".maps")
char LICENSE[] SEC("license") = "GPL";
