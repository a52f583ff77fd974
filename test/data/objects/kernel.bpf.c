// The types of a kernel that core.bpf.c is relocated to: only its BTF is used.

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;

struct inner {
	int a;
	int added;
	int b;
};

struct thing {
	int numbers[6];
	u64 first;
	union {
		struct {
			int hidden;
			int moved;
		};
		u64 word;
	};
	struct inner inner[3];
	u64 padding : 30;
	u64 bits : 6;
	int signed_bits : 7;
	u16 narrower;
	unsigned int changed_sign;
};

struct tail {
	u64 n;
	int flexible[];
};

enum color { NONE = 0, RED = 5, GREEN = 6, BLUE = 7 };
enum wide { LARGE = 0x9234567800000002ULL };

typedef int (*callback)(struct thing *thing, int n);

struct thing *thing;
struct tail *tail;
enum color *color;
enum wide *wide;
callback called;
