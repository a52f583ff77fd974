// Runs XDP objects in the kernel through BPF_PROG_TEST_RUN. One command a line on standard input, one answer a line:
//   load OBJECT PACKET          -> loaded N (its number, from 0), or an error
//   run N REPEAT                -> RETVAL NANOSECONDS (mean of one run, as the kernel reports it)
//   reset N                     -> closes and loads it afresh, so that its maps are empty
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct { struct bpf_object *object; int fd; char path[512]; } loaded[64];
static int count;
static unsigned char packet[2048];
static size_t packet_size;

static int quiet(enum libbpf_print_level level, const char *format, va_list args) { return 0; }

static int load(int n)
{
	struct bpf_program *program;
	loaded[n].object = bpf_object__open_file(loaded[n].path, NULL);
	if (!loaded[n].object || bpf_object__load(loaded[n].object))
		return -1;
	program = bpf_object__find_program_by_name(loaded[n].object, "prog");
	loaded[n].fd = program ? bpf_program__fd(program) : -1;
	return loaded[n].fd < 0 ? -1 : 0;
}

int main(void)
{
	char line[2048], word[16], path[512], file[512];
	int n, repeat;
	libbpf_set_print(quiet);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "load %511s %511s", path, file) == 2) {
			FILE *in = fopen(file, "rb");
			packet_size = in ? fread(packet, 1, sizeof(packet), in) : 0;
			if (in)
				fclose(in);
			strcpy(loaded[count].path, path);
			if (load(count))
				printf("error: %s: not loaded\n", path);
			else
				printf("loaded %d\n", count++);
		} else if (sscanf(line, "run %d %d", &n, &repeat) == 2) {
			unsigned char out[4096];
			LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = packet_size,
				    .data_out = out, .data_size_out = sizeof(out), .repeat = repeat);
			int error = bpf_prog_test_run_opts(loaded[n].fd, &options);
			if (error)
				printf("error: %d\n", error);
			else
				printf("%u %u\n", options.retval, options.duration);
		} else if (sscanf(line, "%15s %d", word, &n) == 2 && !strcmp(word, "reset")) {
			bpf_object__close(loaded[n].object);
			printf(load(n) ? "error\n" : "reset\n");
		} else {
			printf("error: what?\n");
		}
	}
	return 0;
}
