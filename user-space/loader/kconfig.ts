// The configuration of the simulated kernel, as far as BPF programs ask for it (`extern ... __kconfig`). What is not listed here is
// missing: a weak extern reads 0, a strong one refuses the object, as on a kernel without /proc/config.gz.

/** /proc/config.gz of this kernel. */
export const KCONFIG = `\
CONFIG_64BIT=y
CONFIG_X86=y
CONFIG_X86_64=y
CONFIG_SMP=y
CONFIG_HZ=250
CONFIG_HZ_250=y
CONFIG_NO_HZ_COMMON=y
CONFIG_PREEMPT_VOLUNTARY=y
CONFIG_PGTABLE_LEVELS=5
CONFIG_BPF=y
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_JIT=y
CONFIG_BPF_EVENTS=y
CONFIG_CGROUPS=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_FTRACE_SYSCALLS=y
CONFIG_KPROBES=y
CONFIG_PERF_EVENTS=y
CONFIG_TRACEPOINTS=y
`
