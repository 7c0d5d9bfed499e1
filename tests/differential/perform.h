/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Performing one operation in the process of its user: the call itself, and what the named inodes
 * look like before and after it.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_PERFORM_H
#define FSBACKEND_TESTS_DIFFERENTIAL_PERFORM_H

#include "calls.h"
#include "operation.h"

/* The inodes that an operation names. */
enum looked_at { THE_TARGET, THE_PARENT, THE_SECOND, THE_SECOND_PARENT, LOOKED_AT };

#define NOT_LOOKED_AT (-1) /* the error of a view that was not taken */

struct result {
	struct timespec started; /* by the coarse clock that file systems take times from */
	struct outcome outcome;
	struct view seen; /* what stat and fstat yielded; for lseek, in what */
	struct view before[LOOKED_AT], after[LOOKED_AT];
};

/*
 * A user at work on one side.
 *
 * @slots:  the descriptors, -1 for none
 * @socket: where descriptors of other users arrive
 */
struct actor {
	int user;
	int slots[SLOTS];
	int socket;
};

void perform(struct actor *actor, const struct operation *op, struct result *result);

/* The directory that @path's last name lies in, as far as the text tells; @parent has room for
 * PATH_SIZE. */
void parent_path(char *parent, const char *path);

/* Sends a descriptor to the actor at the other end of @socket, or word that there is none when @fd
 * is -1. */
bool hand_over(int socket, int fd);

#endif
