// Power-of-two buckets for latencies.
#pragma once

#define SLOTS 32

struct hist {
	u32 slots[SLOTS];
};

/* Position of the highest set bit; 0 for 0 and 1. */
static __always_inline u32 log2_slot(u64 value)
{
	u32 slot = 0;

	if (value >> 32) {
		slot += 32;
		value >>= 32;
	}
	if (value >> 16) {
		slot += 16;
		value >>= 16;
	}
	if (value >> 8) {
		slot += 8;
		value >>= 8;
	}
	if (value >> 4) {
		slot += 4;
		value >>= 4;
	}
	if (value >> 2) {
		slot += 2;
		value >>= 2;
	}
	slot += value >> 1;
	return slot < SLOTS ? slot : SLOTS - 1;
}
