/*
 * Runs programs on the kernel of this machine through BPF_PROG_TEST_RUN, never attaching any. Built with cc when a test wants it.
 *
 * Standard input, once per program, numbers in the machine's byte order:
 *	u32 slots; that many 8-byte instructions; 64 bytes of memory
 * A map reference carries 0, 1 or 2 as its immediate: an array of one 72-byte value that starts with the memory, an array of four u64,
 * a hash of at most four u64, both by u32. All are new for every program.
 *
 * Standard output, once per program:
 *	s32 error; u32 length of the verifier's log and the log (only when the program was refused);
 *	else 72 bytes of memory, 32 of the array, u32 entries of the hash, each u32 key and u64 value
 * Error is 0, the load's negative errno, or 1 when the program was loaded but did not run.
 *
 * Exit code 2: this kernel does not let us.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MEMORY = 64, VALUE = MEMORY + 8, ENTRIES = 4, KEYS = 8, MAX_SLOTS = 1 << 20, LOG_BYTES = 1 << 20 };

static char log_buffer[LOG_BYTES];

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr)) < 0 ? -errno : 0;
}

static int create_map(int type, int value_size, int entries)
{
	union bpf_attr attr = { .map_type = type, .key_size = 4, .value_size = value_size, .max_entries = entries };
	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int element(int command, int map, uint32_t key, void *value)
{
	union bpf_attr attr = { .map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)value };
	return bpf(command, &attr);
}

static int load(const struct bpf_insn *insns, uint32_t slots, int log_level)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (uintptr_t)insns,
		.insn_cnt = slots,
		.license = (uintptr_t)"GPL",
		.log_level = log_level,
		.log_buf = log_level ? (uintptr_t)log_buffer : 0,
		.log_size = log_level ? sizeof(log_buffer) : 0,
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

static int test_run(int program)
{
	unsigned char packet[64] = { 0 };
	union bpf_attr attr = {
		.test = { .prog_fd = program, .data_in = (uintptr_t)packet, .data_size_in = sizeof(packet), .repeat = 1 },
	};
	return bpf(BPF_PROG_TEST_RUN, &attr);
}

static void put(const void *bytes, size_t length)
{
	if (fwrite(bytes, 1, length, stdout) != length)
		exit(1);
}

static void put_u32(uint32_t value)
{
	put(&value, sizeof(value));
}

static void refuse(int error, struct bpf_insn *insns, uint32_t slots)
{
	log_buffer[0] = 0;
	if (error < 0) {
		int fd = load(insns, slots, 1);
		if (fd >= 0)
			close(fd);
	}
	put_u32(error);
	put_u32(strlen(log_buffer));
	put(log_buffer, strlen(log_buffer));
}

static void report(const int maps[3])
{
	unsigned char value[VALUE];
	uint64_t words[KEYS];
	uint32_t keys[KEYS], found = 0;

	put_u32(0);
	element(BPF_MAP_LOOKUP_ELEM, maps[0], 0, value);
	put(value, VALUE);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		element(BPF_MAP_LOOKUP_ELEM, maps[1], i, &words[0]);
		put(&words[0], 8);
	}
	for (uint32_t key = 0; key < KEYS; key++)
		if (element(BPF_MAP_LOOKUP_ELEM, maps[2], key, &words[found]) == 0)
			keys[found++] = key;
	put_u32(found);
	for (uint32_t i = 0; i < found; i++) {
		put_u32(keys[i]);
		put(&words[i], 8);
	}
}

static void run(struct bpf_insn *insns, uint32_t slots, const unsigned char *memory)
{
	int maps[3] = {
		create_map(BPF_MAP_TYPE_ARRAY, VALUE, 1),
		create_map(BPF_MAP_TYPE_ARRAY, 8, ENTRIES),
		create_map(BPF_MAP_TYPE_HASH, 8, ENTRIES),
	};
	unsigned char value[VALUE] = { 0 };
	int program;

	if (maps[0] < 0 || maps[1] < 0 || maps[2] < 0)
		exit(2);
	memcpy(value, memory, MEMORY);
	element(BPF_MAP_UPDATE_ELEM, maps[0], 0, value);
	for (uint32_t i = 0; i < slots; i++) {
		if (insns[i].code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if (insns[i].src_reg == BPF_PSEUDO_MAP_FD || insns[i].src_reg == BPF_PSEUDO_MAP_VALUE)
			insns[i].imm = maps[insns[i].imm];
		i++;
	}
	program = load(insns, slots, 0);
	if (program == -EPERM)
		exit(2);
	if (program < 0)
		refuse(program, insns, slots);
	else if (test_run(program) < 0)
		refuse(1, insns, slots);
	else
		report(maps);
	if (program >= 0)
		close(program);
	for (int i = 0; i < 3; i++)
		close(maps[i]);
}

int main(void)
{
	struct bpf_insn *insns = malloc(MAX_SLOTS * sizeof(*insns));
	unsigned char memory[MEMORY];
	uint32_t slots;

	while (fread(&slots, sizeof(slots), 1, stdin) == 1) {
		if (slots > MAX_SLOTS || fread(insns, sizeof(*insns), slots, stdin) != slots ||
		    fread(memory, 1, MEMORY, stdin) != MEMORY)
			return 1;
		run(insns, slots, memory);
		fflush(stdout);
	}
	return 0;
}
