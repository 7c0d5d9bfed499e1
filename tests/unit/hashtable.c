// SPDX-License-Identifier: BSD-3-Clause
/*
 * The chained hash table: everything that was put in is found, through growing, shrinking and
 * collisions.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>

#include "passthrough/hashtable.h"

struct thing {
	uint64_t key;
	struct hash_link link;
	uint64_t hash;
};

static uint64_t hash_of(const struct hash_link *link)
{
	return hash_entry(link, struct thing, link)->hash;
}

static struct thing *find(const struct hashtable *table, uint64_t key, uint64_t hash)
{
	for (struct hash_link *link = hashtable_chain(table, hash); link; link = link->next)
		if (hash_entry(link, struct thing, link)->key == key)
			return hash_entry(link, struct thing, link);
	return NULL;
}

static struct thing *insert(struct hashtable *table, uint64_t key, uint64_t hash)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	cr_assert_not_null(thing);
	thing->key = key;
	thing->hash = hash;
	cr_assert_eq(hashtable_insert(table, &thing->link), 0);
	return thing;
}

Test(hashtable, an_empty_one_has_no_chains)
{
	struct hashtable table;

	hashtable_init(&table, hash_of);
	cr_expect_null(hashtable_chain(&table, 0));
	cr_expect_null(hashtable_chain(&table, UINT64_MAX));
	hashtable_clear(&table);
}

Test(hashtable, everything_is_found_while_it_grows_and_shrinks)
{
	enum { COUNT = 20000 };
	struct hashtable table;

	hashtable_init(&table, hash_of);
	for (uint64_t i = 0; i < COUNT; i++) {
		insert(&table, i, i);
		cr_assert_not_null(find(&table, i / 2, i / 2));
	}
	cr_expect_eq(table.count, COUNT);
	cr_expect_geq(table.nbuckets, COUNT / 2);
	for (uint64_t i = 0; i < COUNT; i++)
		cr_assert_not_null(find(&table, i, i));
	/* Every second one first, then the rest from the other end. */
	for (uint64_t i = 0; i < COUNT; i += 2) {
		struct thing *thing = find(&table, i, i);
		hashtable_remove(&table, &thing->link);
		free(thing);
		cr_assert_null(find(&table, i, i));
		cr_assert_not_null(find(&table, i + 1, i + 1));
	}
	for (uint64_t i = COUNT - 1; table.count > 0; i -= 2) {
		struct thing *thing = find(&table, i, i);
		cr_assert_not_null(thing);
		hashtable_remove(&table, &thing->link);
		free(thing);
	}
	cr_expect_eq(table.nbuckets, 0, "an empty table holds no memory");
	hashtable_clear(&table);
}

static unsigned long hashed;

static uint64_t counting_hash_of(const struct hash_link *link)
{
	hashed++;
	/* As mixed as those of inodes. */
	return hash_entry(link, struct thing, link)->hash * 0x9e3779b97f4a7c15u >> 20;
}

/* Whoever inserts or removes holds a lock that others wait for: the work of growing is spread. */
Test(hashtable, neither_growing_nor_shrinking_moves_many_at_once)
{
	enum { COUNT = 100000, MOST = 32 };
	struct hashtable table;
	struct thing *things = calloc(COUNT, sizeof(*things));
	unsigned long most = 0;

	cr_assert_not_null(things);
	hashtable_init(&table, counting_hash_of);
	for (uint64_t i = 0; i < COUNT; i++) {
		things[i] = (struct thing){ .key = i, .hash = i };
		hashed = 0;
		cr_assert_eq(hashtable_insert(&table, &things[i].link), 0);
		most = hashed > most ? hashed : most;
		cr_assert_leq(table.nbuckets, table.count > 16 ? table.count : 16);
	}
	cr_expect_eq(table.nbuckets, COUNT);
	for (uint64_t i = 0; i < COUNT; i++) {
		hashed = 0;
		hashtable_remove(&table, &things[i].link);
		most = hashed > most ? hashed : most;
		cr_assert_leq(table.room, table.count * 8 + 64);
	}
	cr_expect_leq(most, MOST, "%lu", most);
	free(things);
}

Test(hashtable, colliding_hashes_share_a_chain)
{
	struct hashtable table;
	struct thing *things[100];

	hashtable_init(&table, hash_of);
	for (uint64_t i = 0; i < 100; i++)
		things[i] = insert(&table, i, 7);
	for (uint64_t i = 0; i < 100; i++)
		cr_assert_eq(find(&table, i, 7), things[i]);
	/* From the middle, the head and the tail of the chain. */
	const unsigned int order[] = { 50, 99, 0 };
	for (unsigned int i = 0; i < 3; i++) {
		hashtable_remove(&table, &things[order[i]]->link);
		cr_assert_null(find(&table, order[i], 7));
	}
	cr_expect_eq(table.count, 97);
	for (uint64_t i = 1; i < 99; i++)
		if (i != 50)
			cr_assert_eq(find(&table, i, 7), things[i]);
	hashtable_clear(&table);
	for (unsigned int i = 0; i < 100; i++)
		free(things[i]);
}

Test(hashtable, can_be_used_again_after_it_was_cleared)
{
	struct hashtable table;

	hashtable_init(&table, hash_of);
	struct thing *first = insert(&table, 1, 1);
	hashtable_clear(&table);
	cr_expect_eq(table.count, 0);
	cr_expect_null(find(&table, 1, 1));
	struct thing *second = insert(&table, 2, 1);
	cr_expect_eq(find(&table, 2, 1), second);
	hashtable_clear(&table);
	free(first);
	free(second);
}
