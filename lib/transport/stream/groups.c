// SPDX-License-Identifier: BSD-3-Clause
/* Sets of supplementary groups, by number. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "groups.h"

/* ---- The server's ---- */

struct group_set *group_set_new(const gid_t *groups, size_t count)
{
	struct group_set *set = malloc(sizeof(*set) + count * sizeof(*groups));

	if (!set)
		return NULL;
	atomic_init(&set->refs, 1);
	set->refused = false;
	set->count = count;
	if (count > 0)
		memcpy(set->groups, groups, count * sizeof(*groups));
	return set;
}

void group_set_put(struct group_set *set)
{
	if (set && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1)
		free(set);
}

int group_sets_define(struct group_sets *sets, uint32_t id, struct group_set *set)
{
	if (id == 0 || id > SETS_MOST)
		return -EPROTO;
	struct group_set *former = sets->by_id[id];
	size_t total = sets->total - (former ? former->count : 0) + set->count;
	if (total > GROUPS_TOTAL_MOST)
		return -E2BIG;
	group_set_put(former);
	sets->by_id[id] = set;
	sets->total = total;
	return 0;
}

struct group_set *group_sets_get(struct group_sets *sets, uint32_t id)
{
	struct group_set *set = id <= SETS_MOST ? sets->by_id[id] : NULL;

	if (set)
		atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void group_sets_clear(struct group_sets *sets)
{
	for (uint32_t id = 1; id <= SETS_MOST; id++)
		group_set_put(sets->by_id[id]);
	memset(sets, 0, sizeof(*sets));
}

/* ---- The client's ---- */

void group_notes_init(struct group_notes *notes, uint32_t max_sets, uint32_t max_groups)
{
	memset(notes, 0, sizeof(*notes));
	notes->max_sets = max_sets < SETS_MOST ? max_sets : SETS_MOST;
	notes->max_groups = max_groups < GROUPS_TOTAL_MOST ? max_groups : GROUPS_TOTAL_MOST;
}

static uint32_t hash_groups(const gid_t *groups, size_t count)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ groups[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static uint32_t *chain_of(struct group_notes *notes, uint32_t hash)
{
	return &notes->chains[hash % SETS_MOST];
}

static void forget(struct group_notes *notes, uint32_t id)
{
	struct noted_set *set = &notes->sets[id];
	uint32_t *link = chain_of(notes, set->hash);

	while (*link != id)
		link = &notes->sets[*link].next;
	*link = set->next;
	notes->total -= set->count;
	free(set->groups);
	memset(set, 0, sizeof(*set));
}

/*
 * A number that is free, or was not used lately, and that may be given to @count groups: the server
 * counts whatever is under the other numbers. Return: it, or 0.
 */
static uint32_t choose_number(struct group_notes *notes, size_t count)
{
	for (uint32_t tries = 0; tries < 2 * notes->max_sets; tries++) {
		notes->hand = notes->hand % notes->max_sets + 1;
		struct noted_set *set = &notes->sets[notes->hand];
		if (set->used && set->recent)
			set->recent = false;
		else if (notes->total - set->count + count <= notes->max_groups)
			return notes->hand;
	}
	return 0;
}

static uint32_t note(struct group_notes *notes, uint32_t hash, const gid_t *groups, size_t count)
{
	uint32_t id = choose_number(notes, count);
	if (id == 0)
		return 0;
	gid_t *copy = malloc(count > 0 ? count * sizeof(*groups) : 1);
	if (!copy)
		return 0;
	if (count > 0)
		memcpy(copy, groups, count * sizeof(*groups));
	if (notes->sets[id].used)
		forget(notes, id);
	notes->sets[id] = (struct noted_set){ .hash = hash,
					      .next = *chain_of(notes, hash),
					      .used = true,
					      .recent = true,
					      .defined = ++notes->defined,
					      .count = count,
					      .groups = copy };
	*chain_of(notes, hash) = id;
	notes->total += count;
	return id;
}

uint32_t group_notes_find(struct group_notes *notes, const gid_t *groups, size_t count,
			  bool *define)
{
	uint32_t hash = hash_groups(groups, count);
	size_t size = count * sizeof(*groups);

	for (uint32_t id = *chain_of(notes, hash); id; id = notes->sets[id].next) {
		struct noted_set *set = &notes->sets[id];
		if (set->hash != hash || set->count != count ||
		    (size > 0 && memcmp(set->groups, groups, size)))
			continue;
		set->recent = true;
		*define = false;
		return id;
	}
	*define = true;
	return note(notes, hash, groups, count);
}

void group_notes_clear(struct group_notes *notes)
{
	for (uint32_t id = 1; id <= SETS_MOST; id++)
		free(notes->sets[id].groups);
	memset(notes, 0, sizeof(*notes));
}
