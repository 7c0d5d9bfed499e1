/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a thread that found nothing to do looks again at once, or sleeps: it looks again as long
 * as that was worth it lately, not too many others do so, and nobody else wants its core.
 */
#ifndef FSB_TRANSPORT_PATIENCE_H
#define FSB_TRANSPORT_PATIENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "spin.h"

/** Those who share cores. @most: so many of them may look again and again. */
struct crowd {
	atomic_uint looking;
	unsigned int most;
};

/**
 * One of them.
 *
 * @since_ns:  when the wait began, 0 when it does not wait
 * @looked_ns: when it looked last
 */
struct patience {
	struct crowd *crowd;
	struct spin spin;
	bool looking;
	uint64_t since_ns;
	uint64_t looked_ns;
};

/** Half of the cores may look. */
void crowd_init(struct crowd *crowd);

/** @limit_ns: how long to look at most, 0 for never. */
void patience_init(struct patience *patience, struct crowd *crowd, uint64_t limit_ns);

/**
 * Nothing was found. Return: whether to look again, which the caller does after it has offered the
 * core to others (sched_yield(2)); if not, sleep.
 */
bool patience_permits(struct patience *patience);

/** The same, and the core has been offered. */
bool patience_looks(struct patience *patience);

/** Something was found, or the thread turns to something else. */
void patience_ends(struct patience *patience, bool found);

#endif
