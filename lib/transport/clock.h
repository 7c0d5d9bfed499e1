/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock by which transports decide how to wait. */
#ifndef FSB_TRANSPORT_CLOCK_H
#define FSB_TRANSPORT_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Seconds, never 0; a clock that costs next to nothing. */
static inline uint32_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec + 1;
}

#endif
