// Maps as they were declared before BTF.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SEC("maps") counts = { .type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 64 };
struct bpf_map_def SEC("maps") array = { .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 2 };

SEC("kprobe/vfs_read+8")
int probe(void *ctx)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&array, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
