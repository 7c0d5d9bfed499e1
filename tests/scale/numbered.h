/* SPDX-License-Identifier: BSD-3-Clause */
/* How the many files of these tests are called: "NUMBER/NUMBER", so many in a directory. */
#ifndef FSBACKEND_TESTS_SCALE_NUMBERED_H
#define FSBACKEND_TESTS_SCALE_NUMBERED_H

#include <stdint.h>
#include <stdio.h>

enum { PER_DIRECTORY = 1000, NUMBERED_MAX = 48 };

static inline void numbered(char name[NUMBERED_MAX], unsigned long number)
{
	snprintf(name, NUMBERED_MAX, "%lu/%lu", number / PER_DIRECTORY, number);
}

/** The next number of a sequence that looks random (xorshift); *@state is not 0. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 20;
}

#endif
