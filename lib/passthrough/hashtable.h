/* SPDX-License-Identifier: BSD-3-Clause */
/* A chained hash table of links that lie inside the objects. It grows and shrinks with its contents; the caller locks. */
#ifndef FSB_PASSTHROUGH_HASHTABLE_H
#define FSB_PASSTHROUGH_HASHTABLE_H

#include <stddef.h>
#include <stdint.h>

struct hash_link {
	struct hash_link *next;
};

struct hashtable {
	struct hash_link **buckets;
	size_t nbuckets; /* a power of two, or 0 */
	size_t count;
	uint64_t (*hash)(const struct hash_link *link);
};

void hashtable_init(struct hashtable *table, uint64_t (*hash)(const struct hash_link *link));
/** Free the buckets; the objects are the caller's. */
void hashtable_clear(struct hashtable *table);
/** Return: 0, or -ENOMEM when there is no bucket at all (a failed growth only makes chains longer). */
int hashtable_insert(struct hashtable *table, struct hash_link *link);
void hashtable_remove(struct hashtable *table, struct hash_link *link);

/** The chain in which an object with @hash would be, or NULL. */
static inline struct hash_link *hashtable_chain(const struct hashtable *table, uint64_t hash)
{
	return table->nbuckets ? table->buckets[hash & (table->nbuckets - 1)] : NULL;
}

#define hash_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

#endif
