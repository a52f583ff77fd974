// Map definitions of every shape, and the sections that global data can live in.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

enum {
	PERCPU_ARRAY = 6,
	STACK_TRACE = 7,
	ARRAY_OF_MAPS = 12,
	PROG_ARRAY = 3,
	BLOOM_FILTER = 30,
};

struct value {
	u64 count;
	char name[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__uint(map_flags, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct value);
} by_type SEC(".maps");

struct {
	__uint(type, STACK_TRACE);
	__uint(key_size, 4);
	__uint(value_size, 127 * 8);
	__uint(max_entries, 10);
} by_size SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
} ring SEC(".maps");

struct {
	__uint(type, BLOOM_FILTER);
	__uint(max_entries, 10);
	__uint(map_extra, 3);
	__type(value, u32);
} extra SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} inner_one SEC(".maps"), inner_two SEC(".maps");

struct {
	__uint(type, ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &inner_one, [3] = &inner_two } };

int tail(void *ctx);

struct {
	__uint(type, PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [1] = (void *)&tail } };

const volatile u32 limit = 7;
const volatile char greeting[16] = "hello";
u64 counter;
static u32 private_counter;
struct value latest = { .count = 3, .name = "abc" };
u32 special SEC(".data.special") = 9;

SEC("raw_tp/sys_enter")
int tail(void *ctx)
{
	special++;
	return 0;
}

SEC("raw_tp/sys_exit")
int main_program(void *ctx)
{
	u32 key = 0;
	struct value *found = bpf_map_lookup_elem(&by_type, &key);

	counter += limit + greeting[counter & 15];
	private_counter++;
	latest.count++;
	if (found)
		found->count++;
	bpf_tail_call(ctx, &jumps, 1);
	return bpf_get_prandom_u32() + private_counter;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
u32 _version SEC("version") = 0x060c00;
