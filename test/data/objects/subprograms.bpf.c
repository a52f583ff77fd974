// Subprograms of .text in every way they are reached: static and global calls, calls between them, addresses for callbacks.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

u64 total;

static __attribute__((noinline)) int leaf(int n)
{
	total += n;
	return n + 1;
}

__attribute__((noinline)) int middle(int n)
{
	return leaf(n) * 2;
}

static __attribute__((noinline)) int unused_by_second(int n)
{
	return middle(n) + leaf(n + 1);
}

static int step(u32 index, void *data)
{
	return leaf(index) > 5;
}

SEC("raw_tp/sys_enter")
int first(void *ctx)
{
	return unused_by_second(3);
}

SEC("raw_tp/sys_exit")
int second(void *ctx)
{
	return middle(4);
}

SEC("?raw_tp/sched_switch")
int looping(void *ctx)
{
	bpf_loop(4, step, 0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
