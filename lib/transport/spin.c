// SPDX-License-Identifier: BSD-3-Clause
/* Adaptive spinning: the score of recent waits. */
#include "spin.h"

void spin_note(struct spin *spin, uint64_t waited_ns)
{
	if (waited_ns <= spin->limit_ns) {
		if (spin->score < SPIN_BEST)
			spin->score++;
	} else if (spin->score > 0) {
		spin->score = spin->score > SPIN_WORTH ? spin->score - SPIN_WORTH : 0;
	}
}

void spin_crowded(struct spin *spin)
{
	spin->score = SPIN_CROWDED;
}
