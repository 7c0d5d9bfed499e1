/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether to look for the next request for a while before sleeping. Pure: it is told how long waits
 * took, and has no clock of its own.
 *
 * A wait that ends within the limit would have been worth spinning, a longer one not. Only where
 * nearly all of the recent ones did is it worth it: one that did not takes back what four others
 * gained, so that a mount that is used now and then never spins, and one that falls idle spins for
 * the limit once.
 */
#ifndef FSB_TRANSPORT_SPIN_H
#define FSB_TRANSPORT_SPIN_H

#include <stdint.h>

enum {
	SPIN_WORTH = 4,     /* from this score on */
	SPIN_BEST = 8,      /* no score is higher */
	SPIN_CROWDED = -64, /* the score after others wanted the core */
	/* Who comes back so late, having offered the core to others, was not alone on it. */
	SPIN_GAP_NS = 20000
};

/**
 * @limit_ns: how long at most, 0 for never
 * @score:    of recent waits
 */
struct spin {
	uint64_t limit_ns;
	int score;
};

/** Nothing is known yet: it does not spin. */
static inline void spin_init(struct spin *spin, uint64_t limit_ns)
{
	*spin = (struct spin){ .limit_ns = limit_ns };
}

/** How long to look for a request before sleeping, in ns; 0: sleep at once. */
static inline uint64_t spin_span(const struct spin *spin)
{
	return spin->score >= SPIN_WORTH ? spin->limit_ns : 0;
}

/**
 * A wait is over, by a request that came @waited_ns after it began; it does not matter how it was
 * waited.
 */
void spin_note(struct spin *spin, uint64_t waited_ns);

/** While it was spinning, the core was wanted by others: leave it to them for the next waits. */
void spin_crowded(struct spin *spin);

#endif
