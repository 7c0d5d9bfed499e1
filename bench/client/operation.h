/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is measured: one table, a row an operation. Each thread works in a directory of its own.
 *
 * An operation that uses something up, or leaves something, is measured in batches: before each a
 * batch is prepared, and after each it is cleared away, both without being timed.
 */
#ifndef BENCH_OPERATION_H
#define BENCH_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

enum {
	OPERATION_FILES = 64,  /* that operations on existing files take in turn */
	OPERATION_BATCH = 256, /* steps between preparations */
	OPERATION_BLOCK = 4096,
	OPERATION_BLOCKS = 4096, /* of the file of data */
};

/**
 * Where a thread works, and what it has open there.
 *
 * @dir:   its directory
 * @file:  the file of data, -1 when there is none
 * @evict: what a pass has read leaves the cache before the next pass
 * @block: bytes to read into and to write from
 */
struct place {
	int dir;
	int file;
	bool evict;
	char block[OPERATION_BLOCK];
};

/**
 * All return 0 or a negative errno. @i counts the steps of a thread, without gaps, from 0 on; in a
 * batch @i is of its first step.
 *
 * @init:    before all steps; NULL: nothing to do
 * @prepare: before a batch; NULL as well for operations that are not measured in batches
 * @step:    what is measured
 * @clear:   after a batch
 * @fini:    after all steps
 */
struct operation {
	const char *name;
	const char *help;
	bool batches;
	int (*init)(struct place *place);
	int (*prepare)(struct place *place, uint64_t i);
	int (*step)(struct place *place, uint64_t i);
	int (*clear)(struct place *place, uint64_t i);
	int (*fini)(struct place *place);
};

/** The row of that name, or NULL. */
const struct operation *operation_find(const char *name);

/** Print a line for each. */
void operation_print_all(void);

#endif
