// Every execve with its arguments, reported when it returns: by then the arguments of a successful one are gone from memory, so they
// are read on entry and wait in a map.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define MAX_ARGS 16
#define ARG_LEN 64

struct event {
	pid_t pid;
	pid_t ppid;
	uid_t uid;
	int ret;
	u32 argc;
	char comm[TASK_COMM_LEN];
	char args[MAX_ARGS][ARG_LEN];
};

const volatile bool with_failed = false;

static const struct event empty = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct event);
} execs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_execve")
int sys_enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	const char **argv = (const char **)ctx->args[1];
	u32 tid = bpf_get_current_pid_tgid();
	struct task_struct *task;
	struct event *event;

	if (bpf_map_update_elem(&execs, &tid, &empty, BPF_NOEXIST))
		return 0;
	event = bpf_map_lookup_elem(&execs, &tid);
	if (!event)
		return 0;
	task = (struct task_struct *)bpf_get_current_task();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = bpf_get_current_uid_gid();
#pragma unroll
	for (int i = 0; i < MAX_ARGS; i++) {
		const char *arg = 0;

		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]) || !arg)
			break;
		bpf_probe_read_user_str(event->args[i], ARG_LEN, arg);
		event->argc++;
	}
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int sys_exit_execve(struct trace_event_raw_sys_exit *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct event *event = bpf_map_lookup_elem(&execs, &tid);

	if (!event)
		return 0;
	event->ret = (int)ctx->ret;
	if (event->ret < 0 && !with_failed)
		goto done;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_perf_event_output(ctx, &events, 0xffffffffULL /* this CPU */, event, sizeof(*event));
done:
	bpf_map_delete_elem(&execs, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
