/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of FUSE over io_uring: the kernel's switch, which is all mounts'. Tests that need it in
 * a position hold it there, locked against other tests, as long as their process lives.
 */
#ifndef FSBACKEND_TESTS_RINGSWITCH_H
#define FSBACKEND_TESTS_RINGSWITCH_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int ring_switch_fd = -1;
static char ring_switch_before;

static void ring_switch_back(void)
{
	if (pwrite(ring_switch_fd, &ring_switch_before, 1, 0) != 1)
		abort();
}

/* Offer rings to servers that mount from now on, or do not. Skips the test where the kernel has
 * none. */
static void ring_switch(bool on)
{
	ring_switch_fd = open("/sys/module/fuse/parameters/enable_uring", O_RDWR | O_CLOEXEC);
	if (ring_switch_fd < 0)
		cr_skip_test("this kernel has no FUSE over io_uring");
	cr_assert_eq(flock(ring_switch_fd, LOCK_EX), 0);
	cr_assert_eq(pread(ring_switch_fd, &ring_switch_before, 1, 0), 1);
	cr_assert_eq(pwrite(ring_switch_fd, on ? "Y" : "N", 1, 0), 1);
	atexit(ring_switch_back);
}

#endif
