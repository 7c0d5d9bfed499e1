// SPDX-License-Identifier: BSD-3-Clause
/* A chained hash table of links that lie inside the objects. */
#include <errno.h>
#include <stdlib.h>

#include "hashtable.h"

enum { SMALLEST = 16 };

void hashtable_init(struct hashtable *table, uint64_t (*hash)(const struct hash_link *link))
{
	*table = (struct hashtable){ .hash = hash };
}

void hashtable_clear(struct hashtable *table)
{
	free(table->buckets);
	hashtable_init(table, table->hash);
}

static void push(struct hashtable *table, struct hash_link *link)
{
	struct hash_link **head = &table->buckets[hashtable_bucket(table, table->hash(link))];

	link->next = *head;
	*head = link;
}

/* The links of a chain, each into the bucket that it belongs to now. */
static void spread(struct hashtable *table, struct hash_link *chain)
{
	while (chain) {
		struct hash_link *next = chain->next;
		push(table, chain);
		chain = next;
	}
}

static int make_room(struct hashtable *table, size_t room)
{
	struct hash_link **buckets = realloc(table->buckets, room * sizeof(struct hash_link *));

	if (!buckets)
		return -ENOMEM;
	table->buckets = buckets;
	table->room = room;
	return 0;
}

static int start(struct hashtable *table)
{
	table->buckets = calloc(SMALLEST, sizeof(struct hash_link *));
	if (!table->buckets)
		return -ENOMEM;
	table->nbuckets = table->room = SMALLEST;
	table->mask = SMALLEST - 1;
	return 0;
}

/* One bucket more: it takes its share of the one that held its contents until now. */
static void grow(struct hashtable *table)
{
	if (table->nbuckets == table->room && make_room(table, table->room * 2) < 0)
		return;
	size_t bucket = table->nbuckets++;
	if (bucket > table->mask)
		table->mask = table->mask * 2 + 1;
	size_t elder = bucket & table->mask >> 1;
	struct hash_link *chain = table->buckets[elder];
	table->buckets[elder] = table->buckets[bucket] = NULL;
	spread(table, chain);
}

/* One bucket less. */
static void shrink(struct hashtable *table)
{
	struct hash_link *chain = table->buckets[--table->nbuckets];

	if (table->nbuckets - 1 == table->mask >> 1)
		table->mask >>= 1;
	spread(table, chain);
	/* If that fails it wastes memory, nothing more. */
	if (table->nbuckets <= table->room / 4)
		(void)make_room(table, table->room / 2);
}

int hashtable_insert(struct hashtable *table, struct hash_link *link)
{
	if (!table->nbuckets && start(table) < 0)
		return -ENOMEM;
	push(table, link);
	table->count++;
	/* Two, to catch up with growth that failed. */
	for (int i = 0; i < 2 && table->count > table->nbuckets; i++)
		grow(table);
	return 0;
}

void hashtable_remove(struct hashtable *table, struct hash_link *link)
{
	struct hash_link **at = &table->buckets[hashtable_bucket(table, table->hash(link))];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	table->count--;
	if (table->count == 0) {
		hashtable_clear(table);
		return;
	}
	/* Two, so that the buckets become fewer faster than their contents. */
	for (int i = 0; i < 2 && table->nbuckets > SMALLEST && table->count < table->nbuckets / 2;
	     i++)
		shrink(table);
}
