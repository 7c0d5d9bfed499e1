/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chained hash table of links that lie inside the objects. It grows and shrinks with its
 * contents, a bucket or two at a time (linear hashing), so that no insertion has to wait until
 * every object has moved. The caller locks.
 */
#ifndef FSB_PASSTHROUGH_HASHTABLE_H
#define FSB_PASSTHROUGH_HASHTABLE_H

#include <stddef.h>
#include <stdint.h>

struct hash_link {
	struct hash_link *next;
};

/**
 * @nbuckets: in use, 0 at first
 * @room:     for so many there is memory
 * @mask:     the least 2^n - 1 that is not below @nbuckets - 1
 */
struct hashtable {
	struct hash_link **buckets;
	size_t nbuckets;
	size_t room;
	size_t mask;
	size_t count;
	uint64_t (*hash)(const struct hash_link *link);
};

void hashtable_init(struct hashtable *table, uint64_t (*hash)(const struct hash_link *link));
/** Free the buckets; the objects are the caller's. */
void hashtable_clear(struct hashtable *table);
/**
 * Return: 0, or -ENOMEM when there is no bucket at all (a failed growth only makes chains longer).
 */
int hashtable_insert(struct hashtable *table, struct hash_link *link);
void hashtable_remove(struct hashtable *table, struct hash_link *link);

/** Which bucket a hash belongs to, in a table that has any. */
static inline size_t hashtable_bucket(const struct hashtable *table, uint64_t hash)
{
	size_t bucket = hash & table->mask;

	/* One that is not in use yet: its contents are still where half of the mask leads to. */
	return bucket < table->nbuckets ? bucket : bucket & table->mask >> 1;
}

/** The chain in which an object with @hash would be, or NULL. */
static inline struct hash_link *hashtable_chain(const struct hashtable *table, uint64_t hash)
{
	return table->nbuckets ? table->buckets[hashtable_bucket(table, hash)] : NULL;
}

#define hash_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

#endif
