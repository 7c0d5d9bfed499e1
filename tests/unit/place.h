/* SPDX-License-Identifier: BSD-3-Clause */
/* A served tree, and beside it what must not be reached: canaries that show every touch. */
#ifndef FSBACKEND_TESTS_UNIT_PLACE_H
#define FSBACKEND_TESTS_UNIT_PLACE_H

#include "operating.h"

/**
 * @f:       serves "tree"
 * @outside: open on the directory beside it, with canaries in it
 */
struct place {
	struct fixture scratch;
	struct fixture f;
	int outside;
};

void place_make(struct place *p, enum fsb_permissions permissions);
/** Checks that everything outside is as it was, and takes it down. */
void place_end(struct place *p);

#endif
