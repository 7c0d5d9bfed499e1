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

static void push(struct hash_link **buckets, size_t nbuckets, uint64_t hash, struct hash_link *link)
{
	struct hash_link **head = &buckets[hash & (nbuckets - 1)];

	link->next = *head;
	*head = link;
}

static int resize(struct hashtable *table, size_t nbuckets)
{
	struct hash_link **buckets = calloc(nbuckets, sizeof(struct hash_link *));
	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < table->nbuckets; i++) {
		struct hash_link *next;

		for (struct hash_link *link = table->buckets[i]; link; link = next) {
			next = link->next;
			push(buckets, nbuckets, table->hash(link), link);
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->nbuckets = nbuckets;
	return 0;
}

int hashtable_insert(struct hashtable *table, struct hash_link *link)
{
	if (table->count >= table->nbuckets && resize(table, table->nbuckets ? table->nbuckets * 2 : SMALLEST) < 0 &&
	    !table->nbuckets)
		return -ENOMEM;
	push(table->buckets, table->nbuckets, table->hash(link), link);
	table->count++;
	return 0;
}

void hashtable_remove(struct hashtable *table, struct hash_link *link)
{
	struct hash_link **at = &table->buckets[table->hash(link) & (table->nbuckets - 1)];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	table->count--;
	/* A failed shrink wastes memory, nothing more. */
	if (table->count == 0)
		hashtable_clear(table);
	else if (table->nbuckets > SMALLEST && table->count < table->nbuckets / 8)
		(void)resize(table, table->nbuckets / 4);
}
