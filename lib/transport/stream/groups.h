/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of supplementary groups. A client sends each distinct set once, under a number that its
 * requests then name; both sides hold as many as was agreed. The client decides which number is
 * given to another set.
 */
#ifndef FSB_STREAM_GROUPS_H
#define FSB_STREAM_GROUPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of one channel: ids 1 to SETS_MOST, and groups in all of them together. */
enum { SETS_MOST = 256, GROUPS_TOTAL_MOST = 2 * 65536 };

/* ---- The server's ---- */

/**
 * A set. Requests that are being worked on hold on to theirs, whatever its number means by then.
 *
 * @refused: it has a group that this client must not speak for
 */
struct group_set {
	atomic_uint refs;
	bool refused;
	size_t count;
	gid_t groups[];
};

struct group_sets {
	struct group_set *by_id[SETS_MOST + 1];
	size_t total;
};

/** Make a set. Return: it, with one reference; NULL without memory. */
struct group_set *group_set_new(const gid_t *groups, size_t count);

/** Let go of a set. NULL is nothing. */
void group_set_put(struct group_set *set);

/**
 * Give a number to @set, whose reference is taken. Return: 0; -EPROTO for a number, -E2BIG for more
 * groups than was agreed; and then the caller keeps the reference.
 */
int group_sets_define(struct group_sets *sets, uint32_t id, struct group_set *set);

/** The set of a number, with a reference for the caller; NULL when there is none. */
struct group_set *group_sets_get(struct group_sets *sets, uint32_t id);

/** Let go of all sets. */
void group_sets_clear(struct group_sets *sets);

/* ---- The client's ---- */

/** A set that the server knows. @recent: used since the hand of the clock passed. @defined: the how
 * manieth it was. */
struct noted_set {
	uint32_t hash;
	uint32_t next; /* with the same hash, 0 at the end */
	bool used;
	bool recent;
	uint64_t defined;
	size_t count;
	gid_t *groups;
};

/** @defined: how many sets were ever defined */
struct group_notes {
	uint64_t defined;
	uint32_t max_sets;
	uint32_t max_groups;
	size_t total;
	uint32_t hand;
	uint32_t chains[SETS_MOST]; /* of ids by hash, 0 for none */
	struct noted_set sets[SETS_MOST + 1];
};

/** No set is known so far. What the server allows is cut to what is known here. */
void group_notes_init(struct group_notes *notes, uint32_t max_sets, uint32_t max_groups);

/**
 * The number of a set. @define says whether the server has to be told of it first.
 *
 * Return: it; 0 when the server does not take that many groups, or without memory: such a set
 * cannot be told.
 */
uint32_t group_notes_find(struct group_notes *notes, const gid_t *groups, size_t count,
			  bool *define);

/** Forget all sets. */
void group_notes_clear(struct group_notes *notes);

#endif
