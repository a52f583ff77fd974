// Prints what libbpf makes of an object's CO-RE relocations against a BTF file (its debug messages); the load behind them may fail.
//   gcc scripts/core-relocations.c -lbpf -o core-relocations && ./core-relocations OBJECT BTF
// test/debian/core-relocations.json is made of this for Debian's 52 objects and the BTF of its 6.1 and 6.12 kernels.
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return vprintf(format, args);
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;

	libbpf_set_print(print);
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = argv[2]);
	object = bpf_object__open_file(argv[1], &options);
	if (!object)
		return 1;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, true);
	/* Sizes that a tool sets before it loads: without them libbpf would not get as far as the relocations. */
	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_STACK_TRACE && !bpf_map__value_size(map))
			bpf_map__set_value_size(map, 8);
		if (bpf_map__type(map) != BPF_MAP_TYPE_PERF_EVENT_ARRAY && !bpf_map__max_entries(map))
			bpf_map__set_max_entries(map, 1);
	}
	bpf_object__load(object);
	return 0;
}
