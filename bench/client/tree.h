/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of many files: making one, and walking through it. */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stdint.h>

/**
 * Make @files empty files below @dir, a hundred in each directory, a hundred directories in each
 * above.
 *
 * Return: 0 or a negative errno.
 */
int tree_make(const char *dir, uint64_t files);

/**
 * List @dir and all below it, with a stat(2) of each entry.
 *
 * @entries: filled with how many there were
 *
 * Return: 0 or a negative errno.
 */
int tree_walk(const char *dir, uint64_t *entries);

#endif
