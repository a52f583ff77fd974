// How long reads take, per program: from the entry of vfs_read() to its return, also when it sleeps in between.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "log2.h"

struct key {
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");

/* Nanoseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct key);
	__type(value, struct hist);
} latency SEC(".maps");

static const struct hist zero = {};

SEC("kprobe/vfs_read")
int read_entry(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&start, &tid, &now, BPF_ANY);
	return 0;
}

SEC("kretprobe/vfs_read")
int read_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *began = bpf_map_lookup_elem(&start, &tid);
	struct key key = {};
	struct hist *hist;
	u64 delta;
	u32 slot;

	if (!began)
		return 0;
	delta = bpf_ktime_get_ns() - *began;
	bpf_map_delete_elem(&start, &tid);
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	hist = bpf_map_lookup_elem(&latency, &key);
	if (!hist) {
		bpf_map_update_elem(&latency, &key, &zero, BPF_NOEXIST);
		hist = bpf_map_lookup_elem(&latency, &key);
		if (!hist)
			return 0;
	}
	slot = log2_slot(delta);
	if (slot < SLOTS)
		__sync_fetch_and_add(&hist->slots[slot], 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
