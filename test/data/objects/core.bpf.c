// One program per kind of CO-RE relocation; each returns what the relocation comes to. The "kernel" is kernel.bpf.c.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inner {
	int a;
	int b;
};

struct thing {
	u64 first;
	int moved;
	struct {
		int hidden;
	};
	int numbers[4];
	struct inner inner[2];
	unsigned int bits : 5;
	int signed_bits : 7;
	u32 narrower;
	int gone;
	int changed_sign;
};

struct thing___flavour {
	int moved;
};

struct absent {
	int x;
};

struct tail {
	int n;
	int flexible[];
};

#pragma clang attribute pop

enum color { RED = 1, GREEN = 2, BLUE = 3 };
enum color___other { GREEN___other = 9, PURPLE = 10 };
enum wide { LARGE = 0x1234567800000001ULL };

typedef int (*callback)(struct thing *thing, int n);

#define PROGRAM(name, expression) \
	SEC("raw_tp") long name(struct thing *ctx) { return (long)(expression); }

PROGRAM(byte_offset, __builtin_preserve_field_info(ctx->moved, BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_offset_anonymous, __builtin_preserve_field_info(ctx->hidden, BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_offset_element, __builtin_preserve_field_info(ctx->inner[1].b, BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_offset_flavour, __builtin_preserve_field_info(((struct thing___flavour *)ctx)->moved, BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_offset_flexible, __builtin_preserve_field_info(((struct tail *)ctx)->flexible[3], BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_offset_gone, __builtin_preserve_field_info(ctx->gone, BPF_FIELD_BYTE_OFFSET))
PROGRAM(byte_size, __builtin_preserve_field_info(ctx->numbers, BPF_FIELD_BYTE_SIZE))
PROGRAM(field_exists, bpf_core_field_exists(ctx->moved))
PROGRAM(field_exists_not, bpf_core_field_exists(ctx->gone))
PROGRAM(field_signed, __builtin_preserve_field_info(ctx->changed_sign, BPF_FIELD_SIGNED))
PROGRAM(bits_offset, __builtin_preserve_field_info(ctx->bits, BPF_FIELD_BYTE_OFFSET))
PROGRAM(bits_lshift, __builtin_preserve_field_info(ctx->bits, BPF_FIELD_LSHIFT_U64))
PROGRAM(bits_rshift, __builtin_preserve_field_info(ctx->bits, BPF_FIELD_RSHIFT_U64))
PROGRAM(bits_signed, __builtin_preserve_field_info(ctx->signed_bits, BPF_FIELD_SIGNED))
PROGRAM(type_exists, bpf_core_type_exists(struct thing))
PROGRAM(type_exists_not, bpf_core_type_exists(struct absent))
PROGRAM(type_exists_pointer, bpf_core_type_exists(callback))
PROGRAM(type_size, bpf_core_type_size(struct thing))
PROGRAM(type_matches_not, bpf_core_type_matches(struct thing))
PROGRAM(type_matches, bpf_core_type_matches(struct inner))
PROGRAM(type_id_local, bpf_core_type_id_local(struct thing))
PROGRAM(type_id_target, bpf_core_type_id_kernel(struct thing))
PROGRAM(enumval_exists, bpf_core_enum_value_exists(enum color, GREEN))
PROGRAM(enumval_exists_not, bpf_core_enum_value_exists(enum color___other, PURPLE))
PROGRAM(enumval_value, bpf_core_enum_value(enum color, GREEN))
PROGRAM(enumval_flavour, bpf_core_enum_value(enum color___other, GREEN___other))
PROGRAM(enumval_wide, bpf_core_enum_value(enum wide, LARGE))
PROGRAM(enumval_value_not, bpf_core_enum_value(enum color___other, PURPLE))

SEC("raw_tp")
long load(struct thing *ctx)
{
	return ctx->moved;
}

SEC("raw_tp")
long load_narrower(struct thing *ctx)
{
	return ctx->narrower;
}

SEC("raw_tp")
long load_gone(struct thing *ctx)
{
	return ctx->gone;
}

char LICENSE[] SEC("license") = "GPL";
