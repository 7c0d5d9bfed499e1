/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of differences that the kernel imposes on every FUSE server, each with its reason.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_KNOWN_H
#define FSBACKEND_TESTS_DIFFERENTIAL_KNOWN_H

#include "compare.h"

/*
 * Whether @difference is on the list, and if so, whether the two sides are still alike after it in
 * all that can be compared later, or part ways. Counts how often each entry was needed.
 */
enum known { NOT_KNOWN, KNOWN_HARMLESS, KNOWN_PARTING };
enum known known_difference(const struct conditions *conditions,
			    const struct difference *difference);

/* Whether @op is not to be tried at all, since the two trees would grow apart by a difference that
 * is on the list. */
bool known_to_diverge(const struct conditions *conditions, const struct operation *op);

/* Writes the entries that were needed, how often and why they are there. */
void known_write(FILE *file);

#endif
