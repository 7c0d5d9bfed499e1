/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making up operations at random. The generator keeps a rough idea of which names exist and which
 * slots are in use, learnt from what came out on the native side, so that most operations find
 * something to act on. What it makes of a seed is always the same.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_GENERATOR_H
#define FSBACKEND_TESTS_DIFFERENTIAL_GENERATOR_H

#include "compare.h"

#define NAMES_KNOWN 512

/* A name that is thought to exist; the type is a letter as in "ls -l", 'f' for files. */
struct known_name {
	char path[PATH_SIZE];
	char type;
};

struct generator {
	uint64_t random;
	const struct conditions *conditions;
	int user; /* who acted last */
	struct known_name names[NAMES_KNOWN];
	size_t count;
	char cwd[USERS][PATH_SIZE];
	struct known_name slots[USERS][SLOTS]; /* type 0: empty */
};

/* Begin with an empty tree. */
void generator_init(struct generator *generator, uint64_t seed,
		    const struct conditions *conditions);

void generator_next(struct generator *generator, struct operation *op);

/* Learn from an operation that succeeded on the native side. */
void generator_learn(struct generator *generator, const struct operation *op);

/* The path from the root of what @path names for @user, by what has been learnt; @absolute has room
 * for PATH_SIZE. */
void generator_absolute(const struct generator *generator, int64_t user, int64_t dir,
			const char *path, char *absolute);

/* Take a tree as it is for what exists. */
void generator_look(struct generator *generator, const struct tree *tree);

#endif
