/* SPDX-License-Identifier: BSD-3-Clause */
/* The loops that take requests and give answers, as short as they can be. */
#ifndef BENCH_FLOOR_LOOPS_H
#define BENCH_FLOOR_LOOPS_H

#include <stdint.h>
#include <time.h>

/** Answer what comes by the device @fd, which does not block, until it ends. */
void classic_loop(int fd, uint64_t spin_ns);

/** Answer what comes by io_uring, with a thread a core; they end with the process. Return: 0 or a
 * negative errno. */
int uring_start(int fd, uint64_t spin_ns);

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
