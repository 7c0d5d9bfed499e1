// SPDX-License-Identifier: BSD-3-Clause
/* What is remembered of an inode from its first open on. */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "passthrough.h"

/*
 * After so long what was changed then is to be seen, and a further change has another ctime. File systems of the host take it from the kernel's
 * clock, which ticks every 10 ms or faster; a whole second may come from one that counts nothing less. Names come and go at once, under the
 * directory's lock. But a write has its ctime when it begins, and brings its bytes as long as it takes.
 */
enum { NAMES_SETTLED_MS = 100, SETTLED_MS = 3000 };

struct opened *opened_get(struct inode *inode)
{
	struct opened *opened = atomic_load_explicit(&inode->opened, memory_order_acquire);
	if (opened)
		return opened;
	struct opened *made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	if (atomic_compare_exchange_strong_explicit(&inode->opened, &opened, made,
						    memory_order_acq_rel, memory_order_acquire))
		return made;
	free(made); /* another open was faster */
	return opened;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static bool has_settled(bool foreign, const struct fsb_attr *attr)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	bool fine = S_ISDIR(attr->mode) && !foreign && attr->ctime.nsec != 0;
	int64_t limit_ms = fine ? NAMES_SETTLED_MS : SETTLED_MS;
	int64_t limit_ns = now.tv_nsec - limit_ms % 1000 * 1000000;
	int64_t limit_s = now.tv_sec - limit_ms / 1000 - (limit_ns < 0);
	if (limit_ns < 0)
		limit_ns += 1000000000;
	return attr->ctime.sec < limit_s || (attr->ctime.sec == limit_s && attr->ctime.nsec < limit_ns);
}

/* Return: a number for this size and ctime, or 0 for a file that has just been changed. */
static uint64_t version_of(bool foreign, const struct fsb_attr *attr)
{
	if (!has_settled(foreign, attr))
		return 0;
	return mix(mix(mix(attr->size, (uint64_t)attr->ctime.sec), attr->ctime.nsec), attr->mode) |
	       1;
}

bool opened_unchanged(struct opened *opened, bool foreign, const struct fsb_attr *attr)
{
	uint64_t version = version_of(foreign, attr);

	return atomic_exchange_explicit(&opened->seen, version, memory_order_acq_rel) == version &&
	       version != 0;
}

uint32_t opened_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}
