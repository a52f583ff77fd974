// Every open as it returns: who, which file, what came of it.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct event {
	pid_t pid;
	uid_t uid;
	int ret;
	int flags;
	char comm[TASK_COMM_LEN];
	char fname[256];
};

/* Keeps struct event in the object's BTF, so that a reader of `events` can decode it. */
const struct event *event_type SEC(".types");

struct open {
	const char *fname;
	int flags;
};

const volatile pid_t targ_pid = 0;
const volatile bool targ_failed = false;

/* Opens that have not returned yet, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u32);
	__type(value, struct open);
} start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

static __always_inline int enter(const char *fname, int flags)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id;
	struct open open = {};

	if (targ_pid && targ_pid != (pid_t)(id >> 32))
		return 0;
	open.fname = fname;
	open.flags = flags;
	bpf_map_update_elem(&start, &tid, &open, BPF_ANY);
	return 0;
}

static __always_inline int leave(int ret)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id;
	struct open *open = bpf_map_lookup_elem(&start, &tid);
	struct event *event;

	if (!open)
		return 0;
	if (targ_failed && ret >= 0)
		goto done;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		goto done;
	event->pid = id >> 32;
	event->uid = bpf_get_current_uid_gid();
	event->ret = ret;
	event->flags = open->flags;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	/* The name is read now, when the kernel has brought its page in. */
	bpf_probe_read_user_str(event->fname, sizeof(event->fname), open->fname);
	bpf_ringbuf_submit(event, 0);
done:
	bpf_map_delete_elem(&start, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_open")
int sys_enter_open(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], (int)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int sys_enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], (int)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_open")
int sys_exit_open(struct trace_event_raw_sys_exit *ctx)
{
	return leave((int)ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int sys_exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	return leave((int)ctx->ret);
}

char LICENSE[] SEC("license") = "GPL";
