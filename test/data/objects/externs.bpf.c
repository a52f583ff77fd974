// Every kind of extern, strong and weak.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern unsigned long CONFIG_HZ __kconfig;
extern enum libbpf_tristate CONFIG_TUN __kconfig __weak;
extern char CONFIG_CC_VERSION_TEXT[16] __kconfig __weak;

extern const void jiffies_64 __ksym;
extern const void no_such_symbol __ksym __weak;
extern const int pid_max __ksym __weak;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern void bpf_no_such_kfunc(void) __ksym __weak;

u64 seen;

SEC("raw_tp/sys_enter")
int use(void *ctx)
{
	seen = LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL + CONFIG_HZ + CONFIG_TUN + CONFIG_CC_VERSION_TEXT[0];
	seen += (u64)&jiffies_64 + (u64)&no_such_symbol + (u64)&pid_max;
	return 0;
}

SEC("syscall")
int kfuncs(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	if (bpf_no_such_kfunc)
		bpf_no_such_kfunc();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
