/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that are ready before the request comes: of a request nothing is looked at but its
 * opcode. */
#ifndef BENCH_FLOOR_ANSWER_H
#define BENCH_FLOOR_ANSWER_H

#include <stddef.h>
#include <stdint.h>

/**
 * @body, @length: behind the header
 * @error:         0 or a negative errno
 */
struct answer {
	const void *body;
	size_t length;
	int error;
};

/** Make all answers. @uring: INIT's accepts io_uring. */
void answers_init(int uring);

/** The answer to @opcode; NULL for one that gets none. */
const struct answer *answer_find(uint32_t opcode);

#endif
