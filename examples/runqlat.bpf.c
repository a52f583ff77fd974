// How long tasks that could run wait for a CPU: from the wakeup (or from being preempted) to the switch to them.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "log2.h"

/* Before Linux 5.14 the member was called `state`. */
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

const volatile pid_t targ_tgid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");

/* Microseconds. */
struct hist wait = {};

static __always_inline int enqueue(struct task_struct *task)
{
	u32 pid = task->pid;
	u64 now = bpf_ktime_get_ns();

	if (!pid || (targ_tgid && targ_tgid != task->tgid))
		return 0;
	bpf_map_update_elem(&start, &pid, &now, BPF_ANY);
	return 0;
}

static __always_inline bool runnable(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state) == TASK_RUNNING;
	return BPF_CORE_READ((struct task_struct___old *)task, state) == TASK_RUNNING;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(sched_wakeup, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(sched_wakeup_new, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 pid = next->pid;
	u64 *queued;
	u32 slot;

	if (runnable(prev))
		enqueue(prev);
	queued = bpf_map_lookup_elem(&start, &pid);
	if (!queued)
		return 0;
	slot = log2_slot((bpf_ktime_get_ns() - *queued) / 1000);
	if (slot < SLOTS)
		__sync_fetch_and_add(&wait.slots[slot], 1);
	bpf_map_delete_elem(&start, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
