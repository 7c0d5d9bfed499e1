/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run of operations on two fresh trees, from the empty directory to the comparison at the end.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_SESSION_H
#define FSBACKEND_TESTS_DIFFERENTIAL_SESSION_H

#include "compare.h"

/*
 * Where and how sessions run.
 *
 * @native, @mounted: directories, absolute; every session makes a new one in each
 * @host:             what @mounted is on the host, or NULL; its sessions' trees are compared as
 * well
 * @sessions:         how many there were, which names the next one
 */
struct ground {
	const char *native, *mounted, *host;
	enum sabotage sabotage;
	struct conditions conditions;
	unsigned long sessions;
};

struct session {
	struct ground *ground;
	struct executor executor;
	char native[4096], mounted[4096], host[4096];
	struct operation last;
};

/* What came of a step: how the sides compare, or why they cannot be compared. */
enum verdict {
	GOES_ON,
	ENDS_KNOWN,  /* with a difference that is on the list, but after which the sides are no
			longer alike */
	ENDS_UNLIKE, /* with a difference that is not on the list */
	STUCK,       /* a side does not answer, or its worker is gone */
	GONE         /* the mount itself does not answer any more */
};

/* Find out what file system this is, and how exact the times on both sides are. Yields 0 or a
 * negative errno. */
int ground_probe(struct ground *ground);

/* Yields 0 or a negative errno, after which there is nothing to end. */
int session_begin(struct session *session, struct ground *ground);

enum verdict session_run(struct session *session, const struct operation *op,
			 struct result results[SIDES], struct difference *difference);

/* Compare the whole trees; the native one is left in @native for the caller to clear, unless it is
 * NULL. */
enum verdict session_compare(struct session *session, struct difference *difference,
			     struct tree *native);

/* Ends the processes and removes the trees. */
void session_end(struct session *session);

/*
 * Run a whole sequence on fresh trees, comparing those at the end, and after every operation when
 * @closely.
 *
 * @at: filled with how many operations had run when the difference showed
 */
enum verdict session_of(struct ground *ground, const struct operation *ops, size_t count,
			bool closely, struct difference *difference, size_t *at);

#endif
